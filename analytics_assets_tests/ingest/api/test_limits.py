"""APIs that limit their pace, at the wire: slow ones, quick ones, and ones that refuse whatever the pace."""

import logging
import random
import re
import time
from collections import Counter
from email.utils import formatdate
from types import SimpleNamespace

import pytest
from dlt.extract.exceptions import ResourceExtractionError

from analytics_assets.ingest.api import retry_after
from analytics_assets.ingest.configured import load_settings
from analytics_assets.ingest.errors import explain
from analytics_assets.sandbox.app import Sandbox
from analytics_assets.sandbox.faults import Fault
from analytics_assets.sandbox.limit import Limit
from analytics_assets_tests.project import Project, stories

ROWS = 120


def _refusals(sandbox: Sandbox) -> Counter[str]:
    """Return how often each page was refused."""
    return Counter(request.params["offset"] for request in sandbox.requests if request.status == 429)


def _limited(project: Project, limit: Limit, retry_after: object, rows: int = ROWS, **settings: object) -> Sandbox:
    sandbox = project.serve(
        rows={"stories": stories(rows)}, faults=[Fault("rate_limit", allows=limit, retry_after=retry_after)]
    )
    project.configure(page_size=10, max_concurrent_requests=16, **settings)
    return sandbox


@pytest.mark.slow
@pytest.mark.parametrize(
    ("limit", "form"), [(Limit(1, seconds=1), "none"), (Limit(2, seconds=5), "too short")], ids=["1/s", "2 in 5 s"]
)
def test_a_slow_limit_is_got_along_with(project: Project, limit: Limit, form: str) -> None:
    """Eight pages, sixteen requests in flight, default settings: all rows come, and no page uses up its retries."""
    sandbox = _limited(project, limit, limit.rounded_down if form == "too short" else None, rows=80)
    assert load_settings().max_retries == 3
    assert len(project.read()) == 80
    assert max(_refusals(sandbox).values()) < 3


@pytest.mark.parametrize("retry_after", [None, 0, "too short"])
@pytest.mark.parametrize(("requests", "seconds"), [(1, 0.2), (2, 1.0)])
def test_a_limit_is_learned_from_whatever_comes(
    project: Project, requests: int, seconds: float, retry_after: object
) -> None:
    """The same, five times as fast: without ``Retry-After``, with 0, and with one that is rounded down to 0."""
    limit = Limit(requests, seconds=seconds)
    sandbox = _limited(
        project, limit, limit.rounded_down if retry_after == "too short" else retry_after, backoff_factor=0.4
    )
    assert len(project.read()) == ROWS
    assert max(_refusals(sandbox).values()) < 3


def test_an_api_that_allows_30_a_second_refuses_few(project: Project) -> None:
    """No storm: of some hundred pages, at most one in ten requests is refused, though no pace is set."""
    sandbox = _limited(project, Limit(30, seconds=1), 1)
    project.configure(page_size=1)
    assert len(project.read()) == ROWS
    assert 0 < sum(_refusals(sandbox).values()) <= 0.2 * len(sandbox.requests)


def test_refusals_at_random_take_no_page_with_them(project: Project) -> None:
    """One request in ten is refused whatever the pace: all rows come."""
    dice = random.Random(3)  # noqa: S311 - no secret
    sandbox = project.serve(
        rows={"stories": stories(ROWS)},
        faults=[Fault("rate_limit", allows=lambda: dice.random() > 0.1, retry_after=None)],
    )
    project.configure(page_size=2, max_concurrent_requests=16, backoff_factor=0.1)
    assert len(project.read()) == ROWS
    assert 0 < max(_refusals(sandbox).values()) < 3


def test_a_run_that_is_refused_says_what_to_set(project: Project, waits: list[float]) -> None:
    """The settings by name, with values from what was observed; three retries of the run, whichever pages make them."""
    limit = Limit(3, seconds=3600)
    sandbox = _limited(project, limit, None)
    with pytest.raises(ResourceExtractionError) as failed:
        project.read()
    problem = explain(failed.value)
    assert problem is not None
    assert problem.is_transient
    assert "answered 429 Too Many Requests and says: " in problem.message
    # What had been answered when the first refusal came: answers may overtake each other.
    assert re.search(r"It let [123] requests? pass in", problem.message)
    assert "set max_requests_per_second = " in problem.message
    assert "and max_concurrent_requests = " in problem.message
    assert sum(_refusals(sandbox).values()) <= 3 * 16
    assert waits


@pytest.mark.parametrize("status", [429, 503])
def test_a_wait_that_is_too_long_fails_at_once(project: Project, waits: list[float], status: int) -> None:
    """``Retry-After`` beyond ``max_retry_after`` is not waited for: the run says so and ends."""
    fault = Fault("status", status=status, headers={"Retry-After": "7200"})
    sandbox = project.serve(rows={"stories": stories(1)}, faults=[fault])
    with pytest.raises(ResourceExtractionError) as failed:
        project.read()
    problem = explain(failed.value)
    assert problem is not None
    assert problem.kind == "API failing"
    assert (
        "asks to wait (Retry-After: 7200), longer than max_retry_after = 3600 s. Run it again after that"
        in problem.message
    )
    assert len(sandbox.requests) == 1
    assert waits == []


def test_an_hour_is_waited_for(project: Project, waits: list[float], caplog: pytest.LogCaptureFixture) -> None:
    """Social APIs have limits by the hour: that is within bounds, and the log says it."""
    caplog.set_level(logging.INFO)
    project.serve(
        rows={"stories": stories(1)}, faults=[Fault("status", status=429, headers={"Retry-After": "3600"}, times=1)]
    )
    assert len(project.read()) == 1
    assert waits == [3600]
    assert "retry 1 of 3 in 3600.0 s, for 429 Too Many Requests (Retry-After: 3600)" in caplog.text


def test_a_date_is_compared_with_the_answers_own(
    project: Project, waits: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Our clock may be hours off; the API's two dates are of one clock."""
    now = time.time()
    then = formatdate(now + 40, usegmt=True)
    project.serve(
        rows={"stories": stories(1)}, faults=[Fault("status", status=429, headers={"Retry-After": then}, times=1)]
    )
    # ours goes five hours slow, the sandbox's goes on
    monkeypatch.setattr(retry_after, "time", SimpleNamespace(time=lambda: now - 5 * 3600))
    assert len(project.read()) == 1
    assert waits == [pytest.approx(40, abs=10)]
