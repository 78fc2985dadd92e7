"""What stands in the warehouse after loads, reruns, full refreshes and failures."""

import datetime as dt
import gc

import duckdb
import pytest
from dlt.pipeline.exceptions import PipelineStepFailed

from analytics_assets.ingest.endpoints import ENDPOINTS
from analytics_assets.ingest.opening import open_warehouse
from analytics_assets.ingest.window import Window
from analytics_assets.sandbox.faults import Fault
from analytics_assets_tests.project import Project, Row, stories
from analytics_assets_tests.warehouses import Warehouse, change

NAMES = tuple(endpoint.name for endpoint in ENDPOINTS)
MARCH_1, MARCH_4 = dt.datetime(2025, 3, 1, tzinfo=dt.UTC), dt.datetime(2025, 3, 4, tzinfo=dt.UTC)
RANGE = Window(MARCH_1, MARCH_4)
DAYS = [Window.of_day(dt.date(2025, 3, day)) for day in (1, 2, 3)]


def _tables(project: Project) -> dict[str, list[Row]]:
    return {name: project.table(name) for name in NAMES}


@pytest.mark.duckdb
def test_a_range_holds_what_its_days_hold(project: Project) -> None:
    """A backfill of three days in one run leaves the same tables as three runs of a day, for all four endpoints."""
    project.serve(now=lambda: dt.datetime(2025, 4, 1, tzinfo=dt.UTC))
    project.load(RANGE, *NAMES)
    in_one = _tables(project)
    (project.path / "warehouse.duckdb").unlink()
    for day in reversed(DAYS):
        project.load(day, *NAMES)
    assert _tables(project) == in_one
    assert all(len(rows) > 50 for rows in in_one.values())


def test_a_rerun_changes_nothing(project: Project) -> None:
    """Loading a window again leaves every table as it was, row for row and value for value."""
    project.serve(now=lambda: dt.datetime(2025, 4, 1, tzinfo=dt.UTC))
    project.load(DAYS[0], *NAMES)
    before = _tables(project)
    project.load(DAYS[0], *NAMES)
    assert _tables(project) == before


def test_a_full_refresh_that_fails_half_way_leaves_the_table_whole(project: Project, waits: list[float]) -> None:
    """A failure at a middle page changes nothing, and a later refresh succeeds."""
    sandbox = project.serve(rows={"media_insights": stories(5)})
    project.load(None, "media_insights")
    before = project.table("media_insights")
    sandbox.rows["media_insights"] = [{"id": f"new{i}", "timestamp": "2025-03-01T00:00:00Z"} for i in range(6)]
    sandbox.faults.append(Fault("status", status=503, offset=2, times=4))
    project.configure(page_size=2)
    with pytest.raises(PipelineStepFailed):
        project.load(None, "media_insights")
    assert project.table("media_insights") == before
    assert waits == [2, 4, 8]
    project.load(None, "media_insights")
    assert project.ids("media_insights") == [f"new{i}" for i in range(6)]


@pytest.mark.parametrize("window", [None, DAYS[0]], ids=["full refresh", "window"])
def test_a_load_that_fails_in_the_warehouse_leaves_the_table_whole(
    project: Project, warehouse: Warehouse, window: Window | None
) -> None:
    """A warehouse that refuses the rows after they were read keeps the ones it has."""
    sandbox = project.serve(rows={"stories": stories(3)})
    project.load(window)
    change(warehouse, "CREATE UNIQUE INDEX one_each ON analytics.stories (like_count)")
    before = project.table()
    sandbox.rows["stories"] = [{**row, "like_count": 99} for row in stories(5)]
    with pytest.raises(Exception, match="duplicate key"):
        project.load(window)
    assert project.table() == before
    assert warehouse.schemas() == ["analytics"]


def test_an_empty_window_succeeds_and_says_why(project: Project) -> None:
    """No rows are a result: nothing changes, the table exists, and the report gives the reason."""
    project.serve(rows={"stories": stories(2)})
    project.load(DAYS[0])
    report = project.load(DAYS[1])
    assert (report.rows_kept, report.why_empty) == (0, "the API said total 0")
    assert project.ids() == ["s000", "s001"]


@pytest.mark.duckdb
def test_a_first_load_that_is_empty_makes_the_table(project: Project) -> None:
    """The table and its declared columns exist even when nothing has come yet."""
    project.serve(rows={})
    project.load()
    with duckdb.connect(str(project.path / "warehouse.duckdb"), read_only=True) as warehouse:
        columns = warehouse.execute(
            "SELECT column_name FROM information_schema.columns "
            "WHERE table_schema = 'analytics' AND table_name = 'stories'"
        ).fetchall()
    declared = {column.name for column in next(e for e in ENDPOINTS if e.name == "stories").columns}
    assert declared <= {name for (name,) in columns}


@pytest.mark.duckdb
def test_runs_leave_no_staging_behind(project: Project) -> None:
    """A run's staging dataset is its own and is gone when it ends."""
    project.serve(rows={"stories": stories(2)})
    project.load()
    project.load(None)
    with duckdb.connect(str(project.path / "warehouse.duckdb"), read_only=True) as warehouse:
        schemas = {
            name for (name,) in warehouse.execute("SELECT schema_name FROM information_schema.schemata").fetchall()
        }
    assert not [name for name in schemas if "staging" in name]


def test_runs_leave_no_files_behind(project: Project) -> None:
    """All that a load leaves in the folder is the warehouse and its lock."""
    before = {path.name for path in project.path.iterdir()}
    project.serve(rows={"stories": stories(2)})
    project.load()
    assert {path.name for path in project.path.iterdir()} - before <= {"warehouse.duckdb", "warehouse.duckdb.lock"}


def test_the_collector_rests_during_a_load_and_no_longer() -> None:
    """Else it walks through all that is imported, once or twice in a load."""
    with open_warehouse():
        assert gc.get_freeze_count() > 1
    assert gc.get_freeze_count() == 0
