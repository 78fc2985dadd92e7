"""The lock of a run: who holds it lives, and whoever cannot hold it ends."""

import contextlib
import multiprocessing
import os
import signal
import time
import uuid
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import dagster as dg
import pytest

from analytics_assets.cluster.alive import RunLock
from analytics_assets_tests.cluster.conftest import Wire
from analytics_assets_tests.warehouses import Postgres

pytestmark = pytest.mark.postgres
_FORK = multiprocessing.get_context("fork")
_SECONDS = 30
# Of this database alone: other tests hold runs in others of the same server.
_SESSIONS = "FROM pg_stat_activity WHERE application_name = 'analytics_assets run' AND datname = current_database()"


def _hold(address: str, run_id: str, lost_seconds: float, held: Any) -> None:  # noqa: ANN401 - a context's event
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    with RunLock(address, run_id, lost_seconds).held() as is_only:
        if is_only:
            held.set()
            time.sleep(_SECONDS)


@contextlib.contextmanager
def holder(address: str, run_id: str = "one", lost_seconds: float = 30) -> Iterator[Any]:
    """Give a process that holds the lock of a run."""
    held = _FORK.Event()
    process = _FORK.Process(target=_hold, args=(address, run_id, lost_seconds, held), daemon=True)
    process.start()
    assert held.wait(_SECONDS)
    try:
        yield process
    finally:
        process.kill()
        process.join()


def until(what: Any, seconds: float = 10) -> None:  # noqa: ANN401 - a function
    """Wait for it."""
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_one_process_holds_a_run(postgres_server: Postgres) -> None:
    """A second one is told so, and the run of another id is free."""
    lock = RunLock(postgres_server.url, "one")
    assert not lock.is_held()
    with holder(postgres_server.url):
        assert lock.is_held()
        assert not RunLock(postgres_server.url, "two").is_held()
        with lock.held() as is_only:
            assert not is_only
        assert lock.is_held()
    with lock.held() as is_only:
        assert is_only


def test_a_killed_process_holds_nothing(postgres_server: Postgres) -> None:
    """Its lock goes with it, without anybody who cleans up."""
    with holder(postgres_server.url) as process:
        os.kill(process.pid, signal.SIGKILL)
        until(lambda: not RunLock(postgres_server.url, "one").is_held())


def test_a_connection_that_is_lost_is_made_anew(postgres_server: Postgres) -> None:
    """As when PostgreSQL is restarted: the process takes its lock again, and goes on."""
    with holder(postgres_server.url, lost_seconds=12) as process:
        [(count,)] = postgres_server.execute(f"SELECT count(pg_terminate_backend(pid)) {_SESSIONS}")
        assert count == 1
        until(RunLock(postgres_server.url, "one").is_held)
        time.sleep(7)
        assert process.is_alive()


def test_whoever_cannot_hold_it_ends(postgres_server: Postgres) -> None:
    """The server is out of reach and drops the session: the process kills itself before another takes its run."""
    parts = urlsplit(postgres_server.url)
    wire = Wire(parts.hostname or "127.0.0.1", parts.port or 5432)
    address = parts._replace(netloc=f"{parts.username}:{parts.password}@127.0.0.1:{wire.port}").geturl()
    lost_seconds = 6.0
    with holder(address, lost_seconds=lost_seconds) as process:
        assert RunLock(postgres_server.url, "one").is_held()
        wire.is_cut.set()
        postgres_server.execute(f"SELECT pg_terminate_backend(pid) {_SESSIONS}")
        began = time.monotonic()
        process.join(_SECONDS)
        assert process.exitcode == -signal.SIGKILL
        assert time.monotonic() - began < lost_seconds


@pytest.mark.usefixtures("queue")
def test_a_run_is_lost_when_nobody_has_held_it_for_long(database: Postgres, monkeypatch: pytest.MonkeyPatch) -> None:
    """The launcher calls it running while it is held, and for ``lost_seconds`` after; then it has failed."""
    monkeypatch.setenv("FLEET", "1")
    with dg.DagsterInstance.from_config("deploy") as instance:
        launcher = instance.run_launcher
        launcher.lost_runs.lost_seconds = 1.0
        run = instance.create_run_for_job(_job)
        with holder(database.url, run.run_id):
            assert launcher.check_run_worker_health(run).status.value == "RUNNING"
        assert launcher.check_run_worker_health(run).status.value == "RUNNING"
        with holder(database.url, run.run_id):
            time.sleep(1.2)
            assert launcher.check_run_worker_health(run).status.value == "RUNNING"
        assert launcher.check_run_worker_health(run).status.value == "RUNNING"
        time.sleep(1.2)
        assert launcher.check_run_worker_health(run).status.value == "FAILED"
        assert not launcher.supports_resume_run


@pytest.mark.usefixtures("queue", "database")
@pytest.mark.parametrize(
    ("killed_before", "health", "status"),
    [("job_success", "SUCCESS", "SUCCESS"), ("step_start_event", "FAILED", "STARTED")],
)
def test_a_run_that_has_done_all_is_not_lost(
    monkeypatch: pytest.MonkeyPatch, killed_before: str, health: str, status: str
) -> None:
    """Its process was killed between its last step and its end: it has succeeded. With a step left it has failed."""
    monkeypatch.setenv("FLEET", "1")
    run_id = str(uuid.uuid4())
    process = _FORK.Process(target=_end_in, args=(killed_before, run_id), daemon=True)
    process.start()
    process.join(_SECONDS)
    assert process.exitcode == -signal.SIGKILL
    with dg.DagsterInstance.from_config("deploy") as instance:
        instance.run_launcher.lost_runs.lost_seconds = 0.5
        [run] = instance.get_runs()
        assert (run.run_id, run.status.value) == (run_id, "STARTED")
        assert instance.run_launcher.check_run_worker_health(run).status.value == "RUNNING"
        time.sleep(0.7)
        assert instance.run_launcher.check_run_worker_health(run).status.value == health
        assert [run.status.value for run in instance.get_runs()] == [status]


def _end_in(name: str, run_id: str) -> None:
    """Execute the job, and be killed before that event of the job's or of its second step's."""
    write = getattr(dg.DagsterEvent, name)

    def killed(context: Any, *more: Any) -> Any:  # noqa: ANN401 - Dagster's
        if getattr(getattr(context, "step", None), "key", "_second") == "_second":
            os.kill(os.getpid(), signal.SIGKILL)
        return write(context, *more)

    setattr(dg.DagsterEvent, name, staticmethod(killed))
    with dg.DagsterInstance.from_config("deploy") as instance:
        _job.execute_in_process(instance=instance, run_id=run_id)


@dg.op
def _first() -> int:
    return 1


@dg.op
def _second(_first: int) -> None:
    """Do nothing."""


@dg.job
def _job() -> None:
    _second(_first())
