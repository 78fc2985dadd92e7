"""Complete or failed: every way in which an API may leave rows out ends in an error that says so."""

import itertools
import re
from collections.abc import Callable
from typing import Any

import orjson
import pytest
from dlt.extract.exceptions import ResourceExtractionError
from dlt.pipeline.exceptions import PipelineStepFailed

from analytics_assets.ingest.errors import explain
from analytics_assets.sandbox.asked import Asked
from analytics_assets.sandbox.faults import Fault
from analytics_assets.sandbox.shape import Shape
from analytics_assets_tests.project import KEY, Project, asked, stories


def _lasting(project: Project) -> str:
    with pytest.raises(PipelineStepFailed) as caught:
        project.load()
    problem = explain(caught.value)
    assert problem is not None
    assert (problem.kind, problem.is_transient) == ("incomplete", False)
    return problem.message


@pytest.mark.parametrize("at_once", [1, 16], ids=["page by page", "pages ahead"])
def test_a_total_of_all_history_is_seen_in_the_second_pass(project: Project, at_once: int) -> None:
    """A page that is not full, a total of more, twice the same: the setting is named after four requests, not sixty."""
    sandbox = project.serve(rows={"stories": stories(90)}, faults=[Fault("total", value=5000)])
    project.configure(max_concurrent_requests=at_once)
    said = _lasting(project)
    assert said.startswith("incomplete: the API says total 5000, but its pages end after 90 rows: where its total")
    assert 'total_selector = "" reads without it (page 2, asked ' in said
    assert (
        "It was the same, row for row, when the window was read again, so the rows are not moving: the API does not"
        in said
    )
    assert [request.params["offset"] for request in sandbox.requests] == ["0", "90"] * 2
    assert project.reports["stories"].rereads == 1


def test_an_offset_that_is_not_honoured_is_seen_in_the_second_pass(project: Project) -> None:
    """The first page again in place of the second, twice: no rows move, and ``offset_param`` is named."""
    project.serve(rows={"stories": stories(250)}, faults=[Fault("ignore_offset")])
    said = _lasting(project)
    assert "so the rows are not moving: the API does not honour offset (offset_param)" in said


def test_rows_that_move_alike_in_each_pass_move_all_the_same(project: Project) -> None:
    """A row that comes in at the head in each pass shows at the same page; its ids tell that rows move."""
    sandbox = project.serve(rows={"stories": stories(250)})

    def insert(request: Asked) -> None:
        if request.params["offset"] == "100":
            sandbox.rows["stories"].insert(0, {**stories(1)[0], "id": f"new{len(sandbox.requests)}"})
            sandbox.rows["stories"].pop()

    sandbox.on_request = insert
    with pytest.raises(PipelineStepFailed) as caught:
        project.load()
    problem = explain(caught.value)
    assert problem is not None
    assert problem.is_transient
    assert "Rows moved while they were read, or the API" in problem.message
    assert project.reports["stories"].rereads == 3


def test_a_total_that_changes_in_each_pass_is_no_habit(project: Project) -> None:
    """Servers behind one address that are not of one mind for a minute will be again."""
    project.serve(rows={"stories": stories(250)}, faults=[Fault("total", value=251, offset=100)])
    with pytest.raises(PipelineStepFailed) as caught:
        project.load()
    problem = explain(caught.value)
    assert problem is not None
    assert problem.is_transient


def _problem_of(read: Callable[[], object]) -> str:
    with pytest.raises((PipelineStepFailed, ResourceExtractionError)) as caught:
        read()
    problem = explain(caught.value)
    assert problem is not None
    return f"{problem.kind} | {problem.message}"


@pytest.mark.parametrize("total_path", ["total", None])
def test_a_server_that_caps_the_page_loses_nothing(project: Project, total_path: str | None) -> None:
    """Pages go on from what came, not from what was asked: a cap of 40 below a limit of 100 brings all the same."""
    project.serve(rows={"stories": stories(95)}, shape=Shape(key=KEY, max_page_size=40, total_path=total_path))
    project.load()
    assert project.ids() == [row["id"] for row in stories(95)]


@pytest.mark.parametrize(
    ("fault", "what"),
    [
        (Fault("ignore_offset"), "incomplete | .*repeats rows"),
        (Fault("total", value=7), "incomplete | .*total 7"),
        (Fault("total", value=3), "incomplete | .*total 3"),
        (Fault("total", value=6, offset=2), "incomplete | .*the total was 5 and became 6"),
        (Fault("duplicate"), "incomplete | .*ids"),
        (Fault("error_in_200", message="try later"), "wrong shape | .*try later"),
        (Fault("error_in_200", offset=2), "wrong shape | .*error"),
        (Fault("no_data"), "wrong shape | .*data_selector"),
        (Fault("null_data", offset=2), "wrong shape | .*None.*data_selector"),
        (Fault("data_not_list", value={"a": 1}), "wrong shape | .*data_selector"),
        (Fault("total", value="many"), "wrong shape | .*'total'"),
        (Fault("total", value=-1), "wrong shape | .*'total'"),
        (Fault("html"), "wrong shape | .*no valid JSON"),
        (Fault("body", content=b""), "wrong shape | .*no valid JSON"),
        (Fault("body", content=b"[1, 2]"), "wrong shape | .*data"),
        (Fault("body", content=b"\xff\xfe"), "wrong shape | .*no valid JSON"),
    ],
    ids=lambda value: f"{value.kind}-{value.offset}-{value.options}" if isinstance(value, Fault) else "",
)
def test_an_answer_that_is_not_the_whole_fails(project: Project, fault: Fault, what: str) -> None:
    """Repeated pages, a total that is not kept, an error in a 200, no rows where they should be: never green."""
    project.serve(rows={"stories": stories(5)}, faults=[fault])
    project.configure(page_size=2)
    problem = _problem_of(project.read)
    kind, _, words = what.partition(" | ")
    assert problem.startswith(kind)
    assert re.search(words, problem), problem


def test_as_many_rows_as_the_total_with_one_of_them_twice_are_not_the_whole(project: Project) -> None:
    """A row that comes twice stands where another one is missing."""
    project.serve(rows={"stories": [*stories(4), *stories(1)]})
    assert re.match(r"incomplete .*total 5, but 5 rows with 4 ids", _problem_of(project.read))


def test_what_is_not_whole_is_not_loaded(project: Project) -> None:
    """A window that fails at its last page leaves nothing of its first ones."""
    project.serve(rows={"stories": stories(5)}, faults=[Fault("no_data", offset=4)])
    project.configure(page_size=2)
    assert _problem_of(project.load).startswith("wrong shape")
    assert project.table() == []


def test_total_may_be_text(project: Project) -> None:
    """A total of "5" is 5."""
    project.serve(rows={"stories": stories(5)}, faults=[Fault("total", value="5")])
    project.load()
    assert len(project.ids()) == 5


@pytest.mark.parametrize("total_path", ["total", None])
def test_rows_that_move_while_they_are_read_are_read_again(project: Project, total_path: str | None) -> None:
    """A row that goes away between two pages would hide another; the window is read again, and loaded whole."""
    rows = {"stories": stories(7)}

    def drop_the_first(request: Asked) -> None:
        if request.params["offset"] != "0" and len(rows["stories"]) == 7:
            del rows["stories"][0]

    sandbox = project.serve(rows=rows, shape=Shape(key=KEY, total_path=total_path), on_request=drop_the_first)
    project.configure(page_size=3)
    project.load()
    assert project.ids() == [row["id"] for row in stories(7)[1:]]
    assert [params["offset"] for _, params in asked(sandbox)].count("0") == 2


def test_rows_that_never_rest_end_in_an_error(project: Project) -> None:
    """A window that moves on every pass is given up, and the error says that it is incomplete."""
    rows = {"stories": stories(7)}

    def add_one(request: Asked) -> None:
        if request.params["offset"] != "0":
            rows["stories"].insert(0, {"id": f"new{len(rows['stories'])}", "timestamp": "2025-03-01T00:00:00Z"})

    sandbox = project.serve(rows=rows, on_request=add_one)
    project.configure(page_size=3)
    assert _problem_of(project.load).startswith("incomplete | incomplete: the total was")
    assert [params["offset"] for _, params in asked(sandbox)].count("0") == 4


def test_without_a_total_a_full_refresh_holds_each_row_once(project: Project) -> None:
    """The row that two pages share is read twice and loaded once, also where nothing merges."""
    project.serve(rows={"stories": stories(10)}, shape=Shape(key=KEY, total_path=None))
    project.configure(page_size=4)
    report = project.load(None)
    assert project.ids() == [row["id"] for row in stories(10)]
    assert (report.rows_read, report.rows_kept) == (10, 10)


def test_without_a_total_a_window_counts_each_row_once(project: Project) -> None:
    """The row that two pages share counts once in the figures."""
    project.serve(rows={"stories": stories(10)}, shape=Shape(key=KEY, total_path=None))
    project.configure(page_size=4)
    report = project.load()
    assert project.ids() == [row["id"] for row in stories(10)]
    assert (report.rows_read, report.rows_kept) == (10, 10)


def test_a_row_without_an_id_does_not_hide_the_others(project: Project) -> None:
    """A null id, or one that is no text, counts as a row of its own; the others arrive."""
    rows: list[Any] = [
        *stories(3),
        {"id": None, "timestamp": "2025-03-01T01:00:00Z"},
        {"timestamp": "2025-03-01T01:00:00Z"},
    ]
    project.serve(rows={"stories": rows})
    report = project.load()
    assert project.ids() == ["s000", "s001", "s002"]
    assert (report.rows_read, report.rows_rejected) == (5, 2)


BEHIND = {
    "an empty list": [],
    "400": [Fault("status", status=400, offset=100)],
    "404": [Fault("status", status=404, offset=100)],
    "416": [Fault("status", status=416, offset=100)],
    "204": [Fault("body", status=204, offset=100)],
    "null": [Fault("null_data", offset=100)],
    "an object": [Fault("data_not_list", value={"note": "no more"}, offset=100)],
    "text": [Fault("data_not_list", value="no more", offset=100)],
    "no list and no total": [Fault("body", content=b"{}", offset=100)],
    "an error in a 200": [Fault("error_in_200", offset=100)],
    "a page of HTML": [Fault("html", offset=100)],
    "the last page again": [Fault("mutate_rows", offset=100, change=lambda _: stories(100)[90:])],
    "total 0": [Fault("total", value=0, offset=100)],
}


@pytest.mark.parametrize("total_path", ["total", None])
@pytest.mark.parametrize("faults", BEHIND.values(), ids=BEHIND)
def test_behind_the_end_any_answer_but_rows_is_the_end(
    project: Project, faults: list[Fault], total_path: str | None
) -> None:
    """A window that ends with a full page is asked behind, and servers say in many ways that nothing is there."""
    project.serve(rows={"stories": stories(100)}, faults=faults, shape=Shape(key=KEY, total_path=total_path))
    project.configure(page_size=10)
    report = project.load()
    assert (report.rows_loaded, report.rows_rejected, report.rereads) == (100, 0, 0)
    assert report.total == (100 if total_path else None)
    assert project.ids() == [row["id"] for row in stories(100)]


@pytest.mark.parametrize("status", [401, 403, 500])
def test_behind_the_end_a_failure_is_one(project: Project, waits: list[float], status: int) -> None:
    """A refused key or a failing server has not said that nothing is there."""
    faults = [Fault("status", status=status, offset=100)]
    project.serve(rows={"stories": stories(100)}, faults=faults)
    project.configure(page_size=10)
    assert _problem_of(project.load).startswith("API failing" if status == 500 else "key refused")
    assert project.table() == []
    assert len(waits) == (3 if status == 500 else 0)


def test_in_the_middle_the_same_answers_fail(project: Project) -> None:
    """What is the end behind the last row is no page where rows are missing."""
    for faults in filter(None, BEHIND.values()):
        project.serve(rows={"stories": stories(120)}, faults=faults)
        project.configure(page_size=10)
        with pytest.raises((PipelineStepFailed, ResourceExtractionError)):
            project.load()
    assert project.table() == []


@pytest.mark.parametrize("cap", [100, 200])
def test_a_capped_total_is_noticed(project: Project, cap: int) -> None:
    """An API that states no more than 200 rows has 250: not 200 of them in a green run."""
    project.serve(rows={"stories": stories(250)}, faults=[Fault("total", value=cap)])
    project.configure(page_size=50)
    problem = _problem_of(project.load)
    assert re.match(rf"incomplete . .*total {cap}, but {cap + 50} rows had come by then.*total_selector", problem)
    project.configure(total_selector="")
    assert project.load().rows_loaded == 250


def test_without_a_total_an_id_that_comes_twice_is_a_row_that_moved(project: Project) -> None:
    """Order that is not stable among equal cursors shows one row twice, and another not at all."""
    rows = stories(30)
    sandbox = project.serve(rows={"stories": rows}, shape=Shape(key=KEY, total_path=None))
    project.configure(page_size=10)

    def swap(_: Asked) -> None:
        # what had come as row 3 comes as row 15, which was not asked for yet; row 15 never comes
        rows[3], rows[15] = rows[15], rows[3]

    sandbox.on_request = lambda request: swap(request) if request.params["offset"] == "9" else None
    problem = _problem_of(project.load)
    assert re.match("incomplete . .*rows came, and only .* different ones; there is no total", problem)


def test_without_a_total_pages_meet_at_an_id(project: Project) -> None:
    """The row that two pages share may have a signed address or a live counter in it."""
    sandbox = project.serve(rows={"stories": stories(30)}, shape=Shape(key=KEY, total_path=None))
    counted = itertools.count()
    sandbox.faults.append(Fault("mutate_rows", change=lambda page: [{**r, "like_count": next(counted)} for r in page]))
    project.configure(page_size=10)
    assert project.load().rows_loaded == 30


def test_a_byte_order_mark_is_no_part_of_the_json(project: Project) -> None:
    """Servers on Windows begin their UTF-8 with one."""
    body = b"\xef\xbb\xbf" + orjson.dumps({"data": stories(2), "total": 2})
    project.serve(rows={"stories": stories(2)}, faults=[Fault("body", content=body)])
    assert [row["id"] for row in project.read()] == ["s000", "s001"]


def test_a_selector_that_finds_several_lists_is_refused(project: Project) -> None:
    """Rows in groups would be set aside, list by list, in a green run."""
    body = orjson.dumps({"groups": [{"rows": stories(2)}, {"rows": stories(1)}], "total": 3})
    project.serve(rows={"stories": stories(3)}, faults=[Fault("body", content=body)])
    project.configure(data_selector="groups[*].rows")
    problem = _problem_of(project.load)
    assert re.match(r"wrong shape . .*it has 2 values at 'groups\[\*\]\.rows', where a list of rows should be", problem)
    assert project.table() == []
