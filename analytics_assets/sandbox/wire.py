"""Responses that break HTTP on purpose. They need the connection, which ``server.py`` puts in the scope."""

import asyncio
import socket
import struct
from typing import cast

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

TRANSPORT = "transport"
"""The name under which the connection's ``asyncio.Transport`` stands in the ASGI scope's ``state``."""

_ARRIVED_SECONDS = 0.02


class Closed(Response):
    """No byte at all: the connection is closed, or with ``reset`` torn down with a TCP RST."""

    def __init__(self, *, reset: bool) -> None:
        """Keep the choice; the status is 0 because none is sent."""
        super().__init__()
        self.status_code = 0
        self.reset = reset

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 (ASGI's signature)
        """Close the connection."""
        await _hang_up(scope, receive, reset=self.reset)


class Truncated(Response):
    """A whole body's ``Content-Length``, the first ``keep`` (0 to 1) of the bytes, then a broken connection."""

    def __init__(self, body: bytes, *, keep: float, reset: bool = False) -> None:
        """Declare the whole body."""
        super().__init__(body, media_type="application/json")
        self.reset = reset
        self.kept = body[: min(int(len(body) * keep), len(body) - 1)]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send too little and close."""
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        await send({"type": "http.response.body", "body": self.kept, "more_body": True})
        if self.reset:
            await asyncio.sleep(_ARRIVED_SECONDS)  # a reset throws away what is still on its way
        await _hang_up(scope, receive, reset=self.reset)


class Verbatim(Response):
    """These bytes in place of an answer, headers and all, and then the connection is closed."""

    def __init__(self, content: bytes) -> None:
        """Keep the bytes; the status is 0 because none is known."""
        super().__init__()
        self.status_code = 0
        self.content = content

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 (ASGI's signature)
        """Send the bytes and close."""
        _transport(scope).write(self.content)
        await _hang_up(scope, receive)


class Hinted(Response):
    """The right body, with an informational answer (1xx) before it."""

    def __init__(self, body: bytes, *, status: int) -> None:
        """Keep the forerunner's status."""
        super().__init__(body, media_type="application/json")
        self.forerunner = f"HTTP/1.1 {status} Hints\r\nLink: </v1>; rel=preload\r\n\r\n".encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send both."""
        _transport(scope).write(self.forerunner)
        await super().__call__(scope, receive, send)


class Dripped(Response):
    """The right body, in about ``chunks`` pieces with ``delay`` seconds before each."""

    def __init__(self, body: bytes, *, delay: float, chunks: int) -> None:
        """Keep the pace."""
        super().__init__(body, media_type="application/json")
        self.delay = delay
        self.step = -(-len(body) // chunks)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 (ASGI's signature)
        """Send the pieces."""
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        for start in range(0, len(self.body), self.step):
            await asyncio.sleep(self.delay)
            await send({"type": "http.response.body", "body": self.body[start : start + self.step], "more_body": True})
        await send({"type": "http.response.body", "body": b""})


def _transport(scope: Scope) -> asyncio.Transport:
    try:
        # uvloop's transports are no subclass of asyncio.Transport, so no isinstance here.
        return cast("asyncio.Transport", scope["state"][TRANSPORT])
    except KeyError:
        msg = "this fault needs the real connection: run the sandbox with SandboxServer or serve()"
        raise RuntimeError(msg) from None


async def _hang_up(scope: Scope, receive: Receive, *, reset: bool = False) -> None:
    """Close the connection and wait until uvicorn has noticed, or it would log an unfinished response."""
    if reset:
        linger = struct.pack("ii", 1, 0)
        _transport(scope).get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    _transport(scope).close()
    while (await receive())["type"] != "http.disconnect":
        pass
