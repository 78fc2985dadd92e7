"""The ledger, on both warehouses: a row for each window and run, which says what came of it."""

import datetime as dt
import json
from typing import Any

import pytest
from dlt.pipeline.exceptions import PipelineStepFailed

from analytics_assets.ingest.configured import load_settings
from analytics_assets.ingest.errors import ApiError
from analytics_assets.ingest.load import WindowPipeline
from analytics_assets.ingest.opening import open_pipeline
from analytics_assets.ingest.source import build_source
from analytics_assets.ingest.warehouse.ledger import LEDGER, LEDGER_COLUMNS
from analytics_assets.ingest.window import Window
from analytics_assets.sandbox.faults import Fault
from analytics_assets_tests.project import KEY_FORMS, WINDOW, Project, Row, asked, endpoint_of, stories
from analytics_assets_tests.warehouses import Warehouse

NEXT_DAY = Window.of_day(dt.date(2025, 3, 2))


def _ledger(warehouse: Warehouse) -> list[Row]:
    """Return the ledger's rows in the order in which they were begun, JSON parsed and times in UTC."""
    kinds = {str(column.get("name")): column.get("data_type") for column in LEDGER_COLUMNS}
    chosen = ", ".join(f"CAST({name} AS TEXT)" if kind == "json" else name for name, kind in kinds.items())
    found = warehouse.execute(f"SELECT {chosen} FROM analytics.{LEDGER} ORDER BY started_at")  # noqa: S608 - names of the code
    return [{name: _value(value, kinds[name]) for name, value in zip(kinds, row, strict=True)} for row in found]


def _value(value: Any, kind: str | None) -> Any:  # noqa: ANN401 - a column's value
    if value is None:
        return None
    return json.loads(value) if kind == "json" else value.astimezone(dt.UTC) if kind == "timestamp" else value


def _run(run_id: str, window: Window | None = WINDOW) -> None:
    source, reading = build_source(endpoint_of("stories"), load_settings(), window, run_id=run_id)
    with open_pipeline(reading) as pipeline:
        pipeline.run(source)


@pytest.mark.usefixtures("waits")
def test_any_database_says_what_its_newest_load_has_noted(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """A second load through SQLAlchemy, here into SQLite, begins with the page size that worked in the first."""
    monkeypatch.setenv("DESTINATION__WAREHOUSE__DESTINATION_TYPE", "sqlalchemy")
    monkeypatch.setenv("DESTINATION__WAREHOUSE__CREDENTIALS", f"sqlite:///{project.path}/warehouse.db")
    sandbox = project.serve(rows={"stories": stories(20)}, faults=[Fault("too_much", rows=5)])
    project.load()
    first = len(sandbox.requests)
    assert project.load().rows_loaded == 20
    assert [params["limit"] for _, params in asked(sandbox)[first:]] == ["3"] * 7


def test_a_window_that_was_loaded_has_its_figures(project: Project, warehouse: Warehouse, waits: list[float]) -> None:
    """What was asked, what came and what is in the table, under the run that loaded it."""
    odd = [
        {"id": "outside", "timestamp": "2025-03-05T00:00:00Z"},
        {"id": "many", "timestamp": "2025-03-01T10:00:00Z", "like_count": "many"},
        {"id": "no cursor", "timestamp": None},
    ]
    refused = Fault("status", status=503, offset=2, times=1)
    project.serve(rows={"stories": [*stories(2), *odd]}, faults=[refused])
    project.configure(window_start_param="from", window_end_param="to", page_size=2)
    before = dt.datetime.now(dt.UTC)
    _run("run 7")
    (row,) = _ledger(warehouse)
    assert before <= row.pop("started_at") <= dt.datetime.now(dt.UTC)
    assert 0 < row.pop("seconds") < 60
    assert row.pop("id")
    assert row == {
        "run_id": "run 7",
        "endpoint": "stories",
        "window_start": dt.datetime(2025, 3, 1, tzinfo=dt.UTC),
        "window_end": dt.datetime(2025, 3, 2, tzinfo=dt.UTC),
        "asked": {"from": "2025-03-01T00:00:00Z", "to": "2025-03-02T00:00:00Z"},
        "pages": 3,
        "page_size": 2,
        "reduced": None,
        # four, and three of the second question, for a row came that nobody had asked for
        "requests": 7,
        "retries": 1,
        "rereads": 0,
        "api_total": 5,
        "rows_read": 5,
        "distinct_ids": 5,
        "rows_outside": 1,
        "rows_without_cursor": 1,
        "rows_rejected": 1,
        "rows_kept": 3,
        "rows_loaded": 3,
        "restated": 0,
        "new_columns": None,
        "outcome": "loaded",
        "reason": None,
    }
    assert waits == [2]


def test_each_window_of_each_run_has_a_row(project: Project, warehouse: Warehouse) -> None:
    """Loading a window again adds to the ledger, and changes no row of an earlier run; a full refresh has no window."""
    project.serve(rows={"stories": stories(2)})
    for run, window in (("a", WINDOW), ("b", NEXT_DAY), ("c", WINDOW), ("d", None)):
        _run(run, window)
    assert [
        (row["run_id"], row["window_start"] and row["window_start"].day, row["rows_loaded"], row["reason"])
        for row in _ledger(warehouse)
    ] == [("a", 1, 2, None), ("b", 2, 0, "the API said total 0"), ("c", 1, 2, None), ("d", None, 2, None)]
    assert len({row["id"] for row in _ledger(warehouse)}) == 4
    assert {row["outcome"] for row in _ledger(warehouse)} == {"loaded"}


def test_a_window_that_cannot_be_read_has_one_row_with_the_reason(project: Project, warehouse: Warehouse) -> None:
    """The first failure makes the ledger, where no load has; each has one row, in words without the key."""
    sandbox = project.serve(rows={"stories": stories(4)}, faults=[Fault("echo_url", status=400, offset=2)])
    project.configure(page_size=2)
    for run in ("a", "b"):
        with pytest.raises(PipelineStepFailed):
            _run(run)
    rows = _ledger(warehouse)
    assert [(row["run_id"], row["outcome"], row["rows_loaded"]) for row in rows] == [
        (run, "failed", None) for run in ("a", "b")
    ]
    for row in rows:
        assert (row["pages"], row["requests"], row["rows_read"]) == (1, 2, 2)
        assert row["reason"].startswith("request refused: ")
        assert "offset=2 answered 400" in row["reason"]
        assert not [form for form in KEY_FORMS if form in str(row)]
    sandbox.faults.clear()
    _run("c")
    assert [row["outcome"] for row in _ledger(warehouse)] == ["failed", "failed", "loaded"]


def test_a_window_that_fails_after_it_arrived_has_one_row(
    project: Project, warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its row came with the data as ``loading``; the failure is written into that one."""
    original = WindowPipeline.load

    def lossy(self: WindowPipeline, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - dlt's signature
        info = original(self, *args, **kwargs)
        with self.sql_client() as client:
            [(outcome,)] = client.execute_sql(f"SELECT outcome FROM {LEDGER}") or []  # noqa: S608 - a name of the code
            assert outcome == "loading"
            client.execute_sql("DELETE FROM stories WHERE id = 's001'")
        return info

    project.serve(rows={"stories": stories(3)})
    monkeypatch.setattr(WindowPipeline, "load", lossy)
    with pytest.raises(ApiError):
        _run("a")
    (row,) = _ledger(warehouse)
    assert (row["outcome"], row["rows_kept"], row["rows_loaded"]) == ("failed", 3, None)
    assert row["reason"].startswith("incomplete: 3 rows were kept")


def test_a_window_that_moved_has_one_row(project: Project, warehouse: Warehouse) -> None:
    """The pass that was given up is counted, and leaves no row and no figure of its own."""
    rows = stories(6)
    sandbox = project.serve(rows={"stories": rows})
    sandbox.on_request = lambda _: rows.pop() if len(sandbox.requests) == 2 else None
    project.configure(page_size=2)
    _run("a")
    (row,) = _ledger(warehouse)
    assert (row["outcome"], row["rereads"], row["api_total"], row["rows_loaded"]) == ("loaded", 1, 5, 5)
    assert (row["pages"], row["requests"]) == (3, 5)


def test_fields_that_nobody_declared_are_named(project: Project, warehouse: Warehouse) -> None:
    """By the API's name for them, with every column that took their values; those that did not come again are not."""
    sandbox = project.serve(rows={"stories": [{**stories(1)[0], "moodScore": 5, "odd": True}]})
    _run("a")
    sandbox.rows["stories"] = [{**row, "moodScore": value} for row, value in zip(stories(3), [1, 2, "?"], strict=True)]
    _run("b")
    assert [row["new_columns"] for row in _ledger(warehouse)] == [
        {
            "moodScore": {"columns": [{"column": "mood_score", "type": "bigint", "values": 1}]},
            "odd": {"columns": [{"column": "odd", "type": "bool", "values": 1}]},
        },
        {
            "moodScore": {
                "columns": [
                    {"column": "mood_score", "type": "bigint", "values": 2},
                    {"column": "mood_score__v_text", "type": "text", "values": 1},
                ]
            }
        },
    ]
