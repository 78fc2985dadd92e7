"""Pages that say where the next one is: one chain, or parts of the window side by side, and never a row too few."""

import datetime as dt
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from typing import Any

import orjson
import pytest
from starlette.responses import Response

from analytics_assets.ingest.errors import Problem, explain
from analytics_assets.ingest.window import Window
from analytics_assets.sandbox.app import Sandbox
from analytics_assets.sandbox.faults import Fault
from analytics_assets.sandbox.server import SandboxServer
from analytics_assets.sandbox.shape import Shape
from analytics_assets_tests.project import KEY, Project, Row, stories

DAYS = 6
WEEK = Window(dt.datetime(2025, 3, 1, tzinfo=dt.UTC), dt.datetime(2025, 3, 1 + DAYS, tzinfo=dt.UTC))
CHAINS = pytest.mark.parametrize("pagination", ["cursor", "link"])


def days(a_day: int = 12, number: int = DAYS) -> list[Row]:
    """Return stories of some days, the first of each at its midnight."""
    return [
        {"id": f"{day}-{place:02d}", "timestamp": f"2025-03-{day:02d}T{24 * place // a_day:02d}:00:00Z"}
        for day in range(1, number + 1)
        for place in range(a_day)
    ]


def serve(
    project: Project,
    rows: Any,  # noqa: ANN401
    *faults: Fault,
    pagination: str = "cursor",
    in_flight: int = 1,
    **shape: Any,  # noqa: ANN401
) -> Sandbox:
    """Serve rows in pages of ten, by cursor or link, without a total unless the shape has one."""
    spoken: dict[str, Any] = {"key": KEY, "pagination": pagination, "total_path": None, **shape}
    sandbox = project.serve(rows={"stories": rows}, shape=Shape(**spoken), faults=faults)
    selector = {"total_selector": spoken["total_path"] or ""}
    project.configure(pagination=pagination, page_size=10, max_concurrent_requests=in_flight, **selector)
    return sandbox


def failure(project: Project, window: Window = WEEK) -> Problem:
    """Load, and return what it fails with; nothing is in the table."""
    with pytest.raises(Exception, match=r"\w") as caught:
        project.load(window)
    problem = explain(caught.value)
    assert problem is not None
    assert project.table() == []
    return problem


@CHAINS
@pytest.mark.parametrize("in_flight", [1, 4])
@pytest.mark.parametrize(
    "shape",
    [
        {},
        {"total_path": "total"},
        {"total_path": "header:X-Total-Count", "data_path": ""},
        {"is_endless": True},
        {"key_location": "bearer", "max_page_size": 7},
    ],
    ids=str,
)
def test_all_rows_in_order(project: Project, pagination: str, in_flight: int, shape: dict[str, Any]) -> None:
    """With a total and without one, page by page and in parts, and where an empty page is the end."""
    if shape.get("data_path") == "" and pagination == "cursor":
        shape = {**shape, "cursor_path": "header:X-Next"}
    elif shape.get("data_path") == "":
        shape = {**shape, "link_path": "header:Link"}
    serve(project, days(), pagination=pagination, in_flight=in_flight, **shape)
    selectors = {"cursor_selector": shape.get("cursor_path"), "next_link_selector": shape.get("link_path")}
    selectors |= {"data_selector": "$" if "data_path" in shape else None, "key_location": shape.get("key_location")}
    project.configure(**{name: value for name, value in selectors.items() if value})
    assert [row["id"] for row in project.read(window=WEEK)] == [row["id"] for row in days()]
    report = project.reports["stories"]
    assert (report.rows_read, report.distinct_ids, report.rereads) == (72, 72, 0)
    assert report.total == (72 if "total_path" in shape else None)


def test_parts_are_loaded_like_a_window(project: Project) -> None:
    """Down to the warehouse, and the ledger's row says what was asked, and the figures of all parts."""
    sandbox = serve(project, days(), in_flight=4, total_path="total")
    report = project.load(WEEK)
    assert project.ids() == sorted(row["id"] for row in days())
    assert (report.rows_loaded, report.total, report.rows_outside, report.strays.count) == (72, 72, 0, 0)
    assert report.requests == report.pages == len(sandbox.requests)
    (row,) = project.table("_analytics_windows", order="started_at")
    assert (row["outcome"], row["api_total"], row["pages"], row["requests"]) == (
        "loaded",
        72,
        report.pages,
        report.pages,
    )
    assert dict(report.asked) == {"since": "2025-03-01T00:00:00Z", "until": "2025-03-07T00:00:00Z"}
    assert len({request.params["since"] for request in sandbox.requests}) == DAYS


@CHAINS
def test_as_many_requests_in_flight_as_allowed(project: Project, pagination: str) -> None:
    """Parts are read side by side; never more than the setting says, and a part's pages one after the other."""
    sandbox = serve(project, days(24, 12), Fault("latency", seconds=0.02), pagination=pagination, in_flight=4)
    assert len(project.read(window=Window(WEEK.start, WEEK.start + dt.timedelta(days=12)))) == 24 * 12
    assert sandbox.max_in_flight == 4


def test_few_pages_are_few_requests(project: Project) -> None:
    """A window of one page is not cut; with a total there are no more parts than pages."""
    sandbox = serve(project, days(1), in_flight=4)
    assert len(project.read(window=WEEK)) == DAYS
    assert len(sandbox.requests) == 1
    sandbox = serve(project, days(3), in_flight=4, total_path="total")
    assert len(project.read(window=WEEK)) == 3 * DAYS
    assert len({request.params["since"] for request in sandbox.requests}) == 2
    assert len(sandbox.requests) <= 4


@CHAINS
@pytest.mark.parametrize("in_flight", [1, 4])
def test_a_page_that_names_itself_is_refused(project: Project, pagination: str, in_flight: int) -> None:
    """An API that ignores the cursor sends its first page for ever; one pass shows it, and the setting is named."""
    sandbox = serve(project, days(), Fault("ignore_offset"), pagination=pagination, in_flight=in_flight)
    problem = failure(project)
    assert (problem.kind, problem.is_transient) == ("incomplete", False)
    assert "names a page as the next that had been named before" in problem.message
    assert ("cursor_param" if pagination == "cursor" else "next_link_selector") in problem.message
    assert len(sandbox.requests) < (4 if in_flight == 1 else 40)
    assert project.reports["stories"].rereads == 0


def test_empty_pages_in_the_middle_are_no_end(project: Project) -> None:
    """Where rows are filtered after the pages were cut, a page may be empty and name a next one."""
    gone = [Fault("mutate_rows", offset=offset, change=lambda _: []) for offset in (10, 20, 30)]
    serve(project, days(), *gone)
    assert project.load(WEEK).rows_loaded == 42


class Answers(Sandbox):
    """Answers one after the other, whatever is asked: ``(rows, cursor)``; the last one is repeated."""

    def __init__(self, *answers: tuple[list[Row], object]) -> None:
        super().__init__(shape=Shape(key=KEY), rows={})
        self.answers = answers

    async def _choose(self, *_: object) -> Response:
        rows, cursor = self.answers[min(len(self.requests), len(self.answers)) - 1]
        cursor = f"salted{len(self.requests)}" if cursor == "another" else cursor
        return Response(orjson.dumps({"data": rows, "paging": {"cursors": {"after": cursor}}}))


@pytest.fixture
def answering(project: Project) -> Iterator[Callable[..., Answers]]:
    """Return what has a server give these answers."""
    with ExitStack() as running:

        def answer(*answers: tuple[list[Row], object]) -> Answers:
            server = Answers(*answers)
            url = running.enter_context(SandboxServer(server)).url
            project.configure(base_url=url, pagination="cursor", page_size=10, max_concurrent_requests=1)
            return server

        yield answer


def test_a_chain_that_does_not_end_fails(project: Project, answering: Callable[..., Answers]) -> None:
    """Empty pages, each with a new cursor: after some of them nobody can say whether rows follow."""
    server = answering((stories(10), "another"), ([], "another"))
    problem = failure(project)
    assert "21 pages in a row had no rows, and each named another next page" in problem.message
    assert not problem.is_transient
    assert len(server.requests) == 22


def test_a_new_cursor_for_known_rows_fails(project: Project, answering: Callable[..., Answers]) -> None:
    """An API that ignores the cursor, and writes it differently each time."""
    answering((stories(10), "another"))
    problem = failure(project)
    assert "page 2 repeats rows that came before" in problem.message
    assert "It was the same, row for row" in problem.message
    assert not problem.is_transient


@pytest.mark.parametrize("end", [None, "", 0, False])
def test_no_cursor_is_the_end(project: Project, answering: Callable[..., Answers], end: object) -> None:
    """Whether it is null, empty, or the 0 of APIs that count; a number is a cursor like a text."""
    server = answering((stories(20)[:10], 7), (stories(20)[10:], end))
    assert [row["id"] for row in project.read()] == [row["id"] for row in stories(20)]
    assert server.requests[1].params["after"] == "7"


@pytest.mark.parametrize("cursor", [{"a": 1}, ["x"], True])
def test_a_cursor_that_is_none_is_the_wrong_shape(
    project: Project, answering: Callable[..., Answers], cursor: object
) -> None:
    """An object in its place is not written into an address."""
    answering((stories(10), cursor))
    problem = failure(project)
    assert problem.kind == "wrong shape"
    assert "'paging.cursors.after' is not a text or a number (setting cursor_selector)" in problem.message


@pytest.mark.parametrize("rows", [10, 20])
def test_a_full_page_without_a_next_one_is_doubted(project: Project, rows: int) -> None:
    """Where the selector is wrong, each window would be its first page; fewer rows asked for show whether it is."""
    sandbox = serve(project, stories(rows))
    if rows == 10:
        assert project.load().rows_loaded == 10
        assert [request.params["limit"] for request in sandbox.requests] == ["10", "9"]
    project.configure(cursor_selector="paging.next_cursor")
    problem = failure(project) if rows == 20 else None
    assert problem is None or "its cursor is not at paging.next_cursor (cursor_selector)" in problem.message
    assert problem is None or not problem.is_transient


@pytest.mark.parametrize(("value", "said"), [(1000, "its pages end after 72 rows"), (30, "rows had come by then")])
@pytest.mark.parametrize("in_flight", [1, 4])
def test_a_total_that_is_not_the_windows_fails(project: Project, value: int, said: str, in_flight: int) -> None:
    """That of all history, or a capped one, and the setting is named."""
    serve(project, days(), Fault("total", value=value), total_path="total", in_flight=in_flight)
    problem = failure(project)
    assert (said in problem.message) == (in_flight == 1)
    assert "total_selector" in problem.message


def test_rows_that_move_are_read_again(project: Project) -> None:
    """A row that is pushed onto the next page comes twice."""
    sandbox = serve(project, days())
    rows = sandbox.rows["stories"]
    sandbox.on_request = once_behind_the_first_page(lambda: rows.insert(0, {**rows[0], "id": "new"}))
    report = project.load(WEEK)
    assert (report.rows_loaded, report.rereads) == (73, 1)


def once_behind_the_first_page(change: Callable[[], None]) -> Callable[[Any], None]:
    """Return what makes a change before the second page is answered, once."""
    done: list[bool] = []

    def before(asked: Any) -> None:  # noqa: ANN401
        if "after" in asked.params and not done:
            done.append(True)
            change()

    return before


class Misread(Shape):
    """A vendor that takes the parameters for another window than they mean."""

    def window(self, params: Mapping[str, str]) -> tuple[dt.datetime | None, dt.datetime | None]:
        """Return the window as this vendor has it."""
        start, end = super().window(params)
        assert start
        assert end
        return EDGES[params["how"]](start, end)


SECOND, DAY = dt.timedelta(seconds=1), dt.timedelta(days=1)
EDGES: dict[str, Callable[[dt.datetime, dt.datetime], tuple[dt.datetime, dt.datetime]]] = {
    "end inclusive": lambda start, end: (start, end + SECOND),
    "start exclusive": lambda start, end: (start + SECOND, end),
    "to whole days": lambda start, end: (day_of(start), day_of(end + DAY - SECOND)),
    "a day more": lambda start, end: (start - DAY, end + DAY),
    "no start": lambda start, end: (start - 99 * DAY, end),
    "no end": lambda start, end: (start, end + 99 * DAY),
    "neither": lambda start, end: (start - 99 * DAY, end + 99 * DAY),
}


def day_of(moment: dt.datetime) -> dt.datetime:
    """Return its midnight."""
    return moment.replace(hour=0, minute=0, second=0)


@pytest.mark.parametrize("total_path", ["total", None])
@pytest.mark.parametrize("how", EDGES)
def test_parts_that_a_vendor_takes_for_others(project: Project, how: str, total_path: str | None) -> None:
    """Rows at the edge of two parts, and windows that are rounded or ignored: no row twice, and none lost.

    The row at the window's own first instant is what an exclusive start leaves out, as it does without parts.
    """
    inside = days()
    around = [{"id": edge, "timestamp": f"2025-{edge}T12:00:00Z"} for edge in ("02-28", "03-07")]
    project.serve(
        rows={"stories": [around[0], *inside, around[1]]},
        shape=Misread(key=KEY, pagination="cursor", total_path=total_path),
    )
    project.configure(
        pagination="cursor",
        page_size=10,
        max_concurrent_requests=4,
        total_selector=total_path or "",
        extra_params={"how": how},
    )
    report = project.load(WEEK)
    left_out = {"1-00"} if how == "start exclusive" else set()
    assert project.ids() == sorted({row["id"] for row in inside} - left_out)
    assert report.rows_kept == report.rows_loaded == len(inside) - len(left_out)
    is_one_chain = how in {"start exclusive", "a day more", "no start", "no end", "neither"}
    assert report.rereads <= (1 if is_one_chain else 0)
