"""What `make dev` refuses to start, in one line. What it starts: `ui/test_ui.py`."""

import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import filelock
import pytest

from analytics_assets.commands.dev import is_served_here, main
from analytics_assets.sandbox.server import SandboxServer
from analytics_assets_tests.project import Project
from analytics_assets_tests.secrecy.conftest import closed_port


@pytest.fixture(autouse=True)
def _as_before(project: Project, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Leave no signal handler and no DAGSTER_HOME behind, which it sets for its process."""
    monkeypatch.setenv("DAGSTER_HOME", str(project.path))
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("port", ["0", "65536", "-1", "http", "3000.5"], ids=repr)
def test_a_port_that_is_none_is_refused(
    port: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With what a port is, and how to say one."""
    monkeypatch.setenv("PORT", port)
    assert main() == 1
    problem = f"PORT is {port!r}, but a port is a number from 1 to 65535, as in PORT=3001 make dev"
    assert capsys.readouterr() == ("", f"Cannot start: {problem}\n")


def test_another_folder_is_refused(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    """Where Dagster's settings are missing, it would start with a history of its own."""
    (project.path / "dagster.yaml").unlink()
    assert main() == 1
    problem = "There is no dagster.yaml in this folder. Change to the project's folder first."
    assert capsys.readouterr() == ("", f"Cannot start: {problem}\n")


def test_a_warehouse_that_cannot_be_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Else Dagster would start, with no assets in it and the reason on a page of its UI."""
    monkeypatch.setenv("PORT", "65000")
    monkeypatch.setenv("DESTINATION__WAREHOUSE__DESTINATION_TYPE", "snowflak")
    assert main() == 1
    problem = (
        "destination.warehouse.destination_type = 'snowflak': dlt has no such destination. Did you mean snowflake?"
    )
    assert capsys.readouterr() == ("", f"Cannot start: {problem}\n")


def test_a_port_of_another_program_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Before anything is started, and without the word `ready`."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        monkeypatch.setenv("PORT", str(port))
        assert main() == 1
    problem = f"port {port} cannot be used (Address already in use); choose another one, as in PORT=3001 make dev"
    assert capsys.readouterr() == ("", f"Cannot start: {problem}\n")


def test_a_second_one_is_refused(
    project: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Before its port is looked at, with the address of the first; a lock that nobody holds is no hindrance."""
    monkeypatch.setenv("PORT", str(closed_port()))
    lock = filelock.FileLock(project.path / ".dagster" / "make-dev.lock")
    with lock:
        Path(lock.lock_file).write_text("http://127.0.0.1:4000")
        assert main() == 1
    problem = "make dev is running already, at http://127.0.0.1:4000; open that, or stop it first"
    assert capsys.readouterr() == ("", f"Cannot start: {problem}\n")
    project.configure(page_size=0)
    assert main() == 1
    assert "page_size" in capsys.readouterr().err


def test_another_program_is_not_taken_for_the_ui() -> None:
    """Neither one that answers over HTTP nor a closed port: it is not ready because a port is open."""
    with SandboxServer() as server, socket.create_server(("127.0.0.1", 0)) as closed:
        assert not is_served_here(int(server.url.rpartition(":")[2]))
        port = closed.getsockname()[1]
        closed.close()
        assert not is_served_here(port)
