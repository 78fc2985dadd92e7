"""The connection check: one request for an endpoint, one worded verdict."""

import datetime as dt
import socket
from typing import Any

import pytest

from analytics_assets.ingest.configured import load_settings
from analytics_assets.ingest.connection import check_endpoint
from analytics_assets.sandbox.faults import Fault
from analytics_assets.sandbox.shape import Shape
from analytics_assets_tests.ingest.test_doubts import hourly, shifted, until_the_first_instant
from analytics_assets_tests.project import KEY, KEY_FORMS, Project, asked, endpoint_of, stories
from analytics_assets_tests.reliability.stage import Misread

STORIES = endpoint_of("stories")


def free_port() -> int:
    """Return a port that nothing listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def test_fine(project: Project, waits: list[float]) -> None:
    """An endpoint that answers as the settings say is fine, after a request for one row and one for the day of it."""
    sandbox = project.serve(rows={"stories": stories(1234)})
    verdict = check_endpoint(STORIES, load_settings())
    assert verdict.is_fine
    assert str(verdict) == "stories: fine: 1,234 rows in all"
    day = {"since": "2025-03-01T00:00:00Z", "until": "2025-03-02T00:00:00Z"}
    assert asked(sandbox) == [
        ("/v1/stories", {"offset": "0", "limit": "1"}),
        ("/v1/stories", {"offset": "0", "limit": "100", **day}),
    ]
    assert waits == []


def test_fine_without_a_total(project: Project) -> None:
    """An API without a total is fine too."""
    project.serve(rows={"stories": stories(3)}, shape=Shape(key=KEY, total_path=None))
    assert check_endpoint(STORIES, load_settings()).is_fine


def test_fields_are_not_new_to_a_check(project: Project) -> None:
    """The table may have them: that is for a load to say."""
    project.serve(rows={"stories": [{**row, "mood": "fine"} for row in stories(3)]})
    project.configure(new_columns="fail")
    assert check_endpoint(STORIES, load_settings()).is_fine


@pytest.mark.parametrize(
    ("shape", "configured", "said"),
    [
        ({"start_param": "from", "end_param": "to"}, {}, "52 rows behind its end"),
        ({"read_as": shifted(3)}, {}, "6 rows behind its end"),
        ({"read_as": lambda span: (None, dt.datetime(1970, 1, 1, tzinfo=dt.UTC)) if span[0] else span}, {}, "0 rows"),
        (
            {"window_format": "date", "read_as": until_the_first_instant},
            {"window_format": "date", "window_end": "inclusive"},
            "0 rows without it",
        ),
    ],
    ids=["the filter is ignored", "another time zone", "the format is not understood", "the end means midnight"],
)
def test_a_window_that_is_misread(
    project: Project, shape: dict[str, Any], configured: dict[str, str], said: str
) -> None:
    """Asked for the day of a row that came, the API has to return it and no row of another day; else it is said."""
    rows = hourly(days=4, first="2025-03-01")
    project.serve(rows={"stories": rows}, shape=Misread(key=KEY, **shape))
    project.configure(page_size=1000, **configured)
    verdict = check_endpoint(STORIES, load_settings())
    assert verdict.kind == "setting"
    assert said in verdict.message
    assert "check window_format" in verdict.message
    assert not [form for form in KEY_FORMS if form in str(verdict)]


def test_a_day_of_many_pages_is_not_misread(project: Project) -> None:
    """The row may stand on another page than the first; nothing shows that it would not come."""
    project.serve(rows={"stories": hourly(days=1, first="2025-03-01")})
    project.configure(page_size=10)
    assert check_endpoint(STORIES, load_settings()).is_fine


@pytest.mark.parametrize(
    ("options", "kind", "words"),
    [
        ({"shape": Shape(key="another key")}, "key refused", "403"),
        ({"faults": [Fault("status", status=401)]}, "key refused", "401"),
        ({"shape": Shape(key=KEY, paths={})}, "path not found", "404"),
        ({"faults": [Fault("no_data")]}, "wrong shape", "data_selector"),
        ({"faults": [Fault("error_in_200", message="quota used up")]}, "wrong shape", "quota used up"),
        ({"faults": [Fault("html")]}, "wrong shape", "no valid JSON"),
        ({"faults": [Fault("status", status=503)]}, "API failing", "503"),
        ({"faults": [Fault("status", status=400)]}, "request refused", "400"),
        ({"faults": [Fault("close")]}, "unreachable", "base_url"),
    ],
    ids=lambda value: str(value) if isinstance(value, str) else "",
)
def test_each_problem_has_its_verdict(
    project: Project, waits: list[float], options: dict[str, Any], kind: str, words: str
) -> None:
    """Key refused, path not found, wrong shape and the rest: told apart, after one request, without the key."""
    sandbox = project.serve(rows={"stories": stories(1)}, **options)
    verdict = check_endpoint(STORIES, load_settings())
    assert not verdict.is_fine
    assert verdict.kind == kind
    assert words in verdict.message
    assert not [form for form in KEY_FORMS if form in str(verdict)]
    assert len(sandbox.requests) == 1
    assert waits == []


def test_a_refusal_for_the_pace_is_asked_again(project: Project, waits: list[float]) -> None:
    """Other runs may be using up the API's pace, which says nothing of the settings: a 429 is retried, once."""
    once = Fault("status", status=429, times=1)
    sandbox = project.serve(rows={"stories": stories(3)}, faults=[once])
    assert check_endpoint(STORIES, load_settings()).is_fine
    # the row twice, and its day
    assert len(sandbox.requests) == 3
    sandbox.reset()
    sandbox.faults = [Fault("status", status=429)]
    verdict = check_endpoint(STORIES, load_settings())
    assert verdict.kind == "API failing"
    assert "answered 429 Too Many Requests and says: " in verdict.message
    assert "It let none pass: set max_requests_per_second = 1" in verdict.message
    assert len(sandbox.requests) == 2
    assert waits == []


def test_a_check_takes_no_hour(project: Project, waits: list[float]) -> None:
    """What asks for more than half a minute is told at once."""
    project.serve(faults=[Fault("status", status=429, headers={"Retry-After": "3000"})])
    verdict = check_endpoint(STORIES, load_settings())
    assert "asks to wait (Retry-After: 3000), longer than max_retry_after = 30 s" in verdict.message
    assert waits == []


@pytest.mark.parametrize("host", ["127.0.0.1", "no-such-host.invalid"])
def test_unreachable(project: Project, waits: list[float], host: str) -> None:
    """Nobody listens, or the name is unknown: unreachable, and what to check."""
    project.configure(base_url=f"https://{host}:{free_port()}")
    verdict = check_endpoint(STORIES, load_settings())
    assert verdict.kind == "unreachable"
    assert "Check base_url" in verdict.message
    assert waits == []


def test_a_missing_key_is_a_verdict_too(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a key nothing is asked, and the verdict says where to put one."""
    sandbox = project.serve()
    monkeypatch.delenv("API_KEY")
    verdict = check_endpoint(STORIES, load_settings())
    assert verdict.kind == "setting"
    assert "API_KEY" in verdict.message
    assert sandbox.requests == []
