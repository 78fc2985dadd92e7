"""A number that a load changes is recorded, once, in the transaction in which it changes."""

import datetime as dt
import json
import sys
from typing import Any

import pytest
import time_machine
from dlt.pipeline.exceptions import PipelineStepFailed

from analytics_assets.ingest import load as loading
from analytics_assets.ingest.opening import open_pipeline
from analytics_assets.ingest.source import build_source
from analytics_assets.ingest.warehouse import restated
from analytics_assets.ingest.warehouse.restated import RESTATEMENTS, record_restatements
from analytics_assets.ingest.window import Window
from analytics_assets.sandbox.shape import Shape
from analytics_assets_tests.project import KEY, WINDOW, Project, Row, endpoint_of, settings_of, stories
from analytics_assets_tests.warehouses import Warehouse, change

NAME = "media_insights"
Recorded = tuple[Any, ...]


def row(value: object, number: int = 1, /, **more: object) -> Row:
    """Return a row whose value is that."""
    moment = {"timestamp": "2025-03-01T23:30:00Z"}
    return {"id": f"m{number}", "metric": "reach", "value": value, **moment, **more}


def recorded(warehouse: Warehouse, *columns: str) -> list[Recorded]:
    """Return the restatements, as they were recorded."""
    chosen = ", ".join(columns or ("id", "metric", "column_name", "old_value", "new_value"))
    return warehouse.execute(f"SELECT {chosen} FROM analytics.{RESTATEMENTS} ORDER BY seen_at, id, column_name")  # noqa: S608


def loaded(project: Project, *states: list[Row], window: Window | None = WINDOW, name: str = NAME) -> list[int | None]:
    """Load each state of the API in turn, and return how many numbers each load says it has changed."""
    restated = []
    for rows in states:
        project.serve(rows={name: rows}, shape=Shape(key=KEY, paths={name: f"/v1/{name}"}))
        restated.append(project.load(window, name).restated)
    return restated


def test_a_number_that_changes_is_recorded(project: Project, warehouse: Warehouse) -> None:
    """What it was and what it is, as text and as a number, of which day, when seen and by which run."""
    project.configure(timezone="Europe/Berlin")
    window = Window.of_day(dt.date(2025, 3, 1)).widened(after=dt.timedelta(days=1))
    before = dt.datetime.now(dt.UTC)
    assert loaded(project, [row(10), row(5, 2)], [row(12), row(5, 2)], window=window) == [0, 1]
    columns = ("endpoint", "id", "metric", "column_name", "day", "old_value", "new_value", "old_number", "new_number")
    day = dt.date(2025, 3, 2)
    assert recorded(warehouse, *columns) == [(NAME, "m1", "reach", "value", day, "10", "12", 10.0, 12.0)]
    [(seen, moment, load)] = recorded(warehouse, "seen_at", "moment", "_dlt_load_id")
    assert before < seen < dt.datetime.now(dt.UTC)
    assert moment == dt.datetime(2025, 3, 1, 23, 30, tzinfo=dt.UTC)
    assert warehouse.execute(f"SELECT _analytics_read_at, _dlt_load_id FROM analytics.{NAME} WHERE id = 'm1'") == [  # noqa: S608
        (seen, load)
    ]


def test_the_same_rows_again_are_no_restatement(project: Project, warehouse: Warehouse) -> None:
    """Neither by a window nor by a full refresh, and a row that comes for the first time is none."""
    rows = [row(10), row({"a": 1, "b": 2}, 2)]
    assert loaded(project, rows, rows, [*rows, row(3, 3)]) == [0, 0, 0]
    assert loaded(project, [*rows, row(3, 3)], window=None) == [0]
    assert recorded(warehouse) == []


def test_a_value_that_is_spelt_otherwise_is_no_restatement(project: Project, warehouse: Warehouse) -> None:
    """The order of keys and how a number is written are not what was measured."""
    spelt = [
        ({"a": 1, "b": {"c": [1, 2], "d": {}}}, {"b": {"d": {}, "c": [1, 2]}, "a": 1}),
        (10, 10.0),
        ({"a": 10000000000000000, "b": "x"}, {"b": "x", "a": 1e16}),
        ({"a": 100.0, "b": "x"}, {"b": "x", "a": 1e2}),
    ]
    old, new = ([row(pair[age], i) for i, pair in enumerate(spelt)] for age in (0, 1))
    assert loaded(project, old, new) == [0, 0]
    assert recorded(warehouse) == []


def test_a_value_that_differs_is_recorded(project: Project, warehouse: Warehouse) -> None:
    """Also where its number is the same, or it has none."""
    differ: list[tuple[object, object]] = [
        ({"a": 1, "b": 2}, {"a": 2, "b": 1}),
        ({"a": [1, 2]}, {"a": [2, 1]}),
        ({"a": {}}, {"a": []}),
        ({"a": "1"}, {"a": 1}),
        ({"a": None}, {}),
        ({"a": 12345678901234567890123}, {"a": 12345678901234567890124}),
        ({"a": 9007199254740993}, {"a": 9007199254740992}),
        ("a", "b"),
        ([1, 2], {"0": 1, "1": 2}),
    ]
    old, new = ([row(pair[age], i) for i, pair in enumerate(differ)] for age in (0, 1))
    assert loaded(project, old, new) == [0, len(differ)]
    assert [tuple(map(json.loads, found)) for found in recorded(warehouse, "old_value", "new_value")] == differ


def test_null_is_a_value_that_a_number_can_have(project: Project, warehouse: Warehouse) -> None:
    """From nothing to a number and back are changes of what is known."""
    assert loaded(project, [row(None)], [row(4)], [row(None)], [row(None)]) == [0, 1, 1, 0]
    assert recorded(warehouse, "old_value", "new_value", "old_number", "new_number") == [
        (None, "4", None, 4.0),
        ("4", None, 4.0, None),
    ]


def test_every_column_that_holds_a_number_counts(project: Project, warehouse: Warehouse) -> None:
    """Those that are declared and those that are not; not what is computed, nor what is no number."""
    old = row(1, profile_views=2, clicks=3, share=0.5, caption="a", owner={"id": 1})
    new = row(9, profile_views=8, clicks=7, share=0.25, caption="b", owner={"id": 2})
    assert loaded(project, [old], [new]) == [0, 4]
    assert recorded(warehouse) == [
        ("m1", "clicks", "clicks", "3", "7"),
        ("m1", "profile_views", "profile_views", "2", "8"),
        ("m1", "share", "share", "0.5", "0.25"),
        ("m1", "reach", "value", "1", "9"),
    ]


def test_an_older_state_that_loses_is_none(project: Project, warehouse: Warehouse) -> None:
    """Those of two states decide that decide what becomes of the row: the newer one stays, and nothing has changed."""
    new, old = row(5, updated_at="2025-03-03T00:00:00Z"), row(4, updated_at="2025-03-02T00:00:00Z")
    assert loaded(project, [new], [old]) == [0, 0]
    assert loaded(project, [row(6, updated_at="2025-03-04T00:00:00Z")]) == [1]
    assert recorded(warehouse, "old_value", "new_value") == [("5", "6")]


def test_a_full_refresh_records_too(project: Project, warehouse: Warehouse) -> None:
    """What it changes, and not what it removes."""
    assert loaded(project, [row(1), row(2, 2)]) == [0]
    assert loaded(project, [row(7)], window=None) == [1]
    assert recorded(warehouse, "id", "new_value") == [("m1", "7")]


def test_ids_of_several_fields_and_no_cursor(project: Project, warehouse: Warehouse) -> None:
    """One text tells the rows apart, whatever is in the fields; without a cursor there is no day."""
    project.configure(window_start_param="", window_end_param="")
    columns = 'at = "timestamp", select = "bigint", order = "bigint", group = { from = "g r", data_type = "double" }'
    project.write(
        "config.toml",
        f"""
[analytics_api.endpoints.counts]
path = "/v1/counts"
id = ["account", "at", "select"]
columns = {{ {columns} }}
""",
    )
    keys = [('a", "b', 1), ("a", 2), ("ü'%s{}", 3)]

    def rows(number: int) -> list[Row]:
        return [
            {"account": account, "at": "2025-03-01T01:00:00.5+01:00", "select": i, "order": number, "g r": number / 4}
            for account, i in keys
        ]

    assert loaded(project, rows(1), rows(2), window=None, name="counts") == [0, 6]
    found = recorded(warehouse, "id", "column_name", "metric", "day", "moment", "old_value", "new_value")
    assert {tuple(json.loads(one[0])) for one in found} == {
        (account, "2025-03-01 00:00:00.5", str(i)) for account, i in keys
    }
    assert {one[1:] for one in found} == {
        ("group", "group", None, None, "0.25", "0.5"),
        ("order", "order", None, None, "1", "2"),
    }


def test_what_a_failed_merge_was_to_change_is_not_recorded(project: Project, warehouse: Warehouse) -> None:
    """It is in one transaction with the rows; once the load is repeated, it is recorded once."""
    assert loaded(project, [row(1), row(2, 2)]) == [0]
    # the row that comes cannot be inserted, which is the last thing that the merge does
    change(warehouse, f"ALTER TABLE analytics.{NAME} ADD COLUMN extra INTEGER")
    change(warehouse, f"UPDATE analytics.{NAME} SET extra = 1")  # noqa: S608
    change(warehouse, f"ALTER TABLE analytics.{NAME} ALTER COLUMN extra SET NOT NULL")
    with pytest.raises(PipelineStepFailed):
        loaded(project, [row(5), row(2, 2)])
    assert recorded(warehouse) == []
    assert warehouse.execute(f"SELECT value_number FROM analytics.{NAME} ORDER BY id") == [(1,), (2,)]  # noqa: S608
    change(warehouse, f"ALTER TABLE analytics.{NAME} DROP COLUMN extra")
    assert loaded(project, [row(5), row(2, 2)]) == [1]
    assert recorded(warehouse, "id", "new_value") == [("m1", "5")]


def test_a_load_that_ends_after_its_merge_is_repeated(
    project: Project, warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it has changed stays recorded, and the repetition changes nothing."""
    assert loaded(project, [row(1)]) == [0]
    with monkeypatch.context() as patched:
        patched.setattr(loading, "close", lambda *_: sys.exit())
        with pytest.raises(SystemExit):
            loaded(project, [row(5)])
    assert loaded(project, [row(5)]) == [0]
    assert recorded(warehouse, "old_value", "new_value") == [("1", "5")]


def test_old_ones_are_forgotten(project: Project, warehouse: Warehouse) -> None:
    """Each load deletes those that were seen longer ago than the setting says, whatever their endpoint."""
    project.configure(restatements_days=30)
    for day, value in ((1, 1), (2, 2), (20, 3)):
        with time_machine.travel(dt.datetime(2025, 4, day, tzinfo=dt.UTC), tick=True):
            loaded(project, [row(value)])
    assert recorded(warehouse, "new_value") == [("2",), ("3",)]
    with time_machine.travel(dt.datetime(2025, 5, 3, tzinfo=dt.UTC), tick=True):
        loaded(project, [], name="stories")
    assert recorded(warehouse, "new_value") == [("3",)]


def test_the_ledger_says_how_many(project: Project, warehouse: Warehouse) -> None:
    """In each window's row; the first has none to change."""
    loaded(project, [row(1), row(1, 2)], [row(2), row(3, 2)])
    found = warehouse.execute("SELECT restated FROM analytics._analytics_windows ORDER BY started_at")
    assert found == [(0,), (2,)]


def test_a_warehouse_of_an_older_version_gets_the_table(project: Project, warehouse: Warehouse) -> None:
    """Its ledger has no such figure, and there is no table to record in."""
    loaded(project, [row(1)])
    change(warehouse, f"DROP TABLE analytics.{RESTATEMENTS} CASCADE")
    change(warehouse, "ALTER TABLE analytics._analytics_windows DROP COLUMN restated")
    change(warehouse, "DELETE FROM analytics._dlt_version")
    assert loaded(project, [row(2)]) == [1]
    assert recorded(warehouse, "new_value") == [("2",)]


def test_other_warehouses_record_nothing(
    project: Project, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The log says so once, not for each endpoint; the rows arrive, and no figure is claimed."""
    monkeypatch.setenv("DESTINATION__WAREHOUSE__DESTINATION_TYPE", "sqlalchemy")
    monkeypatch.setenv("DESTINATION__WAREHOUSE__CREDENTIALS", f"sqlite:///{project.path}/warehouse.db")
    caplog.set_level("INFO", "analytics_assets")
    # another test in this process may have had it said
    restated._say_none.cache_clear()  # noqa: SLF001 - that is what a process of its own begins with
    project.serve(rows={"stories": stories(2)})
    report = project.load()
    assert (report.rows_loaded, report.restated) == (2, None)
    source, reading = build_source(endpoint_of(NAME), settings_of(NAME), WINDOW)
    with open_pipeline(reading) as pipeline:
        record_restatements(pipeline.destination, pipeline.warehouse, source, reading, pipeline.log)
    assert RESTATEMENTS not in source.schema.tables
    said = [record.getMessage() for record in caplog.records if "restatements" in record.getMessage()]
    assert said == ["no restatements are recorded in sqlalchemy: that needs DuckDB or PostgreSQL"]
