"""Windows that came otherwise than they were asked for: a second question shows whether all of their rows are there."""

import datetime as dt
import logging
from collections.abc import Callable
from dataclasses import replace

import pytest
from dlt.pipeline.exceptions import PipelineStepFailed

from analytics_assets.ingest.errors import ApiError
from analytics_assets.ingest.window import Window
from analytics_assets.sandbox.faults import Fault
from analytics_assets.sandbox.shape import Shape
from analytics_assets_tests.project import KEY, WINDOW, Project, Row, asked
from analytics_assets_tests.reliability.matrix import Span
from analytics_assets_tests.reliability.stage import Misread

NOTHING = '{"data": [], "total": 0}'
HOUR = dt.timedelta(hours=1)


def shifted(hours: int) -> Callable[[Span], Span]:
    """Return what a server makes of a window whose days are those of another time zone."""
    return lambda span: tuple(edge and edge + hours * HOUR for edge in span)  # type: ignore[return-value]


def hourly(days: int = 4, first: str = "2025-02-27") -> list[Row]:
    """Return a story for each half hour of some days around that of the window."""
    start = dt.datetime.fromisoformat(f"{first}T00:15:00Z")
    moments = (start + number * HOUR / 2 for number in range(48 * days))
    return [{"id": f"{moment:%m%dT%H%M}", "timestamp": f"{moment:%Y-%m-%dT%H:%M:%SZ}"} for moment in moments]


def test_an_empty_window_is_asked_twice(project: Project) -> None:
    """And only an empty one: a second request is all that it costs, and both are in the figures."""
    sandbox = project.serve(rows={})
    report = project.load()
    assert len(sandbox.requests) == report.requests == 2
    assert sandbox.requests[0].params == sandbox.requests[1].params
    sandbox.rows["stories"] = hourly()
    sandbox.requests.clear()
    assert project.load().requests == len(sandbox.requests) == 1


@pytest.mark.parametrize("window", [WINDOW, None], ids=["window", "full refresh"])
def test_one_false_empty_answer_is_found_out(project: Project, window: Window | None) -> None:
    """A server that is not well may say that there is nothing; asked again it has rows, and they are read."""
    project.serve(rows={"stories": hourly()}, faults=[Fault("body", content=NOTHING, times=1)])
    report = project.load(window)
    assert (report.rows_loaded, report.rereads) == (48 if window else 192, 1)


@pytest.mark.parametrize("hours", [-9, -1, 2, 13])
def test_the_days_of_another_time_zone_are_found_out(project: Project, hours: int) -> None:
    """Rows come that were not asked for, and with a day more on each side there are more inside: the run fails."""
    project.serve(rows={"stories": hourly()}, shape=Misread(key=KEY, read_as=shifted(hours)))
    missing, side = abs(hours) * 2, "before its start" if hours < 0 else "behind its end"
    said = rf"setting: .*{48 - missing} rows of .* came, and 48 when .* each side .*{missing} rows {side}.*timezone"
    with pytest.raises(ApiError, match=said):
        project.load()
    assert project.ids() == []


@pytest.mark.parametrize("known", ["neither", "start", "end"])
def test_a_server_that_returns_more_is_complete(project: Project, known: str) -> None:
    """One that knows one of the two parameters or none returns more than the window, and nothing is missing."""
    shape = Shape(
        key=KEY, start_param="since" if known == "start" else "from", end_param="until" if known == "end" else "to"
    )
    sandbox = project.serve(rows={"stories": hourly(days=6)}, shape=shape)
    report = project.load()
    assert report.rows_loaded == 48
    assert (report.strays.before, report.strays.after) == (96 if known != "start" else 0, 144 if known != "end" else 0)
    assert len(sandbox.requests) == report.requests


def test_rows_that_the_format_cannot_leave_out_are_no_strays(project: Project) -> None:
    """A day of Berlin lies in two days of UTC, which a vendor of dates is asked for; it costs no request more."""
    project.configure(window_format="date", window_end="inclusive", timezone="Europe/Berlin")
    shape = Shape(key=KEY, window_format="date", window_end="inclusive")
    sandbox = project.serve(rows={"stories": hourly()}, shape=shape)
    berlin = Window(WINDOW.start - HOUR, WINDOW.end - HOUR)
    report = project.load(berlin)
    assert (report.rows_loaded, report.rows_outside, report.strays.count) == (48, 48, 0)
    assert len(sandbox.requests) == 1


def test_an_inclusive_end_brings_no_strays(project: Project) -> None:
    """A row at the window's end was asked for, where the setting says that the end is inclusive."""
    rows = [*hourly(), {"id": "edge", "timestamp": "2025-03-02T00:00:00Z"}]
    sandbox = project.serve(rows={"stories": rows}, shape=Shape(key=KEY, window_end="inclusive"))
    report = project.load()
    assert (report.strays.after, report.rows_loaded) == (1, 48)
    project.configure(window_end="inclusive")
    sandbox.requests.clear()
    report = project.load()
    assert (report.strays.count, report.rows_outside, len(sandbox.requests)) == (0, 1, 1)


@pytest.mark.parametrize("rows", [["12:00"], ["00:00", "12:00"]], ids=["no row comes", "one row comes"])
@pytest.mark.parametrize("days", [1, 2])
def test_an_end_that_means_midnight_is_found_out(project: Project, rows: list[str], days: int) -> None:
    """A date as an inclusive end is its last instant for one API and its first for another, which leaves out a day."""
    dates = ["2025-02-28", "2025-03-01"]
    shape = Misread(key=KEY, window_format="date", read_as=until_the_first_instant)
    project.configure(window_format="date", window_end="inclusive")
    made = [{"id": f"{date}{time}", "timestamp": f"{date}T{time}:00Z"} for date in dates for time in rows]
    project.serve(rows={"stories": made}, shape=shape)
    with pytest.raises(ApiError, match=r"setting: .*(last day came|came empty).*window_end"):
        project.load(replace(WINDOW, start=WINDOW.end - days * 24 * HOUR))
    assert project.ids() == []


def test_figures_of_midnight_cost_one_request(project: Project) -> None:
    """Where the end is a date and each row stands at the first instant of its day, a page behind it is asked for."""
    project.configure(window_format="date", window_end="inclusive")
    rows = [{"id": str(day), "timestamp": f"2025-03-0{day}T00:00:00Z"} for day in (1, 2)]
    shape = Shape(key=KEY, window_format="date", window_end="inclusive")
    sandbox = project.serve(rows={"stories": rows}, shape=shape)
    assert project.load().rows_loaded == 1
    assert [params["until"] for _, params in asked(sandbox)] == ["2025-03-01", "2025-03-02"]


def test_nothing_of_a_window_that_ends_with_a_day_costs_one_request(project: Project) -> None:
    """An empty window whose end is a date is asked with a day more, which is the second question for it as well."""
    project.configure(window_format="date", window_end="inclusive")
    sandbox = project.serve(rows={}, shape=Shape(key=KEY, window_format="date", window_end="inclusive"))
    assert project.load().requests == 2
    assert [params["until"] for _, params in asked(sandbox)] == ["2025-03-01", "2025-03-02"]


def test_rows_that_move_meanwhile_are_no_wrong_setting(project: Project, caplog: pytest.LogCaptureFixture) -> None:
    """A row that appears between the two questions has the window read again; then both say the same."""
    sandbox = project.serve(rows={"stories": hourly()}, shape=Shape(key=KEY, start_param="from", end_param="to"))
    late = {"id": "late", "timestamp": "2025-03-01T23:00:00Z"}

    def appear(_: object) -> None:
        if len(sandbox.requests) == 3:
            sandbox.rows["stories"] = [*hourly(), late]

    sandbox.on_request = appear
    caplog.set_level(logging.WARNING)
    report = project.load()
    assert (report.rows_loaded, report.rereads) == (49, 1)
    assert "with one more day on each side" in caplog.text


def test_a_broken_second_answer_fails_the_run(project: Project, waits: list[float]) -> None:
    """What the second question meets is the window's failure, and no reason to believe the first one."""
    sandbox = project.serve(rows={})
    project.configure(max_retries=0)
    sandbox.on_request = lambda _: sandbox.faults.append(Fault("status", status=500)) if sandbox.requests[1:] else None
    with pytest.raises(Exception, match="500") as failed:
        project.load()
    assert not isinstance(failed.value, PipelineStepFailed)
    assert waits == []


def until_the_first_instant(span: Span) -> Span:
    """Return what a server makes of a date as the end that it takes for midnight."""
    start, end = span
    return start, end and end + dt.timedelta(microseconds=1)
