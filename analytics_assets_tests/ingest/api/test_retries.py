"""Retries as the API's rules say: which failures, how often, after how long, and said aloud."""

import datetime as dt
from email.utils import format_datetime

import pytest
from dlt.extract.exceptions import ResourceExtractionError

from analytics_assets.sandbox.faults import Fault
from analytics_assets_tests.project import Project, asked, stories

RETRIED = [429, 500, 502, 503, 504]


BROKEN = [
    Fault("close"),
    Fault("close", reset=True),
    Fault("truncate"),
    Fault("truncate", keep=0.0),
]


def _retries(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if ": retry " in record.getMessage()]


@pytest.mark.parametrize("status", RETRIED)
def test_a_transient_status_is_retried_three_times(
    project: Project, waits: list[float], caplog: pytest.LogCaptureFixture, status: int
) -> None:
    """429, 500, 502, 503, 504: four requests in all, after 2, 4 and 8 seconds; each retry is logged."""
    sandbox = project.serve(rows={"stories": stories(2)}, faults=[Fault("status", status=status)])
    with pytest.raises(ResourceExtractionError, match=f" {status} "):
        project.read()
    assert len(sandbox.requests) == 4
    assert waits == [2, 4, 8]
    assert (project.reports["stories"].requests, project.reports["stories"].retries) == (4, 3)
    told = _retries(caplog)
    assert len(told) == 3
    for number, (line, wait) in enumerate(zip(told, (2, 4, 8), strict=True), start=1):
        assert f"/v1/stories: retry {number} of 3 in {wait}.0 s, for {status} " in line


def test_a_retry_for_want_of_an_answer_is_a_short_line(
    project: Project, waits: list[float], caplog: pytest.LogCaptureFixture
) -> None:
    """The path and the reason, without the address, which the run's failure has."""
    project.configure(base_url="http://127.0.0.1:9")
    with pytest.raises(ResourceExtractionError):
        project.read()
    assert len(waits) == 3
    reason = "no answer: Failed to establish a new connection: [Errno 111] Connection refused"
    assert _retries(caplog)[0].endswith(f"/v1/stories: retry 1 of 3 in 2.0 s, for {reason}")


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 422, 501, 505])
def test_any_other_status_is_asked_once(project: Project, waits: list[float], status: int) -> None:
    """What a retry cannot mend is not retried."""
    sandbox = project.serve(rows={"stories": stories(2)}, faults=[Fault("status", status=status)])
    with pytest.raises(ResourceExtractionError, match=f" {status} "):
        project.read()
    assert len(sandbox.requests) == 1
    assert waits == []


@pytest.mark.parametrize("failures", [1, 2, 3])
@pytest.mark.parametrize("offset", [0, 2, 4])
def test_a_load_recovers(project: Project, waits: list[float], failures: int, offset: int) -> None:
    """One, two or three failures of any page cost their waits and no row."""
    fault = Fault("status", status=503, offset=offset, times=failures)
    sandbox = project.serve(rows={"stories": stories(5)}, faults=[fault])
    project.configure(page_size=2)
    rows = project.read()
    assert [row["id"] for row in rows] == ["s000", "s001", "s002", "s003", "s004"]
    assert waits == [2, 4, 8][:failures]
    expected = sorted([0, 2, 4] + [offset] * failures)
    assert [int(params["offset"]) for _, params in asked(sandbox)] == expected
    assert project.reports["stories"].retries == failures


def test_the_count_of_retries_begins_anew_with_each_request(project: Project, waits: list[float]) -> None:
    """Three failures of one page and three of the next are both got over."""
    faults = [Fault("status", status=500, offset=offset, times=3) for offset in (0, 2)]
    project.serve(rows={"stories": stories(4)}, faults=faults)
    project.configure(page_size=2)
    assert len(project.read()) == 4
    assert waits == [2, 4, 8, 2, 4, 8]


def test_retries_and_backoff_are_settings(project: Project, waits: list[float]) -> None:
    """`max_retries` and `backoff_factor` say how often and how long."""
    sandbox = project.serve(faults=[Fault("status", status=500)])
    project.configure(max_retries=2, backoff_factor=0.5)
    with pytest.raises(ResourceExtractionError):
        project.read()
    assert len(sandbox.requests) == 3
    assert waits == [0.5, 1]


def test_no_retries_when_none_are_wanted(project: Project, waits: list[float]) -> None:
    """`max_retries = 0` asks once."""
    sandbox = project.serve(faults=[Fault("status", status=500)])
    project.configure(max_retries=0)
    with pytest.raises(ResourceExtractionError):
        project.read()
    assert len(sandbox.requests) == 1
    assert waits == []


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize(
    ("after", "wait"), [("7", 7), (" 30 ", 30), ("0", 2), ("soon", 2), ("-5", 2), ("1.5", 2), ("", 2)]
)
def test_retry_after_in_seconds_is_obeyed(
    project: Project, waits: list[float], status: int, after: str, wait: float
) -> None:
    """`Retry-After` replaces the wait when it is a number of seconds above 0; anything else counts as not given."""
    fault = Fault("status", status=status, headers={"Retry-After": after}, times=1)
    project.serve(rows={"stories": stories(1)}, faults=[fault])
    assert len(project.read()) == 1
    assert waits == [wait]


def test_retry_after_as_a_date_is_obeyed(
    project: Project, waits: list[float], caplog: pytest.LogCaptureFixture
) -> None:
    """`Retry-After` may be an HTTP date: wait until then; the log quotes it."""
    then = format_datetime(dt.datetime.now(dt.UTC) + dt.timedelta(seconds=40), usegmt=True)
    project.serve(
        rows={"stories": stories(1)}, faults=[Fault("status", status=429, headers={"Retry-After": then}, times=1)]
    )
    project.read()
    (wait,) = waits
    assert 30 < wait <= 40
    (line,) = _retries(caplog)
    assert f"for 429 Too Many Requests (Retry-After: {then})" in line


def test_a_retry_after_gone_by_is_not_obeyed(project: Project, waits: list[float]) -> None:
    """A date in the past would burn the attempts at once, so the usual wait holds."""
    past = format_datetime(dt.datetime.now(dt.UTC) - dt.timedelta(hours=1), usegmt=True)
    project.serve(
        rows={"stories": stories(1)}, faults=[Fault("status", status=429, headers={"Retry-After": past}, times=2)]
    )
    project.read()
    assert waits == [2, 4]


@pytest.mark.parametrize("fault", BROKEN, ids=lambda fault: f"{fault.kind}-{fault.options}")
def test_a_broken_connection_is_retried(
    project: Project, waits: list[float], caplog: pytest.LogCaptureFixture, fault: Fault
) -> None:
    """A connection that closes, resets or ends in the middle of a body is as transient as a 503."""
    once = Fault(fault.kind, offset=2, times=2, **fault.options)
    sandbox = project.serve(rows={"stories": stories(4)}, faults=[once])
    project.configure(page_size=2)
    assert [row["id"] for row in project.read()] == ["s000", "s001", "s002", "s003"]
    assert len(sandbox.requests) == 4
    assert waits == [2, 4]
    assert len(_retries(caplog)) == 2


@pytest.mark.parametrize("fault", BROKEN, ids=lambda fault: f"{fault.kind}-{fault.options}")
def test_a_connection_that_stays_broken_fails_after_the_retries(
    project: Project, waits: list[float], fault: Fault
) -> None:
    """Four attempts, then an error."""
    sandbox = project.serve(rows={"stories": stories(4)}, faults=[Fault(fault.kind, **fault.options)])
    with pytest.raises(ResourceExtractionError):
        project.read()
    assert len(sandbox.requests) == 4
    assert waits == [2, 4, 8]


def test_an_answer_that_does_not_come_is_given_up_and_retried(project: Project, waits: list[float]) -> None:
    """`read_timeout` bounds the wait for an answer, and running out of it is transient."""
    sandbox = project.serve(rows={"stories": stories(1)}, faults=[Fault("latency", seconds=5, times=1)])
    project.configure(read_timeout=0.2)
    assert len(project.read()) == 1
    assert len(sandbox.requests) == 2
    assert waits == [2]


_NO_JSON = [
    Fault("html"),
    Fault("body", content=b'{"total": 120, "data": [{"id": "s000"}, {"id": "s0'),
    Fault("body", content=b'{"total": 120, "data": [{"id": "s000"}'),
]


@pytest.mark.parametrize("fault", _NO_JSON, ids=["HTML", "cut within a text", "cut between rows"])
@pytest.mark.parametrize("in_flight", [1, 16])
def test_a_page_that_is_no_json_is_asked_for_once_more(
    project: Project, waits: list[float], caplog: pytest.LogCaptureFixture, fault: Fault, in_flight: int
) -> None:
    """One of sixty pages costs one request, and not all the others again."""
    once = Fault(fault.kind, offset=100, times=1, **fault.options)
    sandbox = project.serve(rows={"stories": stories(120)}, faults=[once])
    project.configure(page_size=2, max_concurrent_requests=in_flight)
    assert len(project.read()) == 120
    assert len(sandbox.requests) == 61
    assert project.reports["stories"].retries == 1
    assert waits == [2]
    assert "/v1/stories: asked once more in 2.0 s, for wrong shape: " in caplog.text


def test_a_page_that_stays_no_json_fails_after_two(project: Project, waits: list[float]) -> None:
    """A wrong address is mostly what a page of HTML says: it is told soon."""
    sandbox = project.serve(faults=[Fault("html")])
    with pytest.raises(ResourceExtractionError, match="no valid JSON"):
        project.read()
    assert len(sandbox.requests) == 2
    assert waits == [2]


def test_without_retries_no_page_is_asked_for_again(project: Project, waits: list[float]) -> None:
    """`max_retries = 0` asks once, whatever comes."""
    sandbox = project.serve(faults=[Fault("html")])
    project.configure(max_retries=0)
    with pytest.raises(ResourceExtractionError, match="no valid JSON"):
        project.read()
    assert len(sandbox.requests) == 1
    assert waits == []


def test_behind_the_end_html_is_an_answer(project: Project, waits: list[float]) -> None:
    """The page that is only asked for to see that it is none is not asked for twice."""
    sandbox = project.serve(rows={"stories": stories(100)}, faults=[Fault("html", offset=100)])
    assert len(project.read()) == 100
    assert len(sandbox.requests) == 2
    assert waits == []
