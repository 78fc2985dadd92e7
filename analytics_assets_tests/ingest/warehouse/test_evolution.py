"""Where a load and the table differ in a column, no value changes: it is widened, passed by, or the load refused."""

from typing import Any

import pytest
from dlt.pipeline.exceptions import PipelineStepFailed

from analytics_assets.ingest.errors import ApiError
from analytics_assets.ingest.warehouse import outcome
from analytics_assets.sandbox.faults import Fault
from analytics_assets_tests.ingest.table.test_columns import fields_of, load_fields, rejected_rows
from analytics_assets_tests.project import Project, stories
from analytics_assets_tests.warehouses import Duckdb, Postgres, Warehouse, change, types


@pytest.mark.parametrize("values", [([7], [7.5], [8]), ([7.5], [7], [8.25]), ([None], [7], [7.5])])
def test_whole_numbers_and_decimals_become_one_column(
    project: Project, warehouse: Warehouse, values: tuple[list[Any], ...]
) -> None:
    """Whichever came first, and also when the table has the other already: the column becomes wider."""
    loads = [[{"rate": value} for value in group] for group in values]
    load_fields(project, *loads)
    sent = [field for fields in loads for field in fields]
    assert fields_of(warehouse, "rate", "rate__v_double") == [{} if row["rate"] is None else row for row in sent]
    assert types(warehouse, "stories")["rate"] in {"double", "double precision"}


@pytest.mark.parametrize("schema", ["analytics_api", "analytics"])
def test_columns_after_a_first_load_that_failed(
    project: Project, warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch, schema: str
) -> None:
    """It leaves a ledger and nothing in the way of columns, and neither does the other schema that it once left."""
    sandbox = project.serve(rows={"stories": stories(2)}, faults=[Fault("no_data", times=1)])
    with monkeypatch.context() as older:
        older.setattr(outcome, "SCHEMA", schema)
        with pytest.raises(PipelineStepFailed):
            project.load()
    assert warehouse.execute("SELECT schema_name FROM analytics._dlt_version") == [(schema,)]
    for row, rate in zip(stories(2), (7, 7.5), strict=True):
        sandbox.rows["stories"] = [{**row, "rate": rate}]
        project.load()
    assert fields_of(warehouse, "rate", "rate__v_double") == [{"rate": 7}, {"rate": 7.5}]
    assert project.load(None, "user_insights").is_empty


def test_a_column_is_not_widened_over_a_number_that_it_would_change(project: Project, warehouse: Warehouse) -> None:
    """The table holds 2**53 + 1, which no double does: decimals go beside it, in this load and the next."""
    load_fields(project, [{"rate": 2**53 + 1}], [{"rate": 1}, {"rate": 0.5}], [{"rate": 1.5}, {"rate": 3}])
    assert fields_of(warehouse, "rate", "rate__v_double") == [
        {"rate": 2**53 + 1},
        {"rate": 1},
        {"rate__v_double": 0.5},
        {"rate__v_double": 1.5},
        {"rate": 3},
    ]


@pytest.mark.postgres
def test_a_column_that_may_not_be_changed(project: Project, postgres: Postgres) -> None:
    """PostgreSQL changes no column that a view shows: the view stays, and decimals go beside, now and later."""
    sandbox = load_fields(project, [{"rate": 7}])
    postgres.execute("CREATE VIEW analytics.rates AS SELECT rate FROM analytics.stories")
    for value in (0.5, 1.5):
        sandbox.rows["stories"] = [{**stories(2)[1], "rate": value}]
        project.load()
        assert fields_of(postgres, "rate", "rate__v_double") == [{"rate": 7}, {"rate__v_double": value}]
    assert types(postgres, "stories")["rate"] == "bigint"


def test_a_declared_column_that_the_table_has_in_another_type(project: Project, warehouse: Warehouse) -> None:
    """A value would become another in it, so nothing is loaded: the message names both types."""
    load_fields(project, [{"caption": "1"}])
    sql = "ALTER TABLE analytics.stories ALTER COLUMN caption SET DATA TYPE BIGINT"
    change(warehouse, sql + ("" if isinstance(warehouse, Duckdb) else " USING caption::bigint"))
    with pytest.raises(
        ApiError, match=r"stories.caption is declared text, but the table in the warehouse has it as bigint"
    ):
        project.load()


def test_an_undeclared_column_that_somebody_changed(project: Project, warehouse: Warehouse) -> None:
    """The table's own type counts: the window is read again, and values go where they stay as they are."""
    sandbox = load_fields(project, [{"odd": "1"}])
    sql = "ALTER TABLE analytics.stories ALTER COLUMN odd SET DATA TYPE BIGINT"
    change(warehouse, sql + ("" if isinstance(warehouse, Duckdb) else " USING odd::bigint"))
    sandbox.rows["stories"] = [{**stories(2)[1], "odd": "01"}]
    project.load()
    assert fields_of(warehouse, "odd", "odd__v_text") == [{"odd": 1}, {"odd__v_text": "01"}]


def test_a_column_that_is_declared_later(project: Project, warehouse: Warehouse) -> None:
    """The table has it as text, and text does not become a time by being declared one."""
    load_fields(project, [{"posted": "2025-03-01T00:00:00Z"}])
    project.configure(endpoints__stories__cursor="posted")
    with pytest.raises(
        ApiError, match=r"stories.posted is declared timestamp, but the table in the warehouse has it as text"
    ):
        project.load()
    assert fields_of(warehouse, "posted") == [{"posted": "2025-03-01T00:00:00Z"}]


def test_rejected_rows_that_were_kept_as_json(project: Project, warehouse: Warehouse) -> None:
    """A table from before they were text becomes one of text; what it holds stays."""
    sandbox = load_fields(project, [{"like_count": "many"}])
    kind = "JSON" if isinstance(warehouse, Duckdb) else "JSONB USING raw::jsonb"
    change(warehouse, f"ALTER TABLE analytics.stories__rejected ALTER COLUMN raw SET DATA TYPE {kind}")
    sandbox.rows["stories"] = [{**stories(2)[1], "caption": "\0"}]
    project.load()
    assert [raw.get("caption") for _, raw in rejected_rows(warehouse)] == ["\0", None]
    assert types(warehouse, "stories__rejected")["raw"] in {"varchar", "character varying"}
