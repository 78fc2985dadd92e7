"""Informational answers (1xx) before the answer: read past, on one connection as on many."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from dlt.extract.exceptions import ResourceExtractionError

from analytics_assets.sandbox.faults import Fault
from analytics_assets_tests.project import Project, stories


@pytest.mark.parametrize("status", [100, 102, 103, 199])
def test_hints_are_read_past(project: Project, status: int) -> None:
    """Each of three answers has one before it, on a connection that is kept: all rows come, after three requests."""
    sandbox = project.serve(rows={"stories": stories(5)}, faults=[Fault("early_hints", status=status)])
    project.configure(page_size=2)
    assert len(project.read()) == 5
    assert len(sandbox.requests) == 3
    assert project.reports["stories"].retries == 0


@contextmanager
def _says(lines: bytes) -> Iterator[str]:
    """Serve these bytes to whoever connects."""

    def serve(listener: socket.socket) -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                connection.recv(65_536)
                connection.sendall(lines)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=serve, args=(listener,), daemon=True).start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        listener.shutdown(socket.SHUT_RDWR)


def test_nothing_but_hints_ends(project: Project) -> None:
    """A server that never comes to its answer is given up."""
    with _says(b"HTTP/1.1 103 Early Hints\r\n\r\n" * 200) as url:
        project.configure(base_url=url, max_retries=0)
        with pytest.raises(ResourceExtractionError, match="more than 20 informational answers"):
            project.read()


def test_switching_protocols_is_final(project: Project) -> None:
    """101 is the end of HTTP on a connection; nothing follows that could be waited for."""
    with _says(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n") as url:
        project.configure(base_url=url, max_retries=0, read_timeout=5)
        with pytest.raises(ResourceExtractionError, match="answered 101"):
            project.read()
