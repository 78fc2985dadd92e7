"""DuckDB has one writer: runs queue for it and all finish, also after a kill; a reader is waited for, not for ever."""

import logging
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest

from analytics_assets.ingest.errors import ApiError
from analytics_assets.ingest.warehouse.ledger import LEDGER
from analytics_assets.ingest.warehouse.writer import duckdb_writer
from analytics_assets.sandbox.faults import Fault
from analytics_assets_tests.concurrency.conftest import working_directories
from analytics_assets_tests.concurrency.loader import HOLD, READER_WAIT, Loads
from analytics_assets_tests.project import Project, Row, stories

LOG = logging.getLogger(__name__)
pytestmark = pytest.mark.duckdb

DAYS = ("2025-03-01", "2025-03-02", "2025-03-03", "2025-03-04")
READER = """
import duckdb, sys

connection = duckdb.connect(sys.argv[1], read_only=True)
print("open", flush=True)
sys.stdin.read()
"""


def of_days(count: int, *days: str) -> tuple[Row, ...]:
    """Return that many stories for each day, with ids of their own."""
    return tuple({**row, "id": f"{day}-{row['id']}"} for day in days for row in stories(count, day))


def ids(rows: tuple[Row, ...]) -> list[str]:
    """Return the ids, in order."""
    return sorted(row["id"] for row in rows)


@contextmanager
def reader(project: Project) -> Iterator[subprocess.Popen[str]]:
    """Have another program hold the warehouse for reading."""
    arguments = [sys.executable, "-c", READER, str(project.path / "warehouse.duckdb")]
    with subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        try:
            assert process.stdout.readline() == "open\n"
            yield process
        finally:
            process.kill()


def outcomes(project: Project) -> list[tuple[str, str]]:
    """Return day and outcome of every row of the ledger."""
    return sorted((f"{row['window_start']:%Y-%m-%d}", row["outcome"]) for row in project.table(LEDGER))


def test_runs_that_start_at_once_all_finish(project: Project, loads: Loads) -> None:
    """Ten loads on a new warehouse, of different days and of the same: each succeeds, and every row is there once."""
    rows = of_days(40, *DAYS)
    project.serve(rows={"stories": rows})
    started = [loads.start(day) for day in (*DAYS, *DAYS, DAYS[0], DAYS[0])]
    for load in started:
        load.succeed()
    assert project.ids() == ids(rows)
    assert outcomes(project) == sorted((day, "loaded") for day in (*DAYS, *DAYS, DAYS[0], DAYS[0]))
    assert working_directories(project) == []


def test_different_tables_and_failures_at_once(project: Project, loads: Loads) -> None:
    """Loads of four endpoints and a failing one meanwhile: the failures are in the ledger, the rest is loaded."""
    names = ("stories", "media_insights", "story_insights")
    sandbox = project.serve()
    sandbox.faults.append(Fault("status", status=404, endpoint="user_insights"))
    good = [loads.start(DAYS[0], endpoint=name) for name in names]
    bad = [loads.start(DAYS[i], endpoint="user_insights") for i in range(2)]
    for load in good:
        load.succeed()
    assert [load.end() for load in bad] == [1, 1]
    found = sorted((row["endpoint"], row["outcome"]) for row in project.table(LEDGER))
    assert found == sorted([*((name, "loaded") for name in names), *[("user_insights", "failed")] * 2])
    assert all(project.table(name) for name in names)


def test_a_killed_writer_is_not_waited_for(project: Project, loads: Loads, monkeypatch: pytest.MonkeyPatch) -> None:
    """While a run writes, the others wait and say so; when it is killed, they go on at once."""
    rows = of_days(5, *DAYS)
    project.serve(rows={"stories": rows})
    monkeypatch.setenv(HOLD, "load")
    holder = loads.start(DAYS[0])
    holder.says("holding")
    monkeypatch.delenv(HOLD)
    waiting = [loads.start(day) for day in DAYS]
    for load in waiting:
        load.says("waiting for another run to finish writing warehouse.duckdb")
    assert all(load.process.is_alive() for load in waiting)
    assert holder.kill() == -9
    for load in waiting:
        load.succeed(20)
    assert project.ids() == ids(rows)


def test_a_reader_is_waited_for_and_then_named(project: Project, loads: Loads, monkeypatch: pytest.MonkeyPatch) -> None:
    """A program that keeps the file open ends the run in bounded time, with one message: the file and the process."""
    project.serve(rows={"stories": stories(3)})
    project.load()
    monkeypatch.setenv(READER_WAIT, "1.5")
    with reader(project) as process:
        began = time.monotonic()
        load = loads.start(DAYS[0])
        assert load.end(30) == 1
        assert 1.5 < time.monotonic() - began < 30
        last = load.said.strip().splitlines()[-1]
        assert f", PID {process.pid}) has had warehouse.duckdb open for more than 1.5 s; close the file there" in last
        assert f"PID {process.pid}" in load.said.splitlines()[0]
        assert "could not be written" not in load.said
    assert project.ids() == ["s000", "s001", "s002"]


def test_a_reader_is_waited_for_once_in_a_run(project: Project) -> None:
    """The next asset of the run does not wait again for who has had that time; when the file is free it is written."""
    project.serve(rows={"stories": stories(3)})
    project.load()
    path = project.path / "warehouse.duckdb"

    def seconds_until_refused() -> float:
        began = time.monotonic()
        with pytest.raises(ApiError, match="close the file there"), duckdb_writer(path, LOG, reader_wait=2):
            pass
        return time.monotonic() - began

    with reader(project):
        assert seconds_until_refused() > 2
        assert seconds_until_refused() < 1.5
        assert seconds_until_refused() < 1.5
        time.sleep(2.1)
        # that long after, it may be another program, or the same one again
        assert seconds_until_refused() > 2
    with duckdb_writer(path, LOG, reader_wait=1):
        pass


def test_a_reader_that_lets_go_in_time(project: Project, loads: Loads) -> None:
    """A reader that closes the file within the wait costs the run nothing but the wait."""
    project.serve(rows={"stories": of_days(3, *DAYS)})
    project.load()
    with reader(project):
        load = loads.start(DAYS[1])
        load.says("waiting for another program (")
    load.succeed(20)
    assert project.ids() == ids(of_days(3, DAYS[0], DAYS[1]))


@pytest.mark.slow
def test_dagster_runs_that_start_at_once(project: Project) -> None:
    """Three `dagster asset materialize` and one of a range, at once on a storage that nothing has run on."""
    rows = of_days(10, *DAYS)
    project.serve(rows={"stories": rows})
    # what `make install` does: Dagster's own first start is a race (alembic stamps the SQLite files, without a lock)
    project.dagster("instance", "info", DAGSTER_HOME=str(project.path))
    arguments = ("asset", "materialize", "-m", "analytics_assets.definitions", "--select", "stories")
    spans = (*(("--partition", day) for day in DAYS[:3]), ("--partition-range", f"{DAYS[2]}...{DAYS[3]}"))
    with ThreadPoolExecutor(len(spans)) as pool:
        ended = list(pool.map(lambda span: project.dagster(*arguments, *span), spans))
    assert [process.returncode for process in ended] == [0] * 4, "\n".join(process.stderr for process in ended)
    assert project.ids() == ids(rows)
    assert [outcome for _, outcome in outcomes(project)] == ["loaded"] * 4
