"""Which rows are inside the window, and what becomes of their values."""

import datetime as dt
import zoneinfo
from typing import Any

import duckdb
import pytest

from analytics_assets.ingest.table import rows
from analytics_assets.ingest.window import Window
from analytics_assets_tests.project import WINDOW, Project, asked, stories

OUTSIDE = [{"id": "out", "timestamp": "2025-03-05T00:00:00Z"}]


def _serve_all(project: Project, rows: list[Any]) -> None:
    """Serve these rows whatever window is asked: the sandbox looks for the window's parameters under other names."""
    project.serve(rows={"stories": rows})
    project.configure(window_start_param="from", window_end_param="to")


@pytest.mark.parametrize(
    ("timestamp", "inside"),
    [
        ("2025-03-01T00:00:00Z", True),
        ("2025-02-28T23:59:59.999999Z", False),
        ("2025-03-01T23:59:59.999999Z", True),
        ("2025-03-02T00:00:00Z", False),
        ("2025-03-02T00:00:00.000001Z", False),
        # the same instants in other words
        ("2025-03-01T00:00:00+00:00", True),
        ("2025-03-01T00:00:00+0000", True),
        ("2025-03-01T00:00:00.000Z", True),
        ("2025-03-01 00:00:00Z", True),
        ("2025-03-01T00:00:00", True),
        ("2025-03-01", True),
        ("2025-03-02", False),
        # as strings these would be on the other side
        ("2025-02-28T19:00:00-05:00", True),
        ("2025-02-28T18:59:59-05:00", False),
        ("2025-03-02T08:59:59+09:00", True),
        ("2025-03-02T09:00:00+0900", False),
        ("2025-03-01T00:30:00+01:00", False),
        (1740787200, True),
        (1740787199, False),
        (1740873599.5, True),
        (1740873600, False),
        (1740787200000, True),
        (1740787199999, False),
        ("1740787200000", True),
        ("1740787199.999", False),
        ("20250301", True),
    ],
)
def test_cursors_are_compared_as_instants(project: Project, timestamp: object, inside: bool) -> None:  # noqa: FBT001
    """The window is half-open and is kept on points in time, however they are written."""
    _serve_all(project, [{"id": "a", "timestamp": timestamp}])
    assert [row["id"] for row in project.read()] == (["a"] if inside else [])


def test_mixed_notations_on_one_page(project: Project) -> None:
    """One page may mix offsets, fractions and epoch seconds; each row counts for itself."""
    moments = {
        "a": "2025-03-01T00:00:00Z",
        "b": "2025-02-28T20:00:00-0500",
        "c": 1740790800,
        "d": "2025-03-02T00:00:00Z",
        "e": "2025-03-02T00:30:00+01:00",
        "f": "2025-03-01T01:02:03.123456789Z",
        "g": "2025-02-28",
    }
    _serve_all(project, [{"id": name, "timestamp": moment} for name, moment in moments.items()])
    project.load()
    assert {row["id"]: row["timestamp"] for row in project.table()} == {
        "a": dt.datetime(2025, 3, 1, tzinfo=dt.UTC),
        "b": dt.datetime(2025, 3, 1, 1, tzinfo=dt.UTC),
        "c": dt.datetime(2025, 3, 1, 1, tzinfo=dt.UTC),
        "e": dt.datetime(2025, 3, 1, 23, 30, tzinfo=dt.UTC),
        "f": dt.datetime(2025, 3, 1, 1, 2, 3, 123456, dt.UTC),
    }


def test_rows_outside_are_dropped_and_counted(project: Project) -> None:
    """An API that does not know the parameters brings rows of other days: they are dropped and counted."""
    others = [{"id": f"o{day}", "timestamp": f"2025-{day}T12:00:00Z"} for day in ("02-27", "02-28", "03-02", "04-01")]
    _serve_all(project, [*stories(3), *others])
    report = project.load()
    assert project.ids() == ["s000", "s001", "s002"]
    assert (report.rows_read, report.rows_outside, report.rows_kept) == (7, 4, 3)


def test_a_row_without_a_cursor_value_is_kept_and_counted(project: Project) -> None:
    """The API returned it for this window, and dropping it would lose it."""
    project.serve(rows={"stories": [*stories(2), {"id": "null", "timestamp": None}, {"id": "missing"}]})
    report = project.load()
    assert project.ids() == ["missing", "null", "s000", "s001"]
    assert (report.rows_without_cursor, report.rows_outside) == (2, 0)


def test_a_full_refresh_keeps_every_row(project: Project) -> None:
    """Without a window nothing is outside."""
    project.serve(rows={"stories": [*stories(2), *OUTSIDE, {"id": "null", "timestamp": None}]})
    report = project.load(None)
    assert project.ids() == ["null", "out", "s000", "s001"]
    assert report.rows_outside == 0


def test_a_window_in_another_time_zone(project: Project) -> None:
    """The day the clocks go forward in New York has 23 hours, and its rows are those between two midnights there."""
    zone = zoneinfo.ZoneInfo("America/New_York")
    window = Window(dt.datetime(2025, 3, 9, tzinfo=zone), dt.datetime(2025, 3, 10, tzinfo=zone))
    rows = [
        {"id": "before", "timestamp": "2025-03-09T04:59:59Z"},
        {"id": "first", "timestamp": "2025-03-09T05:00:00Z"},
        {"id": "last", "timestamp": "2025-03-09T23:59:59-04:00"},
        {"id": "next", "timestamp": "2025-03-10T04:00:00Z"},
    ]
    _serve_all(project, rows)
    assert [row["id"] for row in project.read(window=window)] == ["first", "last"]


def _states(name: str, *hours: int) -> list[dict[str, Any]]:
    return [
        {
            "id": name,
            "timestamp": "2025-03-01T01:00:00Z",
            "updated_at": f"2025-03-01T0{hour}:00:00Z",
            "profile_views": hour,
        }
        for hour in hours
    ]


def test_a_restated_row_replaces_the_one_before(project: Project) -> None:
    """A row that the API restates is loaded anew under the same id."""
    sandbox = project.serve(rows={"media_insights": _states("a", 2)})
    project.load(WINDOW, "media_insights")
    sandbox.rows["media_insights"] = _states("a", 5)
    project.load(WINDOW, "media_insights")
    assert [(row["id"], row["profile_views"]) for row in project.table("media_insights")] == [("a", 5)]


def test_values_arrive_as_declared(project: Project) -> None:
    """Text stays text, numbers stay exact, an object stays one JSON value, a missing value is null."""
    row = {
        "id": "0012",
        "timestamp": "2025-03-01T10:00:00Z",
        "metric": "reach",
        "value": {"follower": 1, "non_follower": [2, 3.5]},
        "profile_views": 9_007_199_254_740_993,
        "caption": 'Ünï "quoted"\n👩‍👩‍👧‍👦',
        "permalink": None,
    }
    project.serve(rows={"media_insights": [row]})
    project.load(WINDOW, "media_insights")
    (loaded,) = project.table("media_insights")
    assert loaded["id"] == "0012"
    assert loaded["value"] == '{"follower":1,"non_follower":[2,3.5]}'
    assert loaded["profile_views"] == 9_007_199_254_740_993
    assert loaded["caption"] == row["caption"]
    assert loaded["permalink"] is None
    assert loaded["period"] is None


def test_a_column_that_is_not_declared_arrives_too(project: Project) -> None:
    """A field the API adds later becomes a column, and the pages before and after it lose nothing."""
    rows = stories(6)
    rows[3] |= {"reactions": 5, "sticker": {"kind": "poll"}}
    project.serve(rows={"stories": rows})
    project.configure(page_size=2)
    project.load()
    table = project.table()
    assert [row["id"] for row in table] == [row["id"] for row in rows]
    assert [row["reactions"] for row in table] == [None, None, None, 5, None, None]
    assert [row["like_count"] for row in table] == [0, 1, 2, 3, 4, 5]


def test_a_row_that_cannot_be_loaded_is_set_aside_with_its_reason(project: Project) -> None:
    """A value that fits nowhere does not stop the others; its row goes to `stories__rejected`, with the reason."""
    bad = {"id": "bad", "timestamp": "2025-03-01T01:00:00Z", "like_count": "a few"}
    project.serve(rows={"stories": [*stories(2), bad]})
    report = project.load()
    assert project.ids() == ["s000", "s001"]
    assert report.rows_rejected == 1
    (rejected,) = project.table("stories__rejected")
    assert "like_count" in rejected["reason"]
    assert '"a few"' in rejected["raw"]


def test_every_page_is_asked_for_once(project: Project) -> None:
    """Converting rows asks for nothing again."""
    sandbox = project.serve(rows={"stories": stories(9)})
    project.configure(page_size=3)
    project.load()
    assert [params["offset"] for _, params in asked(sandbox)] == ["0", "3", "6"]


@pytest.mark.parametrize("undeclared_from", [None, 0, 45, 99])
def test_rows_are_whole_however_they_are_cut(
    project: Project, monkeypatch: pytest.MonkeyPatch, undeclared_from: int | None
) -> None:
    """Rows are converted and handed on some at a time; none is missing or twice, in whichever part a column is new."""
    monkeypatch.setattr(rows, "_ROWS_CONVERTED_AT_ONCE", 17)
    monkeypatch.setattr(rows, "_ROWS_HANDED_ON_AT_ONCE", 40)
    sent = stories(100)
    expected = {row["id"]: None for row in sent}
    if undeclared_from is not None:
        for row in sent[undeclared_from:]:
            expected[row["id"]] = row["undeclared"] = row["like_count"]
    project.serve(rows={"stories": sent})
    project.configure(page_size=10)
    report = project.load()
    assert (report.rows_read, report.rows_kept, report.rows_loaded) == (100, 100, 100)
    assert {row["id"]: row.get("undeclared") for row in project.table()} == expected
    assert len(project.ids()) == 100


@pytest.mark.duckdb
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
