"""Asked for a day, only its rows have to come, and all of them; else the setting that is probably wrong is named."""

import datetime as dt
from typing import Any

import pytest

from analytics_assets.sandbox.faults import Fault
from analytics_assets_tests.ingest.questions.vendor import ROWS, check, named
from analytics_assets_tests.ingest.test_doubts import shifted, until_the_first_instant
from analytics_assets_tests.project import Project, Row, asked, stories
from analytics_assets_tests.reliability.matrix import Span

HOUR = dt.timedelta(hours=1)
NO_TOTAL = {"total_path": None}
DATES = {"window_format": "date"}
NO_WINDOW = {"start_param": "from", "end_param": "to"}


def in_milliseconds(span: Span) -> Span:
    """Return what a server makes of seconds that it takes for milliseconds."""
    return tuple(edge and dt.datetime.fromtimestamp(edge.timestamp() / 1000, dt.UTC) for edge in span)  # type: ignore[return-value]


@pytest.mark.parametrize(
    ("rows", "differences", "said", "requests"),
    [
        (ROWS, (NO_WINDOW, {}), "does not honour 'since' (window_start_param) and 'until' (window_end_param)", 7),
        (stories(50), (NO_WINDOW, {}),
         "does not honour 'since' (window_start_param) and 'until' (window_end_param)", 6),
        (ROWS[::-1], ({**NO_WINDOW, **NO_TOTAL}, {"total_selector": ""}),
         "does not honour 'since' (window_start_", 6),
        (ROWS, ({"start_param": "from"}, {"page_size": 10}),
         "honour 'since' (window_start_param). Check the name", 7),
        (stories(50), ({"end_param": "to"}, {}), "does not honour 'until' (window_end_param). Check the name", 6),
        (ROWS, ({"read_as": shifted(3)}, {}), "those of another time zone. Check timezone", 6),
        (ROWS, ({"read_as": shifted(-9)}, {"page_size": 10}), "those of another time zone. Check timezone", 7),
        (ROWS[::-1], ({"read_as": shifted(3), **NO_TOTAL}, {"total_selector": ""}), "of another time zone", 6),
        (ROWS, ({"read_as": shifted(3), **DATES}, DATES), "those of another time zone. Check timezone", 6),
        (sorted([*ROWS, *named(3)], key=lambda row: row["timestamp"]), ({"window_end": "inclusive"}, {}),
         'the API returns rows at the end too. Set window_end = "inclusive"', 6),
        (ROWS, ({"window_end": "inclusive", **DATES}, DATES), 'Set window_end = "inclusive"; if that does not', 6),
        (ROWS, ({"read_as": until_the_first_instant, **DATES}, {"window_end": "inclusive", **DATES}),
         'may take the end for its first instant. Set window_end = "exclusive"', 6),
        (named(3), ({"read_as": lambda span: (span[0] and span[0] + HOUR / 3600, span[1])}, {}),
         "leaves out rows at the start itself. Check 'since' (window_start_param)", 6),
        (ROWS, ({"window_format": "epoch", "read_as": in_milliseconds}, {"window_format": "epoch"}),
         "return 48 rows of that day that came otherwise, the first of 2025-03-01T00:15:00Z: check window_format", 6),
        (ROWS, ({"read_as": lambda span: (span[0], span[1] and span[1] - HOUR)}, {"page_size": 10}),
         "the API says a total of 94, and of 92 day by day: check window_format, window_end", 7),
    ],
    ids=[
        "both are ignored", "both are ignored, and there is one day", "both are ignored, newest first, no total",
        "the start is ignored", "the end is ignored", "3 hours later", "9 hours earlier, small pages",
        "3 hours later, newest first, no total", "dates of another time zone", "an inclusive end", "an inclusive date",
        "a date that is its first instant", "an exclusive start", "milliseconds", "an hour too short",
    ],
)  # fmt: skip
def test_a_window_that_is_misread(
    project: Project, rows: list[Row], differences: tuple[dict[str, Any], dict[str, Any]], said: str, requests: int
) -> None:
    """What came too much or too little tells which setting is wrong, and nothing more is asked."""
    shape, configured = differences
    verdict, sandbox = check(project, rows, shape=shape, **configured)
    assert verdict.kind == "setting"
    assert said in verdict.message
    assert verdict.message.startswith("asked for {'since': ")
    assert len(sandbox.requests) == requests


@pytest.mark.parametrize(
    ("rows", "shape", "configured"),
    [
        (ROWS[::-1], {}, {}),
        (ROWS, {}, {"page_size": 10}),
        (ROWS, NO_TOTAL, {"total_selector": "", "page_size": 10}),
        (ROWS, {"window_end": "inclusive", **DATES}, {"window_end": "inclusive", **DATES}),
        (ROWS, DATES, {"timezone": "Europe/Berlin", **DATES}),
        ([*ROWS, *named(3)], {"window_end": "inclusive"}, {"window_end": "inclusive", "timezone": "Asia/Kolkata"}),
        (named(3), {}, {}),
        (stories(150), {}, {}),
    ],
    ids=[
        "newest first", "small pages", "small pages, no total", "inclusive dates", "dates around a day of Berlin",
        "an inclusive end", "figures of midnight", "all rows are of one day",
    ],
)  # fmt: skip
def test_a_window_that_is_understood(
    project: Project, rows: list[Row], shape: dict[str, Any], configured: dict[str, Any]
) -> None:
    """Whatever the order, the page size and the format are, nothing is found where nothing is wrong."""
    verdict, _ = check(project, rows, shape=shape, **configured)
    assert verdict.is_fine, verdict


def test_no_day_is_asked_for_that_has_not_begun(project: Project) -> None:
    """Some APIs refuse such a window; the day itself may be under way."""
    now = dt.datetime.now(dt.UTC)
    rows = [{"id": str(number), "timestamp": now.isoformat()} for number in range(3)]
    verdict, sandbox = check(project, rows)
    assert verdict.is_fine
    starts = {params["since"] for _, params in asked(sandbox) if "since" in params}
    assert starts == {f"{now.date() - days * dt.timedelta(days=1)}T00:00:00Z" for days in (0, 1)}


def test_no_window_is_longer_than_may_be(project: Project) -> None:
    """Where the vendor allows single days, the three are not asked for in one."""
    verdict, sandbox = check(project, ROWS, max_window_days=1)
    assert verdict.is_fine
    windows = {(params["since"][:10], params["until"][:10]) for _, params in asked(sandbox) if "since" in params}
    assert windows == {("2025-02-28", "2025-03-01"), ("2025-03-01", "2025-03-02"), ("2025-03-02", "2025-03-03")}


def test_rows_that_are_missing_are_looked_for_on_further_pages(project: Project) -> None:
    """A day of several pages, in an order of its own: that a row is not on the first page says nothing."""
    shuffled = sorted(ROWS, key=lambda row: hash(row["timestamp"][-4:] + row["id"][:4]))
    verdict, _ = check(project, shuffled, page_size=20)
    assert verdict.is_fine, verdict


def test_a_list_without_a_window(project: Project) -> None:
    """Where a list is read whole, no window is asked for, and the other questions are."""
    verdict, sandbox = check(project, ROWS, window_start_param="", window_end_param="")
    assert verdict.message.startswith("192 rows in all; 6 requests, one by one, "), verdict
    assert not [params for _, params in asked(sandbox) if "since" in params]


def test_items_that_hold_several_rows(project: Project) -> None:
    """Pages are of items, and windows of the rows in them."""
    section = '[analytics_api.endpoints.stories]\nunnest = "values"\ncursor = "end_time"\nid = ["id", "end_time"]\n'
    project.write("config.toml", f"\n{section}")
    items = [row | {"values": [{"end_time": row["timestamp"]}]} for row in ROWS]
    verdict, _ = check(project, items)
    assert verdict.is_fine, verdict
    verdict, _ = check(project, items, Fault("ignore_offset"))
    assert "does not honour offset_param" in verdict.message
    verdict, _ = check(project, items, shape={"end_param": "to"})
    assert "does not honour 'until' (window_end_param)" in verdict.message


def test_a_window_that_is_refused(project: Project) -> None:
    """Rows came without a window, and none with it: what the API says is told, and the settings of the window."""
    verdict, _ = check(project, ROWS, shape={"window_format": "epoch"})
    assert verdict.kind == "request refused"
    assert "since is not a valid epoch" in verdict.message
    assert "Rows came without a window: check window_format" in verdict.message
