"""What is said of a window that was read from the API: the figures add up, and are those of one moment."""

import copy
import dataclasses
from collections.abc import Callable

import pytest
from dlt.extract.exceptions import ResourceExtractionError
from dlt.extract.source import DltSource

from analytics_assets.ingest.configured import load_settings
from analytics_assets.ingest.report import Reading, undeclared_columns
from analytics_assets.ingest.source import build_source
from analytics_assets.ingest.window import Window
from analytics_assets.sandbox.shape import Shape
from analytics_assets_tests.project import DAY, KEY, WINDOW, Project, Row, endpoint_of, stories

ODD: list[Row] = [
    {"id": "outside", "timestamp": "2025-03-05T00:00:00Z"},
    {"id": "no cursor", "timestamp": None},
    {"id": "many", "timestamp": f"{DAY}T10:00:00Z", "like_count": "many"},
    {"id": None, "timestamp": f"{DAY}T10:00:00Z"},
]


def _begin(window: Window | None = WINDOW) -> tuple[DltSource, Reading]:
    return build_source(endpoint_of("stories"), load_settings(), window)


def _read(source: DltSource) -> None:
    list(source.resources["stories"])


def _serve_all(project: Project, rows: list[Row], shape: Shape | None = None) -> None:
    """Serve these rows in pages of two, whatever window is asked."""
    project.serve(rows={"stories": rows}, shape=shape or Shape(key=KEY))
    project.configure(window_start_param="from", window_end_param="to", page_size=2)


def test_the_figures_add_up(project: Project) -> None:
    """Each row that was read was kept, outside of the window or rejected, and of each kind as many as there were."""
    _serve_all(project, [*stories(3), *ODD])
    source, reading = _begin()
    _read(source)
    report = reading.report()
    assert (report.rows_read, report.distinct_ids, report.total, report.pages) == (7, 7, 7, 4)
    assert (report.rows_kept, report.rows_outside, report.rows_rejected) == (4, 1, 2)
    assert report.rows_read == report.rows_kept + report.rows_outside + report.rows_rejected
    assert report.rows_without_cursor == 1
    assert sorted(report.rejected.values()) == [1, 1]
    assert [row["id"] for row in report.preview] == ["s000", "s001", "s002", "no cursor"]


def test_an_abandoned_pass_counts_as_a_reread_and_nothing_else(project: Project) -> None:
    """Requests are those of both passes; pages and rows are those of the one that was read to its end."""
    rows = [*ODD, *stories(4)]
    sandbox = project.serve(rows={"stories": rows})
    project.configure(window_start_param="from", window_end_param="to", page_size=3)
    sandbox.on_request = lambda _: rows.pop() if len(sandbox.requests) == 2 else None
    source, reading = _begin()
    with pytest.raises(ResourceExtractionError, match="the total was 8 and became 7"):
        _read(source)
    assert reading.report().rereads == 0
    _read(source)
    report = reading.report()
    assert report.rereads == 1
    assert (report.requests, report.pages) == (5, 3)
    assert (report.rows_read, report.rows_kept, report.rows_outside, report.rows_rejected) == (7, 4, 1, 2)


@pytest.mark.parametrize(
    ("rows", "has_total", "why"),
    [
        ([], True, "the API said total 0"),
        ([], False, "the first page was empty and the API gave no total"),
        (
            [ODD[0], ODD[2], ODD[3]],
            True,
            "the API returned 3 rows, none of them both loadable and inside the window",
        ),
        ([ODD[0], ODD[1]], True, None),
    ],
)
def test_a_window_without_rows_says_why(
    project: Project,
    rows: list[Row],
    has_total: bool,  # noqa: FBT001 - a parameter of the test
    why: str | None,
) -> None:
    """Nothing there, nothing said, or nothing that could be kept; and no reason where a row was kept."""
    _serve_all(project, rows, Shape(key=KEY, total_path="total" if has_total else None))
    source, reading = _begin()
    # nothing was read yet, so that nothing is known to be empty
    assert reading.report().why_empty is None
    _read(source)
    assert reading.report().why_empty == why


def _rest_of_the_pass(source: DltSource, reading: Reading, say: Callable[[], None]) -> None:
    pages = iter(source.resources["stories"])
    next(pages)
    say()
    list(pages)
    assert reading.pages.passes == 1


def _another_pass(source: DltSource, reading: Reading, say: Callable[[], None]) -> None:
    _read(source)
    say()
    _read(source)
    assert reading.pages.passes == 2


@pytest.mark.parametrize("later", [_rest_of_the_pass, _another_pass], ids=["the rest of the pass", "another pass"])
def test_a_report_stays_as_it_was(
    project: Project, later: Callable[[DltSource, Reading, Callable[[], None]], None]
) -> None:
    """Whatever is read later: the report holds no list and no column that the reading goes on filling."""
    rows = [{**row, "mood": number} for number, row in enumerate(stories(5))]
    _serve_all(project, [*rows[:2], ODD[2], *rows[2:], ODD[3], {**stories(7)[6], "weather": "fine"}])
    source, reading = _begin()
    said = []

    def say() -> None:
        said.append(reading.report())
        said.append(copy.deepcopy(said[0]))

    later(source, reading, say)
    report, as_it_was = said
    assert report == as_it_was
    assert report != reading.report()
    with pytest.raises(dataclasses.FrozenInstanceError):
        report.pages = 0  # type: ignore[misc]


def test_how_many_ids_were_kept_is_known_unless_some_came_twice(project: Project) -> None:
    """Without a total an API may send two states of a row; how many rows were kept then says nothing of the ids."""
    _serve_all(project, [*stories(3), *ODD[:1]])
    source, reading = _begin()
    _read(source)
    assert reading.report().unique_rows_kept == 3
    states = [{"id": "m", "timestamp": f"{DAY}T12:00:00Z", "updated_at": f"{DAY}T{hour}:00:00Z"} for hour in (13, 14)]
    project.serve(rows={"media_insights": states}, shape=Shape(key=KEY, total_path=None))
    assert len(project.read("media_insights")) == 2
    report = project.reports["media_insights"]
    assert (report.rows_kept, report.unique_rows_kept) == (2, None)


def test_values_of_an_undeclared_column_are_added_up(project: Project) -> None:
    """A range that was loaded in slices has one figure for each column, also for one that only the last slice has."""
    reports = []
    for extra in ({"mood": "fine"}, {"mood": "sad", "odd": 1}):
        project.serve(rows={"stories": [{**row, **extra} for row in stories(2)]})
        source, reading = _begin()
        _read(source)
        reports.append(reading.report())
    assert [(column.name, values) for column, values in undeclared_columns(reports)] == [("mood", 4), ("odd", 2)]
