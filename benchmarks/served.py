"""The server as the driver sees it: started as a process of its own, told what to serve, asked what came."""

import http.client
import json
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

_CONNECTIONS = 4
_CHUNK = 2**20


@dataclass(frozen=True)
class Asked:
    """What the server counted between ``begin`` and ``end``; ``cpu_seconds`` are its own."""

    requests: int
    refused: int
    distinct_pages: int
    most_in_flight: int
    cpu_seconds: float


class Served:
    """A context manager that runs the server; ``url`` has no trailing slash."""

    def __init__(self, env: Mapping[str, str]) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.server"],
            env=dict(env),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout  # noqa: S101 - asked for above
        self.url = self._process.stdout.readline().strip()
        if not self.url:
            raise RuntimeError("the benchmark's server did not start; what it says stands above")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the server's standard input, which ends it."""
        self._process.communicate()

    def begin(self, *, rows: int, latency_ms: int, shape: str) -> None:
        """Serve so many rows of a shape per endpoint, each page so late, and count from now on."""
        self._ask(f"/begin?rows={rows}&latency_ms={latency_ms}&shape={shape}")

    def end(self) -> Asked:
        """Return what was counted since ``begin``."""
        return Asked(**self._ask("/end"))

    def pages_per_second(self, pages: int, shape: str) -> tuple[float, float]:
        """Return how many pages it sends per second, by the clock and by its own CPU time, to a bare client."""
        self.begin(rows=pages * 100, latency_ms=0, shape=shape)
        address = urlsplit(self.url).netloc.split(":")
        sockets = [socket.create_connection((address[0], int(address[1]))) for _ in range(_CONNECTIONS)]
        began = time.perf_counter()
        for first in range(0, pages, _CONNECTIONS):
            for place, connection in enumerate(sockets):
                target = f"/v1/media_insights?api_key=x&limit=100&offset={(first + place) * 100}"
                connection.sendall(f"GET {target} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            for connection in sockets:
                _read_answer(connection)
        seconds = time.perf_counter() - began
        for connection in sockets:
            connection.close()
        asked = self.end()
        return asked.requests / seconds, asked.requests / asked.cpu_seconds

    def _ask(self, target: str) -> dict[str, Any]:
        connection = http.client.HTTPConnection(urlsplit(self.url).netloc, timeout=60)
        connection.request("GET", target)
        answer: dict[str, Any] = json.loads(connection.getresponse().read())
        connection.close()
        return answer


def _read_answer(connection: socket.socket) -> None:
    received = connection.recv(_CHUNK)
    head, _, body = received.partition(b"\r\n\r\n")
    missing = int(head.rpartition(b"Content-Length: ")[2].partition(b"\r\n")[0]) - len(body)
    while missing > 0:
        missing -= len(connection.recv(_CHUNK))
