"""The warehouse in words, and the proof that what was kept is in it."""

import datetime as dt
from typing import Any

import pytest

from analytics_assets.ingest.errors import ApiError
from analytics_assets.ingest.load import WindowPipeline
from analytics_assets.ingest.opening import open_warehouse
from analytics_assets.sandbox.shape import Shape
from analytics_assets_tests.project import DAY, KEY, WINDOW, Project, Row, stories
from analytics_assets_tests.warehouses import Warehouse, contents

PASSWORD = "unused"
_CREDENTIALS = "DESTINATION__WAREHOUSE__CREDENTIALS"


def test_a_duckdb_file_is_named_without_its_folder(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """Catalogue and metadata are read by others, whom the paths of this machine do not concern."""
    path = project.path / "of somebody" / "sales.duckdb"
    monkeypatch.setenv(_CREDENTIALS, f"duckdb:///{path}")
    with open_warehouse() as warehouse:
        assert (warehouse.kind, warehouse.has_lock) == ("duckdb", True)
        assert warehouse.database == str(path)
        assert warehouse.location == "duckdb sales.duckdb"
        assert warehouse.table_name("stories") == "sales.analytics.stories"


def test_a_postgres_database_is_named_without_its_password(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the address the database's name is told; user, host and password are not. Nothing is connected to."""
    monkeypatch.setenv("DESTINATION__WAREHOUSE__DESTINATION_TYPE", "postgres")
    monkeypatch.setenv(_CREDENTIALS, f"postgresql://loader:{PASSWORD}@127.0.0.1:1/sales")
    with open_warehouse() as warehouse:
        assert (warehouse.kind, warehouse.has_lock, warehouse.database) == ("postgres", True, "sales")
        assert warehouse.location == "postgres sales"
        assert warehouse.table_name("stories") == "sales.analytics.stories"


def test_the_default_is_a_file_in_this_folder(project: Project) -> None:
    """Without credentials it is ``warehouse.duckdb``, where the run was started."""
    project.serve(rows={"stories": stories(1)})
    project.load()
    with open_warehouse() as warehouse:
        assert warehouse.location == "duckdb warehouse.duckdb"
    assert (project.path / "warehouse.duckdb").exists()


def _lose(monkeypatch: pytest.MonkeyPatch, *tables: str) -> None:
    """Have a warehouse that says all is well, and has a row less in these tables."""
    original = WindowPipeline.load

    def lossy(self: WindowPipeline, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - dlt's signature
        info = original(self, *args, **kwargs)
        with self.sql_client() as client:
            for table in tables:
                client.execute_sql(f"DELETE FROM {table} WHERE id = 's001'")  # noqa: S608 - names of the code
        return info

    monkeypatch.setattr(WindowPipeline, "load", lossy)


@pytest.mark.parametrize(
    ("tables", "what"),
    [
        (["analytics.stories"], "3 rows were kept, 3 reached the warehouse, 2 are in the table"),
        (
            ["analytics.stories", "{staging}.stories"],
            "3 rows were kept, 2 reached the warehouse, 2 are in the table",
        ),
    ],
    ids=["lost in the merge", "lost on the way"],
)
def test_a_row_that_is_missing_fails_the_load(
    project: Project, warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch, tables: list[str], what: str
) -> None:
    """The message says how many were kept, came and are there; running it again repairs it."""
    project.serve(rows={"stories": stories(3)})
    with monkeypatch.context() as patch:
        _lose(patch, *(table.format(staging=warehouse.staging) for table in tables))
        with pytest.raises(ApiError, match=what) as failed:
            project.load()
    assert (failed.value.problem.kind, failed.value.problem.is_transient) == ("incomplete", True)
    assert project.load().rows_loaded == 3
    assert [row["id"] for row in contents(warehouse, "stories")] == ["s000", "s001", "s002"]


@pytest.mark.parametrize("is_lost", [False, True], ids=["whole", "a row lost"])
def test_ids_that_came_twice_are_looked_for_once(
    project: Project,
    warehouse: Warehouse,
    monkeypatch: pytest.MonkeyPatch,
    is_lost: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    """How many ids were kept is not known then, so each that reached the warehouse has to be in the table."""
    rows = [{**row, "updated_at": row["timestamp"]} for row in stories(3)]
    rows.append({**rows[1], "updated_at": f"{DAY}T23:00:00Z"})
    project.serve(rows={"media_insights": rows}, shape=Shape(key=KEY, total_path=None))
    if is_lost:
        _lose(monkeypatch, "analytics.media_insights")
        with pytest.raises(ApiError, match="3 rows were kept, 3 reached the warehouse, 2 are in the table"):
            project.load(WINDOW, "media_insights")
    else:
        report = project.load(WINDOW, "media_insights")
        assert (report.rows_kept, report.rows_loaded) == (4, 3)
        assert len(contents(warehouse, "media_insights")) == 3


def test_a_newer_state_that_the_table_holds_counts(project: Project, warehouse: Warehouse) -> None:
    """A row of an older backfill is passed over: it is there, though not from this load, and the load is whole."""

    def measured(name: str, hour: int) -> Row:
        times = {"timestamp": f"{DAY}T01:00:00Z", "updated_at": f"{DAY}T{hour:02d}:00:00Z"}
        return {"id": name, "profile_views": hour, **times}

    sandbox = project.serve(rows={"media_insights": [measured("a", 5), measured("b", 5)]})
    project.load(WINDOW, "media_insights")
    sandbox.rows["media_insights"] = [measured("a", 4), measured("b", 6), measured("c", 6)]
    report = project.load(WINDOW, "media_insights")
    assert (report.rows_kept, report.rows_loaded) == (3, 2)
    held = [(row["id"], row["profile_views"]) for row in contents(warehouse, "media_insights")]
    assert held == [("a", 5), ("b", 6), ("c", 6)]


def test_emptying_a_table_leaves_the_others(project: Project, warehouse: Warehouse) -> None:
    """It is the one table of the dataset, whose columns stay, and so do the rows that were read since then."""
    moment = f"{DAY}T01:00:00Z"
    project.serve(rows={"stories": stories(2), "story_insights": [{"id": "i", "timestamp": moment}]})
    project.load(WINDOW, "stories", "story_insights")
    for began, left in ((dt.datetime(2025, 3, 1, tzinfo=dt.UTC), 2), (dt.datetime.now(dt.UTC), 0)):
        with open_warehouse() as opened, opened.writer():
            with opened.job_client() as client:
                assert client
                opened.note_refresh(client, began)
            with opened.sql() as client:
                opened.empty(client, "stories")
                opened.drop_staging(client)
        assert len(contents(warehouse, "stories")) == left
    assert contents(warehouse, "stories") == []
    assert [row["id"] for row in contents(warehouse, "story_insights")] == ["i"]
