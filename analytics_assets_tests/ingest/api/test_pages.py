"""Reading ahead: bounded, in order, and no request that the pages do not need."""

import time

import pytest

from analytics_assets.ingest.errors import explain
from analytics_assets.sandbox.app import Sandbox
from analytics_assets.sandbox.faults import Fault
from analytics_assets.sandbox.shape import Shape
from analytics_assets_tests.project import KEY, Project, stories


def test_requests_are_what_the_pages_need(project: Project) -> None:
    """23 pages are 23 requests, each offset once, however many are in flight."""
    sandbox = project.serve(rows={"stories": stories(230)})
    project.configure(page_size=10, max_concurrent_requests=8)
    assert [row["id"] for row in project.read()] == [f"s{i:03}" for i in range(230)]
    assert sorted(int(request.params["offset"]) for request in sandbox.requests) == list(range(0, 230, 10))


@pytest.mark.parametrize("in_flight", [1, 3, 8])
def test_never_more_in_flight_than_the_setting(project: Project, in_flight: int) -> None:
    """A slow API sees as many requests at once as the setting says, and no more."""
    sandbox = project.serve(rows={"stories": stories(300)}, faults=[Fault("latency", seconds=0.02)])
    project.configure(page_size=10, max_concurrent_requests=in_flight)
    assert len(project.read()) == 300
    assert sandbox.max_in_flight == in_flight


def test_a_failure_surfaces_at_its_page_and_stops_the_rest(project: Project) -> None:
    """The rows before it were read, the message names its offset, and most pages behind it are never asked for."""
    sandbox = project.serve(rows={"stories": stories(1000)}, faults=[Fault("status", status=404, offset=50)])
    project.configure(page_size=10, max_concurrent_requests=2)
    with pytest.raises(Exception, match="offset=50") as caught:
        project.read()
    problem = explain(caught.value)
    assert problem is not None
    assert problem.kind == "path not found"
    assert project.reports["stories"].rows_read == 50
    assert len(sandbox.requests) < 20


def test_a_failure_wakes_those_that_wait(project: Project) -> None:
    """A page that was told to come back in a minute is not waited for when another has failed for good."""
    project.serve(
        rows={"stories": stories(100)},
        faults=[
            Fault("status", status=503, offset=20, headers={"Retry-After": "60"}),
            Fault("status", status=404, offset=10),
        ],
    )
    project.configure(page_size=10, max_concurrent_requests=4)
    began = time.monotonic()
    with pytest.raises(Exception, match="offset=10"):
        project.read()
    assert time.monotonic() - began < 20


def test_a_failure_elsewhere_ends_the_rest(project: Project) -> None:
    """When a row fails the load, pages that were begun ahead of it are not fetched in its back."""
    rows = [{**row, "like_count": "many"} for row in stories(100)]
    sandbox = project.serve(rows={"stories": rows}, faults=[Fault("latency", seconds=0.02)])
    project.configure(page_size=2, max_concurrent_requests=2, rejected_rows="fail")
    with pytest.raises(Exception, match="like_count"):
        project.load()
    begun = len(sandbox.requests)
    assert begun < 40
    time.sleep(0.3)
    assert len(sandbox.requests) <= begun + 2


def test_without_a_total_it_guesses_and_discards_what_lies_behind_the_end(project: Project) -> None:
    """Full pages promise more: pages are asked for ahead, and those past the end are not part of the result."""
    sandbox = project.serve(rows={"stories": stories(95)}, faults=[Fault("total")])
    project.configure(page_size=10, max_concurrent_requests=4)
    assert [row["id"] for row in project.read()] == [f"s{i:03}" for i in range(95)]
    offsets = _offsets(sandbox)
    assert set(range(0, 91, 9)) <= set(offsets)
    # as many at most as may be in flight, the last row once more, and the request that confirms the end
    assert len(offsets) <= 11 + 4 + 2


@pytest.mark.parametrize(
    ("rows", "needed", "wasted"),
    [
        pytest.param(0, [0], 0, id="nothing"),
        pytest.param(5, [0, 4, 5], 0, id="a page that is not full"),
        pytest.param(10, [0, 9, 10], 1, id="a page that is full"),
        pytest.param(15, [0, 9, 14, 15], 1, id="two pages"),
        pytest.param(25, [0, 9, 18, 24, 25], 3, id="three pages"),
    ],
)
def test_without_a_total_a_short_window_takes_few_requests(
    project: Project, rows: int, needed: list[int], wasted: int
) -> None:
    """Each offset once, and beside those that are needed no more than twice as many as pages have come."""
    sandbox = project.serve(rows={"stories": stories(rows)}, shape=Shape(key=KEY, total_path=None))
    project.configure(page_size=10, max_concurrent_requests=16, total_selector="")
    assert len(project.read()) == rows
    offsets = _offsets(sandbox)
    assert sorted(offset for offset in offsets if offset in needed) == needed
    assert len(offsets) <= len(needed) + wasted


def test_without_a_total_a_server_that_caps_its_pages_is_read_ahead(project: Project) -> None:
    """It costs a request or two; read page by page, its pages would be one at a time."""
    sandbox = project.serve(
        rows={"stories": stories(200)}, shape=Shape(key=KEY, total_path=None), faults=[Fault("latency", seconds=0.02)]
    )
    sandbox.faults.append(Fault("cap", rows=5))
    project.configure(page_size=10, max_concurrent_requests=4, total_selector="")
    assert [row["id"] for row in project.read()] == [f"s{i:03}" for i in range(200)]
    assert sandbox.max_in_flight == 4
    assert len(sandbox.requests) <= 52 + 1 + 4


@pytest.mark.parametrize("total", ["total", ""])
def test_a_server_that_ignores_the_offset_is_noticed_soon(project: Project, total: str) -> None:
    """Both passes together take ten requests at most: few are made before the second page is seen, then one."""
    sandbox = project.serve(rows={"stories": stories(1000)}, faults=[Fault("ignore_offset")])
    project.configure(page_size=10, max_concurrent_requests=16, total_selector=total)
    with pytest.raises(Exception, match="does not honour offset") as caught:
        project.load()
    problem = explain(caught.value)
    assert problem is not None
    assert (problem.kind, problem.is_transient) == ("incomplete", False)
    assert len(sandbox.requests) <= 10
    assert project.reports["stories"].rereads == 1


def test_a_second_page_that_is_late_holds_back_all_but_a_few(project: Project) -> None:
    """Seven pages are under way before the second one is seen; then all that may be."""
    late = Fault("latency", seconds=0.3, offset=10)
    sandbox = project.serve(rows={"stories": stories(397)}, faults=[late, Fault("latency", seconds=0.02)])
    project.configure(page_size=10, max_concurrent_requests=16)
    assert len(project.read()) == 397
    began = [request.at for request in sandbox.requests]
    assert sum(at < began[0] + 0.3 for at in began) == 8
    assert len(began) == 40
    assert sandbox.max_in_flight > 8


def test_a_page_that_is_not_where_it_was_expected_is_asked_again(project: Project) -> None:
    """A server that changes its page size in the middle costs requests, never rows."""
    sandbox = project.serve(rows={"stories": stories(100)}, faults=[Fault("cap", rows=7, offset=30)])
    project.configure(page_size=10, max_concurrent_requests=4)
    assert [row["id"] for row in project.read()] == [f"s{i:03}" for i in range(100)]
    assert 37 in [int(request.params["offset"]) for request in sandbox.requests]


def _offsets(sandbox: Sandbox) -> list[int]:
    return [int(request.params["offset"]) for request in sandbox.requests]
