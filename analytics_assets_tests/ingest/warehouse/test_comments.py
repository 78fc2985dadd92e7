"""Tables and columns say in the warehouse itself what they are."""

from typing import Any

import pytest

from analytics_assets.ingest.endpoint import READ_AT
from analytics_assets.ingest.warehouse import comments
from analytics_assets.ingest.warehouse.views import VIEWS
from analytics_assets_tests.project import Project, endpoint_of, stories
from analytics_assets_tests.warehouses import Duckdb, Warehouse, change


def written(warehouse: Warehouse) -> dict[str, str | None]:
    """Return the comments by table, and by table and column."""
    if isinstance(warehouse, Duckdb):
        query = (
            "SELECT table_name, comment FROM duckdb_tables() WHERE schema_name = 'analytics' UNION ALL "
            "SELECT table_name || '.' || column_name, comment FROM duckdb_columns() WHERE schema_name = 'analytics'"
        )
    else:
        query = (
            "SELECT table_name, obj_description(('analytics.' || table_name)::regclass, 'pg_class') "
            "FROM information_schema.tables WHERE table_schema = 'analytics' UNION ALL "
            "SELECT table_name || '.' || column_name, col_description(('analytics.' || table_name)::regclass, "
            "ordinal_position) FROM information_schema.columns WHERE table_schema = 'analytics'"
        )
    rows: Any = warehouse.execute(query)
    return dict(rows)


def test_each_table_and_column_says_what_it_is(project: Project, warehouse: Warehouse) -> None:
    """Declared columns, those that every table has, one that nobody declared, the ledger's, and those set aside."""
    odd = [{"id": None, "timestamp": "2025-03-01T00:00:00Z"}, {**stories(1)[0], "select": "x"}]
    project.serve(rows={"stories": [*stories(3)[1:], *odd]})
    project.load()
    found = written(warehouse)
    declared = endpoint_of("stories")
    assert found["stories"] == declared.description
    for column in (*declared.columns, READ_AT):
        assert found[f"stories.{column.name}"] == column.description
    assert str(found["stories.select"]).startswith("Not declared; first seen 20")
    # dlt's own tables, and columns of views
    others = ("_dlt", *(f"{view.name}." for view in VIEWS))
    missing = {name for name, text in found.items() if not text and not name.startswith(others)}
    assert missing == set()
    assert {"_analytics_windows", "_analytics_windows.outcome", "stories__rejected.reason"} <= found.keys()


def test_they_are_written_again_only_where_they_say_something_else(
    project: Project, warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a column whose description a setting has changed, and where somebody has taken one away."""
    statements: list[str] = []
    real = comments._statement  # noqa: SLF001 - the one place where a comment is put into words
    monkeypatch.setattr(comments, "_statement", lambda *said: statements.append(said[-1]) or real(*said))
    project.serve(rows={"stories": stories(1)})
    project.load()
    assert statements
    statements.clear()
    project.load()
    assert statements == []
    told = "It's 100%s of \"them\"; -- \\' \x00é"
    project.configure(
        endpoints__stories__columns={"like_count": {"description": told, "data_type": "bigint"}},
        endpoints__stories__description="Ours",
    )
    change(warehouse, "COMMENT ON COLUMN analytics.stories.id IS NULL")
    project.load()
    found = written(warehouse)
    assert found["stories.like_count"] == told.replace("\x00", "")
    assert found["stories"] == "Ours"
    assert len(statements) == 3


def test_what_the_database_refuses_keeps_no_row_back(
    project: Project, warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The load is a success, and the log has the database's words."""
    monkeypatch.setattr(comments, "_statement", lambda *_: "COMMENT ON TABLE nowhere IS 'x'")
    project.serve(rows={"stories": stories(2)})
    assert project.load().rows_loaded == 2
    assert warehouse.execute("SELECT outcome FROM analytics._analytics_windows") == [("loaded",)]
    assert "comments on tables could not be written" in caplog.text
    assert "nowhere" in caplog.text
