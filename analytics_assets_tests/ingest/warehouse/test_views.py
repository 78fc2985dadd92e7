"""Views are made where they are missing or would be made otherwise, and never at a load's cost."""

import logging
from typing import Any

import pytest

from analytics_assets.ingest import load as loading
from analytics_assets.ingest.configured import load_settings
from analytics_assets.ingest.opening import open_warehouse, read_warehouse
from analytics_assets.ingest.warehouse.view import Tables, View
from analytics_assets.ingest.warehouse.views import make_views
from analytics_assets_tests.project import Project
from analytics_assets_tests.warehouses import Duckdb, Warehouse, change

LOG = logging.getLogger("analytics_assets")
Made = list[str]


def whole(tables: Tables) -> str | None:
    """Show every column of the stories that the table has."""
    if not tables.has("stories", "id"):
        return None
    names = [name for name in tables.types["stories"] if not name.startswith("_")]
    return f"SELECT {', '.join(map(tables.column, names))} FROM {tables.table('stories')}"  # noqa: S608 - names of tests


WHOLE = View("stories_whole", "Stories, 'whole'; 100 %", whole)


def story(**more: object) -> list[dict[str, Any]]:
    """Return one story."""
    return [{"id": "s1", "timestamp": "2025-03-01T00:00:00Z", **more}]


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> Made:
    """Have loads make one view, and return the list of the statements by which views are made."""
    statements: Made = []

    def make(client: Any, settings: Any, log: logging.Logger) -> None:  # noqa: ANN401 - as dlt types it
        execute = client.execute_sql

        def noted(sql: str, *arguments: object) -> Any:  # noqa: ANN401
            if not sql.startswith("SELECT"):
                statements.append(sql)
            return execute(sql, *arguments)

        monkeypatch.setattr(client, "execute_sql", noted)
        make_views(client, settings, log, [WHOLE])
        monkeypatch.setattr(client, "execute_sql", execute)

    monkeypatch.setattr(loading, "make_views", make)
    return statements


def make_now() -> None:
    """Make the view as a load would."""
    with open_warehouse() as warehouse, warehouse.writer(), warehouse.sql() as client:
        make_views(client, load_settings(), LOG, [WHOLE])


def shown(warehouse: Warehouse) -> list[tuple[Any, ...]]:
    """Return what the view shows of ids and one column that nobody declared."""
    return warehouse.execute("SELECT id, mood FROM analytics.stories_whole")


def test_a_view_is_made_anew_only_where_columns_have_changed(
    project: Project, warehouse: Warehouse, made: Made
) -> None:
    """A load that brings no column touches no view; PostgreSQL refuses to replace one whose columns move or go."""
    sandbox = project.serve(rows={"stories": story()})
    project.load()
    assert len(made) == 2
    project.load()
    assert len(made) == 2
    sandbox.rows["stories"] = story(mood="calm")
    project.load()
    assert shown(warehouse) == [("s1", "calm")]
    made.clear()
    change(warehouse, "ALTER TABLE analytics.stories RENAME COLUMN mood TO temper")
    make_now()
    assert warehouse.execute("SELECT temper FROM analytics.stories_whole") == [("calm",)]


def test_a_view_that_is_missing_comes_back(project: Project, warehouse: Warehouse, made: Made) -> None:
    """Whoever drops it gets it again with the next load."""
    project.serve(rows={"stories": story(mood="calm")})
    project.load()
    change(warehouse, "DROP VIEW analytics.stories_whole")
    made.clear()
    project.load()
    assert shown(warehouse) == [("s1", "calm")]


def test_a_column_gets_wider_under_a_view(project: Project, warehouse: Warehouse, made: Made) -> None:
    """PostgreSQL changes no column that a view shows; the view is there again afterwards, with the wider column."""
    sandbox = project.serve(rows={"stories": story(mood=1)})
    project.load()
    sandbox.rows["stories"] = story(mood=1.5)
    project.load()
    assert shown(warehouse) == [("s1", 1.5)]
    assert made


def test_a_view_that_somebody_built_upon_does_not_keep_a_load_from_arriving(
    project: Project, warehouse: Warehouse, made: Made, caplog: pytest.LogCaptureFixture
) -> None:
    """What cannot be made stays as it was, and the log says so; the rows arrive."""
    sandbox = project.serve(rows={"stories": story(mood="calm")})
    project.load()
    change(warehouse, "CREATE VIEW analytics.theirs AS SELECT mood FROM analytics.stories_whole")
    sandbox.rows["stories"] = story(mood="calm", zest=1)
    project.load()
    assert made
    assert warehouse.execute("SELECT zest FROM analytics.stories_whole") == [(1,)]
    assert not caplog.records
    change(warehouse, "ALTER TABLE analytics.stories RENAME COLUMN zest TO fervour")
    make_now()
    # of these two only PostgreSQL keeps a view that others are built upon
    kept = "" if isinstance(warehouse, Duckdb) else "cannot drop view stories_whole because other objects depend on it"
    assert kept in caplog.text
    assert bool(caplog.records) == bool(kept)


def test_what_the_database_refuses_is_said_and_keeps_no_row_back(
    project: Project, warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The load is a success, its ledger's row says so, and the log has the database's words."""
    wrong = View("wrong", "Cannot be", lambda _: "SELECT nothing FROM nowhere")

    def make(client: Any, settings: Any, log: logging.Logger) -> None:  # noqa: ANN401 - as dlt types it
        make_views(client, settings, log, [wrong, WHOLE])

    monkeypatch.setattr(loading, "make_views", make)
    project.serve(rows={"stories": story(mood="calm")})
    assert project.load().rows_loaded == 1
    assert warehouse.execute("SELECT outcome FROM analytics._analytics_windows") == [("loaded",)]
    assert shown(warehouse) == [("s1", "calm")]
    [said] = [record.getMessage() for record in caplog.records]
    assert "the view wrong could not be made" in said
    assert "nowhere" in said


def test_a_view_that_cannot_be_thought_of_keeps_no_row_back(
    project: Project, warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Whatever goes wrong while its query is made, the load is a success, and the log has what it was."""
    wrong = View("wrong", "Cannot be", lambda tables: tables.types["nowhere"]["nothing"])

    def make(client: Any, settings: Any, log: logging.Logger) -> None:  # noqa: ANN401 - as dlt types it
        make_views(client, settings, log, [wrong])

    monkeypatch.setattr(loading, "make_views", make)
    project.serve(rows={"stories": story()})
    assert project.load().rows_loaded == 1
    assert warehouse.execute("SELECT outcome FROM analytics._analytics_windows") == [("loaded",)]
    assert "the views could not be looked at" in caplog.text
    assert "KeyError: 'nowhere'" in caplog.text


def test_a_view_of_somebody_else_is_left_alone(
    project: Project, warehouse: Warehouse, made: Made, caplog: pytest.LogCaptureFixture
) -> None:
    """A name may have been taken before this project had a view of that name."""
    project.serve(rows={"stories": story()})
    project.load()
    change(warehouse, "DROP VIEW analytics.stories_whole")
    change(warehouse, "CREATE VIEW analytics.stories_whole AS SELECT 7 AS theirs")
    made.clear()
    project.load()
    assert warehouse.execute("SELECT * FROM analytics.stories_whole") == [(7,)]
    assert not made
    assert "somebody else's" in caplog.text


@pytest.mark.usefixtures("warehouse")
def test_without_tables_there_is_no_view() -> None:
    """A warehouse that nothing was loaded into yet has nothing to show."""
    make_now()
    with read_warehouse() as client:
        assert Tables(client, load_settings()).types == {}


def test_a_view_whose_tables_are_gone_goes(project: Project, warehouse: Warehouse, made: Made) -> None:
    """DuckDB drops a table under a view, which then shows nothing but an error."""
    project.serve(rows={"stories": story()})
    project.load()
    assert made
    view = "SELECT table_name FROM information_schema.tables WHERE table_name = 'stories_whole'"
    change(warehouse, "ALTER TABLE analytics.stories RENAME TO tales")
    assert warehouse.execute(view)
    make_now()
    assert not warehouse.execute(view)
