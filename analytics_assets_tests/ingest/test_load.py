"""What stands in the warehouse after loads, reruns, full refreshes and failures."""

import datetime as dt
import gc
import os
import typing
from collections import Counter
from typing import Any

import duckdb
import pytest
from dlt.common import validation
from dlt.common.configuration import resolve_configuration
from dlt.common.configuration.specs import BaseConfiguration
from dlt.common.destination import reference
from dlt.common.schema.typing import TTableSchema
from dlt.pipeline.exceptions import PipelineStepFailed

from analytics_assets.ingest import departures
from analytics_assets.ingest.endpoints import ENDPOINTS
from analytics_assets.ingest.errors import ApiError
from analytics_assets.ingest.load import open_warehouse
from analytics_assets.ingest.window import Window
from analytics_assets.sandbox.faults import Fault
from analytics_assets_tests.project import Project, Row, asked, stories

NAMES = tuple(endpoint.name for endpoint in ENDPOINTS)
MARCH_1, MARCH_4 = dt.datetime(2025, 3, 1, tzinfo=dt.UTC), dt.datetime(2025, 3, 4, tzinfo=dt.UTC)
RANGE = Window(MARCH_1, MARCH_4)
DAYS = [Window.of_day(dt.date(2025, 3, day)) for day in (1, 2, 3)]


def _tables(project: Project) -> dict[str, list[Row]]:
    return {name: project.table(name) for name in NAMES}


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


def test_a_window_leaves_other_days_alone(project: Project) -> None:
    """Loading one day touches no row of another."""
    sandbox = project.serve(rows={"stories": stories(3)})
    project.load(DAYS[0])
    sandbox.rows["stories"] = [{"id": "n", "timestamp": "2025-03-02T00:00:00Z"}]
    project.load(DAYS[1])
    assert project.ids() == ["n", "s000", "s001", "s002"]


def test_a_full_refresh_replaces_the_table(project: Project) -> None:
    """All history is read without a window, and rows that the API no longer has are gone."""
    sandbox = project.serve(rows={"stories": stories(5)})
    project.load(DAYS[0])
    sandbox.rows["stories"] = [*stories(2), {"id": "old", "timestamp": "2019-01-01T00:00:00Z"}]
    sandbox.requests.clear()
    project.load(None)
    assert project.ids() == ["old", "s000", "s001"]
    assert asked(sandbox) == [("/v1/stories", {"offset": "0", "limit": "100"})]
    project.load(None)
    assert project.ids() == ["old", "s000", "s001"]


def test_a_full_refresh_that_fails_half_way_leaves_the_table_whole(project: Project, waits: list[float]) -> None:
    """A failure at a middle page changes nothing, and a later refresh succeeds."""
    sandbox = project.serve(rows={"stories": stories(5)})
    project.load(None)
    before = project.table()
    sandbox.rows["stories"] = [{"id": f"new{i}", "timestamp": "2025-03-01T00:00:00Z"} for i in range(6)]
    sandbox.faults.append(Fault("status", status=503, offset=2, times=4))
    project.configure(page_size=2)
    with pytest.raises(PipelineStepFailed):
        project.load(None)
    assert project.table() == before
    assert waits == [2, 4, 8]
    project.load(None)
    assert project.ids() == [f"new{i}" for i in range(6)]


@pytest.mark.parametrize("window", [None, DAYS[0]], ids=["full refresh", "window"])
def test_a_load_that_fails_in_the_warehouse_leaves_the_table_whole(project: Project, window: Window | None) -> None:
    """A warehouse that refuses the rows after they were read keeps the ones it has."""
    sandbox = project.serve(rows={"stories": stories(3)})
    project.load(window)
    with duckdb.connect(str(project.path / "warehouse.duckdb")) as warehouse:
        warehouse.execute("ALTER TABLE analytics.stories DROP COLUMN media_url")
    before = project.table()
    sandbox.rows["stories"] = [{**row, "like_count": 99} for row in stories(5)]
    with pytest.raises(Exception, match="media_url"):
        project.load(window)
    assert project.table() == before


def test_an_empty_window_succeeds_and_says_why(project: Project) -> None:
    """No rows are a result: nothing changes, the table exists, and the report gives the reason."""
    project.serve(rows={"stories": stories(2)})
    project.load(DAYS[0])
    report = project.load(DAYS[1])
    assert (report.rows_kept, report.why_empty) == (0, "the API said total 0")
    assert project.ids() == ["s000", "s001"]


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


def test_a_full_refresh_of_nothing_empties_the_table(project: Project) -> None:
    """What the API no longer has is gone, also when that is everything."""
    sandbox = project.serve(rows={"stories": stories(3)})
    project.load(None)
    sandbox.rows["stories"] = []
    report = project.load(None)
    assert project.table() == []
    assert report.why_empty


def test_a_full_refresh_takes_no_silence_for_nothing(project: Project) -> None:
    """An empty first page without a total fails a full refresh: the table stays."""
    sandbox = project.serve(rows={"stories": stories(3)})
    project.load(None)
    before = project.table()
    sandbox.rows["stories"] = []
    sandbox.faults.append(Fault("total"))
    with pytest.raises(ApiError, match="the table is left as it is"):
        project.load(None)
    assert project.table() == before


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


def test_row_ids_are_as_dlt_makes_them(project: Project) -> None:
    """Rows that go to the warehouse as tables have ids like those that dlt gives to rows one by one."""
    project.serve(rows={"stories": stories(25)})
    project.load()
    project.serve(rows={"stories": [{**row, "id": f"n{row['id']}", "undeclared": 1} for row in stories(25)]})
    project.load()
    with duckdb.connect(str(project.path / "warehouse.duckdb")) as warehouse:
        found = warehouse.sql(
            "SELECT undeclared, COUNT(DISTINCT _dlt_id), MIN(LENGTH(_dlt_id)), MAX(LENGTH(_dlt_id)) "
            "FROM analytics.stories GROUP BY ALL ORDER BY ALL"
        ).fetchall()
        columns = dict(warehouse.sql("SELECT column_name, is_nullable FROM duckdb_columns()").fetchall())
    assert found == [(1, 25, 14, 14), (None, 25, 14, 14)]
    assert columns["_dlt_id"] is False


def test_the_destination_reads_its_settings_once(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """By itself dlt resolves them sixteen times in a run, which is a fifth of a small one."""
    resolved = []

    def resolve(config: BaseConfiguration, **kwargs: Any) -> BaseConfiguration:  # noqa: ANN401 - dlt's signature
        if not config.is_resolved():
            resolved.append(config)
        return resolve_configuration(config, **kwargs)

    monkeypatch.setattr(reference, "resolve_configuration", resolve)
    project.serve(rows={"stories": stories(3)})
    project.load()
    # with and without the dataset; and what only tells the capabilities
    assert 1 <= len(resolved) <= 4


def test_annotations_are_read_once(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """By itself dlt reads those of a column's ``TypedDict`` for each column, hundreds of times in a run."""
    read: Counter[type] = Counter()

    def get_type_hints(spec: type, **kwargs: Any) -> dict[str, Any]:  # noqa: ANN401 - typing's signature
        read[spec] += 1
        return typing.get_type_hints(spec, **kwargs)

    for module, name in ((validation, "get_type_hints"), (departures, "_get_type_hints")):
        monkeypatch.setattr(module, name, get_type_hints)
    departures._type_hints.cache_clear()  # noqa: SLF001 - else an earlier test has had them read
    project.serve(rows={"stories": stories(3)})
    project.load()
    assert read[TTableSchema] == 1
    assert set(read.values()) == {1}
    # the load has put its own in place of the one above
    assert validation.get_type_hints(TTableSchema) == typing.get_type_hints(TTableSchema)  # type: ignore[attr-defined]


def test_the_collector_rests_during_a_load_and_no_longer() -> None:
    """Else it walks through all that is imported, once or twice in a load."""
    with open_warehouse():
        assert gc.get_freeze_count() > 1
    assert gc.get_freeze_count() == 0


def _memory_limit() -> str:
    with open_warehouse() as warehouse, warehouse.writer(), warehouse.sql() as client:
        [(limit,)] = client.execute_sql("SELECT current_setting('memory_limit')") or []
    return str(limit)


def test_duckdb_keeps_to_its_memory(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """It takes 128 MB for each core, not most of the machine's memory; a limit in the credentials wins."""
    monkeypatch.setattr(os, "cpu_count", lambda: 3)
    assert _memory_limit() == "366.2 MiB"
    monkeypatch.delenv("DESTINATION__WAREHOUSE__CREDENTIALS", raising=False)
    monkeypatch.setenv("DESTINATION__WAREHOUSE__CREDENTIALS__DATABASE", str(project.path / "other.duckdb"))
    monkeypatch.setenv("DESTINATION__WAREHOUSE__CREDENTIALS__GLOBAL_CONFIG", '{"memory_limit": "700MiB"}')
    assert _memory_limit() == "700.0 MiB"
