"""Run the sandbox: in a thread for tests and demos, or in the foreground for the command line."""

import asyncio
import contextlib
import signal
import socket
import threading
import time
from types import TracebackType
from typing import Any, Self, cast

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from analytics_assets.sandbox.app import Sandbox
from analytics_assets.sandbox.control import with_control
from analytics_assets.sandbox.wire import TRANSPORT

_TICK_SECONDS = 0.02
_START_SECONDS = 10
_STOP_SECONDS = 5


class SandboxServer:
    """A context manager that serves ``sandbox`` from a daemon thread until it is left.

    The port is bound when the object exists (0 picks a free one), and ``url`` (no trailing slash) is answered once it
    is entered. ``OSError`` when the port is taken, ``RuntimeError`` when the server does not start. Leaving it drops
    every connection.
    """

    def __init__(
        self, sandbox: Sandbox | None = None, *, host: str = "127.0.0.1", port: int = 0, player: ASGIApp | None = None
    ) -> None:
        """Bind the port; a ``player``, such as a ``Player``, is served in the place of the sandbox."""
        self.sandbox = sandbox or Sandbox()
        self._socket = listen(host, port)
        self.url = url_of(self._socket)
        self._server = _Server(_config(player or self.sandbox))
        self._thread = threading.Thread(target=self._server.run, args=([self._socket],), name="sandbox", daemon=True)

    def __enter__(self) -> Self:
        """Start, and return once requests are answered."""
        self._thread.start()
        deadline = time.monotonic() + _START_SECONDS
        while not self._server.started:
            if not self._thread.is_alive() or time.monotonic() > deadline:
                msg = "the sandbox server did not start"
                raise RuntimeError(msg)
            time.sleep(0.002)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop, dropping whatever is still being answered."""
        self._server.should_exit = True
        self._thread.join(_STOP_SECONDS)
        self._socket.close()

    def stop_listening(self) -> None:
        """Refuse new connections from here on; open ones are answered. To be called on the server's thread."""
        for listening in self._server.servers:
            listening.close()


def serve(sandbox: ASGIApp, listener: socket.socket) -> None:
    """Serve a ``Sandbox`` or a ``Player`` on a socket from ``listen`` until Ctrl-C; only on the main thread.

    After ``stop_on_signals`` SIGTERM ends it, too.
    """
    with contextlib.suppress(KeyboardInterrupt):
        _Server(_config(sandbox)).run([listener])


def stop_on_signals() -> None:
    """Make SIGTERM, and a terminal that is closed, mean what Ctrl-C means: ``KeyboardInterrupt``; not for ``nohup``."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        signal.signal(signal.SIGHUP, signal.default_int_handler)


def listen(host: str, port: int) -> socket.socket:
    """Return a listening socket on that host and port, 0 for a free one; ``OSError`` when it is taken."""
    return socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)


def url_of(listener: socket.socket) -> str:
    """Return the address a client uses, without a trailing slash."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


class _Protocol(HttpToolsProtocol):
    """uvicorn's protocol, which also hands the connection to the application so that a fault can break it."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.app_state: dict[str, Any] = {**self.app_state, TRANSPORT: transport}
        super().connection_made(cast("asyncio.Transport", transport))


class _Server(uvicorn.Server):
    """uvicorn's server, stopping at once where uvicorn waits for clients to finish."""

    async def main_loop(self) -> None:
        counter = 0
        while not await self.on_tick(counter):
            counter += 1
            await asyncio.sleep(_TICK_SECONDS)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for server in self.servers:
            server.close()
        for listener in sockets or []:
            listener.close()
        for connection in list(self.server_state.connections):
            connection.transport.abort()
        await asyncio.sleep(0)  # the applications learn of it before the ending loop cancels them


def _config(sandbox: ASGIApp) -> uvicorn.Config:
    return uvicorn.Config(
        with_control(sandbox),
        http=_Protocol,
        ws="none",
        lifespan="off",
        log_config=None,
        log_level="error",
        access_log=False,
        proxy_headers=False,
    )
