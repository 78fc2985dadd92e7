"""A load that is cancelled, at any moment, ends soon and fails; the ledger says what became of the window."""

import signal
import time

import pytest

from analytics_assets.ingest.warehouse.ledger import LEDGER
from analytics_assets.sandbox.faults import Fault
from analytics_assets_tests.concurrency.conftest import working_directories
from analytics_assets_tests.concurrency.loader import HOLD, JOBS, READER_WAIT, STEPS, Load, Loads
from analytics_assets_tests.concurrency.test_duckdb import reader
from analytics_assets_tests.project import DAY, Project, stories
from analytics_assets_tests.warehouses import Warehouse

BEFORE = ("extract", "normalize", "load", "jobs")
MOMENTS = (*BEFORE, *(step for step in JOBS | STEPS if step not in BEFORE))
ROWS = [{**row, "like_count": "many" if row["id"] == "s001" else 5} for row in stories(3)]
"""A row of them is set aside, so that a load has two merges."""


def outcome(warehouse: Warehouse, load: Load) -> tuple[object, ...]:
    """Return outcome and reason of the one row that the ledger has of a load."""
    [found] = warehouse.execute(
        f"SELECT outcome, reason FROM analytics.{LEDGER} WHERE run_id = '{load.pid}'"  # noqa: S608 - names of ours
    )
    return found


def count(warehouse: Warehouse, table: str = "stories") -> object:
    """Return how many rows a table has."""
    [(rows,)] = warehouse.execute(f"SELECT count(*) FROM analytics.{table}")  # noqa: S608 - names of ours
    return rows


def test_between_any_two_steps(
    project: Project, warehouse: Warehouse, loads: Loads, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Until dlt's first job nothing of it stays; from then on the window is loaded whole, and the ledger says so."""
    sandbox = project.serve(rows={"stories": stories(1)})
    loads.start(DAY).succeed()
    for number, moment in enumerate(MOMENTS, 1):
        sandbox.rows["stories"] = [{**row, "id": f"{moment} {row['id']}"} for row in ROWS]
        sandbox.rows["stories"][1]["id"] = f"{number}"
        before = count(warehouse)
        monkeypatch.setenv(HOLD, moment)
        load = loads.start(DAY)
        load.says("holding")
        assert load.cancel() == 1
        assert "cancelled: SIGTERM came, which cancels a run" in load.said
        is_loaded = moment not in BEFORE
        assert outcome(warehouse, load) == (
            ("loaded", None) if is_loaded else ("cancelled", "cancelled: SIGTERM came, which cancels a run")
        ), moment
        assert count(warehouse) == (before + 2 if is_loaded else before), moment
        assert warehouse.schemas() == ["analytics"]
        assert working_directories(project) == []
    monkeypatch.delenv(HOLD)
    loads.start(DAY).succeed()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_while_pages_are_under_way(project: Project, loads: Loads, number: signal.Signals) -> None:
    """An API that does not answer for a minute is not waited for, neither for a page nor for those ahead of it."""
    sandbox = project.serve(
        rows={"stories": stories(9)}, faults=[Fault("latency", offset=2 * i, seconds=60) for i in (1, 2, 3)]
    )
    project.configure(page_size=2, max_concurrent_requests=4)
    load = loads.start(DAY)
    while sandbox.max_in_flight < 3:
        time.sleep(0.01)
    began = time.monotonic()
    assert load.cancel(number) == 1
    assert time.monotonic() - began < 40
    [row] = project.table(LEDGER)
    assert (row["outcome"], row["reason"]) == ("cancelled", f"cancelled: {number.name} came, which cancels a run")
    assert (row["pages"], row["requests"] > 3) == (1, True)
    assert project.table() == []
    assert working_directories(project) == []


def test_between_two_attempts(project: Project, loads: Loads) -> None:
    """The wait for an API that asks for a minute ends at once, and no attempt is made behind it."""
    fault = Fault("status", status=503, headers={"Retry-After": "60"})
    sandbox = project.serve(rows={"stories": stories(3)}, faults=[fault])
    load = loads.start(DAY)
    load.says("retry 1 of 3")
    assert load.cancel() == 1
    [row] = project.table(LEDGER)
    assert (row["outcome"], row["retries"]) == ("cancelled", 1)
    assert len(sandbox.requests) <= 2


def test_while_another_run_writes(
    project: Project, warehouse: Warehouse, loads: Loads, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The lock is waited for no more than a few seconds for the ledger's sake; what that costs is said in the log."""
    project.serve(rows={"stories": stories(3)})
    monkeypatch.setenv(HOLD, "load")
    holder = loads.start(DAY)
    holder.says("holding")
    monkeypatch.delenv(HOLD)
    told, untold = loads.start(DAY), loads.start(DAY)
    for load in (told, untold):
        load.says("waiting for another run to finish writing")
    assert untold.cancel() == 1
    what = "waited 3 s for another run to finish writing"
    assert f"`cancelled` could not be written to _analytics_windows: warehouse busy: {what}" in untold.said
    assert holder.kill() == -9
    told.succeed(20)
    assert warehouse.execute(f"SELECT outcome, run_id FROM analytics.{LEDGER}") == [("loaded", str(told.pid))]  # noqa: S608


@pytest.mark.duckdb
def test_while_another_program_reads(project: Project, loads: Loads, monkeypatch: pytest.MonkeyPatch) -> None:
    """A program that has the DuckDB file open is not waited for either, until it lets go of it in time."""
    project.serve(rows={"stories": stories(3)})
    project.load()
    monkeypatch.setenv(READER_WAIT, "60")
    with reader(project):
        load = loads.start(DAY)
        load.says("waiting for another program (")
        assert load.cancel() == 1
    assert "`cancelled` could not be written to _analytics_windows" in load.said
    assert len(project.table(LEDGER)) == 1


@pytest.mark.parametrize("moment", ["extract", "close the ledger"])
def test_signals_that_keep_coming(project: Project, loads: Loads, monkeypatch: pytest.MonkeyPatch, moment: str) -> None:
    """What is cleaned up after the first signal no further one breaks off; the next load goes through."""
    project.serve(rows={"stories": stories(3)})
    monkeypatch.setenv(HOLD, moment)
    load = loads.start(DAY)
    load.says("holding")
    assert load.cancel(*[signal.SIGTERM, signal.SIGINT] * 3) in {1, -signal.SIGTERM}
    [row] = project.table(LEDGER)
    assert row["outcome"] == ("cancelled" if moment == "extract" else "loaded")
    monkeypatch.delenv(HOLD)
    loads.start(DAY).succeed()
    # one that came when all was said may have ended the process while it removed its directory; the next one does so
    assert working_directories(project) == []
