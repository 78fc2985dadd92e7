"""A Dagster instance that keeps everything, every logger at DEBUG, and an API that misbehaves in every way."""

import logging
import os
import shutil
import socket
import ssl
import subprocess
import threading
import types
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from analytics_assets.ingest import workdir
from analytics_assets.ingest.api import redaction
from analytics_assets.sandbox.app import Sandbox
from analytics_assets.sandbox.faults import Fault
from analytics_assets.sandbox.server import SandboxServer
from analytics_assets.sandbox.shape import Shape
from analytics_assets_tests.project import Project, stories
from analytics_assets_tests.secrecy.traces import with_key


@dataclass(frozen=True)
class Tls:
    """An https server with a certificate of its own making, and the requests that reached it."""

    url: str
    certificate: Path
    asked: list[str]


@pytest.fixture
def kept(project: Project, monkeypatch: pytest.MonkeyPatch) -> Iterator[dg.DagsterInstance]:
    """Return a Dagster instance on disk; working directories stay, and all that is logged goes to a file as well."""
    monkeypatch.setenv("DAGSTER_HOME", str(project.path))
    # a run in a process of its own waits a second for each of its two logs; here one process has them all
    monkeypatch.setenv("DAGSTER_COMPUTE_LOG_TAIL_WAIT_AFTER_FINISH", "0")
    monkeypatch.setattr(workdir, "shutil", types.SimpleNamespace(rmtree=lambda *_, **__: None))
    # a process of its own begins without filters
    for name in redaction.WIRE_LOGS:
        monkeypatch.setattr(logging.getLogger(name), "filters", [])
    redaction.redactor_of.cache_clear()
    written = logging.FileHandler(project.path / "debug.log")
    loggers = [logging.getLogger(name) for name in (None, "dlt", "urllib3", "requests")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.DEBUG)
    loggers[0].addHandler(written)
    loggers[1].addHandler(written)
    monkeypatch.setenv("RUNTIME__LOG_LEVEL", "DEBUG")
    try:
        with dg.DagsterInstance.get() as instance:
            yield instance
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
            logger.removeHandler(written)
        written.close()
        redaction.redactor_of.cache_clear()


@pytest.fixture
def leaks(project: Project, capfd: pytest.CaptureFixture[str]) -> Callable[[], list[str]]:
    """Return a function that says where the key stands, in what was printed and in the test's folder."""

    def look() -> list[str]:
        out, err = capfd.readouterr()
        return with_key(project.path, out + err)

    return look


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a certificate for ``localhost`` that nobody has signed, and its key, in one file."""
    path = tmp_path_factory.mktemp("tls") / "server.pem"
    if not shutil.which("openssl"):
        missing = "no openssl to make a certificate with: apt-get install openssl"
        (pytest.fail if os.environ.get("REQUIRE_ALL") == "1" else pytest.skip)(missing)
    made = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost"
    names = ["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
    files = ["-keyout", str(path), "-out", f"{path}.crt"]
    subprocess.run(["openssl", *made.split(), *names, *files], check=True, capture_output=True, timeout=30)
    path.write_text(path.read_text() + Path(f"{path}.crt").read_text())
    return path


@pytest.fixture
def tls(certificate: Path) -> Iterator[Tls]:
    """Serve one empty page over https."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            body = b'{"data": [], "total": 0}'
            self.send_response(200)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:  # noqa: ANN401 - http.server's signature
            """Say nothing."""

    class Server(ThreadingHTTPServer):
        def handle_error(self, *_: Any) -> None:  # noqa: ANN401 - http.server's signature
            """Say nothing of clients that hang up."""

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with Server(("127.0.0.1", 0), Handler) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        yield Tls(f"https://localhost:{server.server_address[1]}", Path(f"{certificate}.crt"), asked)
        server.shutdown()
        thread.join(5)


@pytest.fixture
def elsewhere() -> Iterator[SandboxServer]:
    """Serve another API, to which the key must not go."""
    with SandboxServer(Sandbox(shape=Shape(key="another"), rows={"stories": stories(1)})) as server:
        yield server


def closed_port() -> int:
    """Return a port on which nobody listens."""
    with closing(socket.create_server(("127.0.0.1", 0))) as free:
        return int(free.getsockname()[1])


def fault(kind: str, **options: Any) -> list[Fault]:  # noqa: ANN401 - the fault types its own
    """Return a fault that strikes every request."""
    return [Fault(kind, **options)]
