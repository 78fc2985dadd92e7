"""Pages by number: whole by the totals that there are, and the end and the first page shown where there are none."""

from typing import Any

import pytest

from analytics_assets.ingest.api.page_walk import PageWalk
from analytics_assets.ingest.api.walk import RowsMovedError
from analytics_assets.ingest.errors import Problem, explain
from analytics_assets.sandbox.app import Sandbox
from analytics_assets.sandbox.faults import Fault
from analytics_assets.sandbox.shape import Shape
from analytics_assets_tests.project import KEY, Project, stories

TOTALS: dict[str, dict[str, Any]] = {
    "rows": {"total_path": "meta.total"},
    "pages": {"total_pages_path": "header:X-Total-Pages"},
    "none": {},
}


def serve(project: Project, rows: int, *faults: Fault, totals: str = "none", **shape: Any) -> Sandbox:  # noqa: ANN401
    """Serve stories in pages of ten, by number."""
    spoken = {"key": KEY, "pagination": "page", "total_path": None, **TOTALS[totals], **shape}
    sandbox = project.serve(rows={"stories": stories(rows)}, shape=Shape(**spoken), faults=faults)
    selectors = {
        "total_selector": spoken["total_path"] or "",
        "total_pages_selector": TOTALS[totals].get("total_pages_path", ""),
    }
    project.configure(pagination="page", page_size=10, **selectors)
    return sandbox


def numbers(sandbox: Sandbox) -> list[str | None]:
    """Return the page numbers that were asked for, in order."""
    return [request.params.get("page") for request in sandbox.requests]


def failure(project: Project) -> Problem:
    """Load, and return what it fails with; nothing is in the table."""
    with pytest.raises(Exception, match="stories") as caught:
        project.load()
    problem = explain(caught.value)
    assert problem is not None
    assert project.table() == []
    return problem


@pytest.mark.parametrize("first_page", [0, 1])
@pytest.mark.parametrize(
    ("totals", "rows", "pages"),
    [
        ("rows", 25, [1, 2, 3]),
        ("rows", 100, [*range(1, 12)]),
        ("pages", 25, [1, 2, 3, 4]),
        ("none", 25, [1, 2, 3, 4, None]),
        ("none", 20, [1, 2, 3, 4, None]),
    ],
)
def test_all_rows_by_as_many_pages_as_it_takes(
    project: Project, first_page: int, totals: str, rows: int, pages: list[int | None]
) -> None:
    """With a total no page behind a last one that is not full; without one two signs of the end, and no number once."""
    sandbox = serve(project, rows, totals=totals, first_page=first_page)
    project.configure(first_page=first_page)
    report = project.load()
    assert (report.rows_loaded, report.distinct_ids, report.rereads) == (rows, rows, 0)
    assert numbers(sandbox) == [None if page is None else str(page - 1 + first_page) for page in pages]


@pytest.mark.parametrize("totals", TOTALS)
def test_pages_are_read_ahead(project: Project, totals: str) -> None:
    """Several requests are in flight, never more than the setting says, and the rows are the same."""
    sandbox = serve(project, 195, Fault("latency", seconds=0.02), totals=totals)
    project.configure(max_concurrent_requests=4)
    assert len(project.read()) == 195
    assert sandbox.max_in_flight == 4
    assert len(sandbox.requests) <= 23 + (10 if totals == "none" else 0)


@pytest.mark.parametrize("totals", TOTALS)
def test_a_page_number_that_is_not_honoured_is_refused(project: Project, totals: str) -> None:
    """The first page again, whatever the number: the setting is named, after two passes."""
    serve(project, 25, Fault("ignore_offset"), totals=totals)
    problem = failure(project)
    assert (problem.kind, problem.is_transient) == ("incomplete", False)
    assert "the API does not honour page (page_param)" in problem.message


@pytest.mark.parametrize("totals", TOTALS)
@pytest.mark.parametrize("rows", [5, 25])
def test_a_first_page_that_is_the_second_is_found_out(project: Project, totals: str, rows: int) -> None:
    """A vendor that counts from 0, asked for page 1 first: the rows of its first page would be missing."""
    serve(project, rows, totals=totals, first_page=0)
    assert "(first_page)" in failure(project).message


@pytest.mark.parametrize("status", [400, 404])
def test_a_refusal_behind_the_last_page_is_the_end(project: Project, status: int) -> None:
    """Behind a full page, where there is no total."""
    serve(project, 20, Fault("status", status=status, offset=20), Fault("status", status=status, offset=30))
    assert project.load().rows_loaded == 20


def test_a_refusal_of_a_page_in_the_middle_is_none(project: Project) -> None:
    """Rows come behind it, so the window is read again; where it lasts, the run fails."""
    serve(project, 45, Fault("status", status=404, offset=20, times=1))
    report = project.load()
    assert (report.rows_loaded, report.rereads) == (45, 1)


def test_a_short_page_in_the_middle_is_no_end(project: Project) -> None:
    """A vendor that leaves rows out after it has cut the pages cannot be proven without a total."""
    serve(project, 45, Fault("mutate_rows", offset=10, change=lambda page: page[:7]))
    assert "page 3 has rows, and a page before it was the last one" in failure(project).message


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda page: page[:7], "page 2 has 7 rows, and the first page has 10"),
        (lambda _: [], "the API says 5 pages, and page 2 has nothing new"),
    ],
)
def test_with_a_number_of_pages_all_but_the_last_are_full(project: Project, change: object, said: str) -> None:
    """A page that brings fewer rows than the first has left some out."""
    serve(project, 45, Fault("mutate_rows", offset=10, change=change), totals="pages")
    assert said in failure(project).message


def test_a_number_of_pages_that_is_capped_is_noticed(project: Project) -> None:
    """The page behind the last one has rows."""
    serve(project, 45, Fault("total_pages", value=3), totals="pages")
    assert "page 4 has rows, and a page before it was the last one" in failure(project).message


def test_an_id_on_two_pages_shows_rows_that_moved(project: Project) -> None:
    """Without a total a row that is pushed onto the next page comes twice; the window is read again."""
    sandbox = serve(project, 25)
    rows = sandbox.rows["stories"]

    def insert(asked: Any) -> None:  # noqa: ANN401
        if asked.params.get("page") == "2" and len(rows) == 25:
            rows.insert(0, {"id": "new", "timestamp": "2025-03-01T00:00:00Z"})

    sandbox.on_request = insert
    report = project.load()
    assert (report.rows_loaded, report.rereads) == (26, 1)


def test_a_page_size_of_its_own(project: Project) -> None:
    """Where no size is asked for, pages are as large as the first."""
    sandbox = serve(project, 30, totals="rows", limit_param="", max_page_size=7)
    project.configure(limit_param="")
    assert project.load().rows_loaded == 30
    assert {"limit", "offset"}.isdisjoint(sandbox.requests[0].params)
    assert numbers(sandbox) == ["1", "2", "3", "4", "5"]


def test_a_list_with_its_totals_in_headers(project: Project) -> None:
    """As WordPress sends it."""
    serve(project, 25, totals="pages", data_path="", total_path="header:X-WP-Total")
    project.configure(data_selector="$", total_selector="header:X-WP-Total")
    report = project.load()
    assert (report.total, report.rows_loaded, report.pages) == (25, 25, 3)


@pytest.mark.parametrize("value", ["many", "-3"])
def test_a_total_in_a_header_that_is_none(project: Project, value: str) -> None:
    """It is told like one in the body."""
    serve(project, 5, Fault("total", value=value), totals="none", total_path="header:X-Total-Count")
    problem = failure(project)
    assert problem.kind == "wrong shape"
    assert "its 'header:X-Total-Count' is" in problem.message


def test_what_comes_next() -> None:
    """The pages ahead: all of a total, and without one no more than have come."""
    rows = [{"id": number} for number in range(10)]
    walk = PageWalk(10, ("id",))
    walk.advance(rows, 45)
    assert list(walk.ahead()) == [2, 3, 4, 5]
    walk = PageWalk(10, ("id",), first_page=0)
    walk.advance(rows, None, 4)
    assert list(walk.ahead()) == [1, 2, 3]
    walk = PageWalk(10, ("id",))
    walk.advance(rows, None)
    assert list(walk.ahead()) == [2]
    with pytest.raises(RowsMovedError, match="became 3"):
        walk.advance([{"id": "x"}], None, 3)
