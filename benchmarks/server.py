"""An API that is not the bottleneck: offset paging over pages of bytes, on uvloop and without a framework.

``python -m benchmarks.server`` listens on a free port, prints its address, and ends when its standard input does.
Requests without the key are refused and the window is taken as read, for every row lies in it. Two paths drive it:
``/begin?rows=N&latency_ms=N&shape=NAME`` sets what is served and forgets what was counted, ``/end`` tells the counts.
"""

import asyncio
import os
import re
import sys
import time
from dataclasses import dataclass, field
from typing import cast
from urllib.parse import parse_qs, urlsplit

import orjson
import uvloop

from benchmarks.pages import PAGE_SIZE, Pages, all_pages

_BACKLOG = 512
_OFFSET = re.compile(rb"[?&]offset=([0-9]+)")
_LIMIT = re.compile(rb"[?&]limit=([0-9]+)")
_KEY = re.compile(rb"[?&]api_key=[^& ]|^authorization: bearer ", re.IGNORECASE | re.MULTILINE)
_OK, _BAD, _UNAUTHORIZED, _NOT_FOUND = b"200 OK", b"400 Bad Request", b"401 Unauthorized", b"404 Not Found"


@dataclass
class Counts:
    """What was asked since the last ``/begin``."""

    requests: int = 0
    refused: int = 0
    most_in_flight: int = 0
    pages: set[tuple[bytes, int]] = field(default_factory=set)
    cpu_began: float = field(default_factory=time.process_time)

    def told(self) -> bytes:
        """Return the counts as JSON."""
        return orjson.dumps(
            {
                "requests": self.requests,
                "refused": self.refused,
                "distinct_pages": len(self.pages),
                "most_in_flight": self.most_in_flight,
                "cpu_seconds": time.process_time() - self.cpu_began,
            }
        )


class Api:
    """What is served, and the counts: shared by all connections."""

    def __init__(self) -> None:
        self.rows = 0
        self.latency = 0.0
        self.in_flight = 0
        self.counts = Counts()
        self._pages: dict[bytes, Pages] = {}

    def answer(self, head: bytes) -> tuple[bytes, bytes]:
        """Return status and body for a request of the API."""
        target = head.split(b" ", 2)[1]
        path = target.partition(b"?")[0]
        self.counts.requests += 1
        status, body = self._page(head, path, target)
        self.counts.refused += status != _OK
        return status, body

    def _page(self, head: bytes, path: bytes, target: bytes) -> tuple[bytes, bytes]:
        if path not in self._pages:
            return _NOT_FOUND, b'{"error":"no such path"}'
        if not _KEY.search(head):
            return _UNAUTHORIZED, b'{"error":"no API key"}'
        offset, limit = (int(found[1]) if (found := name.search(target)) else None for name in (_OFFSET, _LIMIT))
        page, rest = divmod(offset or 0, PAGE_SIZE)
        if rest or limit not in {None, PAGE_SIZE}:
            return _BAD, b'{"error":"only whole pages of 100"}'
        self.counts.pages.add((path, page))
        return _OK, self._pages[path].body(page, self.rows)

    def control(self, target: str) -> bytes:
        """Set what is served, or tell what was counted."""
        parts = urlsplit(target)
        if parts.path == "/end":
            return self.counts.told()
        params = parse_qs(parts.query)
        self.rows, self.latency = int(params["rows"][0]), int(params["latency_ms"][0]) / 1000
        self._pages = {path.encode(): pages for path, pages in all_pages(params["shape"][0]).items()}
        # last, for its clock starts: making the pages of a shape is no part of sending them
        self.counts = Counts()
        return b"{}"


class Connection(asyncio.Protocol):
    """One keep-alive connection. A request is in flight from its last byte until its answer is handed to the kernel."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._received = b""
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Remember where answers go."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Answer each request that is whole; they have no bodies."""
        self._received += data
        while (end := self._received.find(b"\r\n\r\n")) >= 0:
            head, self._received = self._received[:end], self._received[end + 4 :]
            if head.startswith((b"GET /begin", b"GET /end")):
                self._write(_OK, self._api.control(head.split(b" ", 2)[1].decode()))
            else:
                self._serve(head)

    def _serve(self, head: bytes) -> None:
        api = self._api
        api.in_flight += 1
        api.counts.most_in_flight = max(api.counts.most_in_flight, api.in_flight)
        if api.latency:
            asyncio.get_running_loop().call_later(api.latency, self._finish, head)
        else:
            self._finish(head)

    def _finish(self, head: bytes) -> None:
        self._api.in_flight -= 1
        if not self._transport.is_closing():
            self._write(*self._api.answer(head))

    def _write(self, status: bytes, body: bytes) -> None:
        self._transport.write(
            b"HTTP/1.1 %b\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (status, len(body), body)
        )


async def main() -> None:
    """Serve until standard input ends, which it does when the starting process is gone, however it went."""
    api = Api()
    loop = asyncio.get_running_loop()
    over = asyncio.Event()
    server = await loop.create_server(lambda: Connection(api), "127.0.0.1", 0, backlog=_BACKLOG)

    def read_input() -> None:
        if not os.read(sys.stdin.fileno(), 1):
            over.set()

    loop.add_reader(sys.stdin.fileno(), read_input)
    host, port = server.sockets[0].getsockname()
    print(f"http://{host}:{port}", flush=True)
    await over.wait()


if __name__ == "__main__":
    uvloop.run(main())
