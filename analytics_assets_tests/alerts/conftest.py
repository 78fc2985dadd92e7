"""A receiver of webhooks that can fail in every way, and a watch: the sensor, its cursor, and Dagster's real record."""

import datetime as dt
import html
import json
import socket
import struct
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import dagster as dg
import pytest
import time_machine

from analytics_assets.build import build_definitions
from analytics_assets_tests.project import Project

PATH = "/services/T0secret/B0secret/a-secret-of-the-channel"
NOW = dt.datetime(2025, 3, 4, 12, 0, tzinfo=dt.UTC)


@dataclass
class Receiver:
    """What reached the receiver, and how it answers: a status, with headers, or ``hang`` or ``reset``; then 200."""

    url: str = ""
    answers: list[int | str | tuple[int, dict[str, str]]] = field(default_factory=list)
    came: list[dict[str, Any]] = field(default_factory=list)
    """Bodies of all requests, also of those that were not taken."""
    headers: list[dict[str, str]] = field(default_factory=list)
    taken: list[dict[str, Any]] = field(default_factory=list)
    """Bodies that were answered with a 200."""
    released: threading.Event = field(default_factory=threading.Event)

    @property
    def texts(self) -> list[str]:
        """What a channel shows: the texts that were taken, in order."""
        return [html.unescape(str(body["text"])) for body in self.taken]


class _Handler(BaseHTTPRequestHandler):
    receiver: Receiver

    def do_POST(self) -> None:
        receiver = self.receiver
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        receiver.came.append(body)
        receiver.headers.append(dict(self.headers))
        answer = receiver.answers.pop(0) if receiver.answers else 200
        if answer == "reset":
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()
            return
        if answer == "hang":
            # it took the message, and never says so
            receiver.taken.append(body)
            receiver.released.wait(20)
            return
        status, headers = answer if isinstance(answer, tuple) else (int(answer), {})
        if status == 200:
            receiver.taken.append(body)
        self.send_response(status)
        for name, value in {"content-length": "2", **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, *_: Any) -> None:  # noqa: ANN401 - http.server's signature
        """Say nothing."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: Any) -> None:  # noqa: ANN401 - http.server's signature
        """Say nothing of connections that it has closed itself."""


@pytest.fixture
def receiver(monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    """Serve a receiver, and make it the address that alerts go to."""
    found = Receiver()
    with _Server(("127.0.0.1", 0), type("Handler", (_Handler,), {"receiver": found})) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        found.url = f"http://127.0.0.1:{server.server_address[1]}{PATH}"
        monkeypatch.setenv("ALERT_WEBHOOK", found.url)
        yield found
        found.released.set()
        server.shutdown()
        thread.join(5)


@dataclass
class Watch:
    """The sensor of a project, as Dagster's daemon ticks it: with the cursor of the last tick, and a clock."""

    project: Project
    instance: dg.DagsterInstance
    clock: time_machine.Traveller
    cursor: str | None = None

    def tick(self, minutes: float = 1, *, dies: bool = False) -> dict[str, Any]:
        """Tick once, after so many minutes; return the cursor. Where the process ``dies`` Dagster does not keep it."""
        self.clock.shift(dt.timedelta(minutes=minutes))
        definitions = build_definitions()
        sensor = definitions.resolve_sensor_def("alerts")
        with dg.build_sensor_context(
            instance=self.instance, cursor=self.cursor, repository_def=definitions.get_repository_def()
        ) as context:
            data = sensor.evaluate_tick(context)
        if not dies:
            self.cursor = data.cursor
        found: dict[str, Any] = json.loads(data.cursor or "{}")
        return found

    def ticks(self, count: int = 2) -> None:
        """Tick until what was found is also sent."""
        for _ in range(count):
            self.tick()

    def run(self, *names: str, **options: Any) -> dg.ExecuteInProcessResult:  # noqa: ANN401 - those of ``materialize``
        """Run a load, a minute later."""
        self.clock.shift(dt.timedelta(minutes=1))
        return self.project.materialize(*names, instance=self.instance, **options)


@pytest.fixture
def watch(project: Project) -> Iterator[Watch]:
    """Return the sensor, switched on at noon of 2025-03-04."""
    with time_machine.travel(NOW, tick=True) as clock:
        found = Watch(project, project.instance(), clock)
        found.tick()
        yield found
