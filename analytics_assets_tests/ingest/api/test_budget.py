"""One rate budget for all workers and all runs of a machine; on a clock of our own, and across processes."""

import logging
import multiprocessing
import os
import signal
import threading
import time
from types import SimpleNamespace
from typing import Any

import pytest
import requests

from analytics_assets.ingest.api import budget as module
from analytics_assets.ingest.api import line, line_places
from analytics_assets.ingest.api.budget import RateBudget
from analytics_assets.ingest.errors import ApiError
from analytics_assets.ingest.settings import Settings

LOG = logging.getLogger("analytics.test.budget")


class Clock:
    """A clock that moves only when somebody sleeps."""

    def __init__(self) -> None:
        self.now = 1_000_000.0
        self.slept: list[float] = []

    def sleep(self, seconds: float) -> None:
        """Let the time pass."""
        self.slept.append(round(seconds, 6))
        self.now += seconds

    def budget(self, api: str = "https://api", **settings: Any) -> RateBudget:  # noqa: ANN401 - Settings types them
        """Return a budget of another run of this machine, on this clock."""
        return RateBudget(Settings(base_url=api, **settings), self.sleep, LOG)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Put a clock of our own under the budget."""
    clock = Clock()
    for one in (module, line_places):
        monkeypatch.setattr(one, "time", SimpleNamespace(monotonic=lambda: clock.now))
    return clock


def refuse(budget: RateBudget, asked: float = 0) -> float:
    """Make a request that is refused; the seconds to wait."""
    return budget.refused(budget.wait(), asked)


def test_a_pace_spaces_requests_out(clock: Clock) -> None:
    """Ten requests a second start a tenth of a second apart."""
    budget = clock.budget(max_requests_per_second=10)
    for _ in range(4):
        budget.wait()
    assert clock.slept == [0.1, 0.1, 0.1]


def test_without_a_pace_nobody_waits(clock: Clock) -> None:
    """No pace is set and none was refused: requests start at once."""
    budget = clock.budget()
    for _ in range(100):
        budget.passed(budget.wait())
    assert clock.slept == []


def test_a_refusal_holds_back_everybody(clock: Clock) -> None:
    """What one worker was told, another run of the same API waits for; another API does not."""
    assert refuse(clock.budget(), 7) == 7
    clock.budget("https://other").wait()
    clock.budget().wait()
    assert clock.slept == [7]


def test_pauses_double_while_the_api_refuses(clock: Clock) -> None:
    """Without ``Retry-After``: 2, 4, 8 seconds; it begins anew when a request has passed."""
    budget = clock.budget()
    assert [refuse(budget) for _ in range(3)] == [2, 4, 8]
    budget.passed(budget.wait())
    assert refuse(budget) == 2


def test_a_retry_after_that_was_too_short_is_not_trusted_twice(clock: Clock) -> None:
    """It may be rounded down: the second time, no less than the usual pause is made."""
    budget = clock.budget()
    assert [refuse(budget, 1) for _ in range(3)] == [1, 4, 8]
    assert refuse(budget, 60) == 60


def test_refusals_of_requests_under_way_are_one(clock: Clock) -> None:
    """Sixteen requests that were under way and come back refused lower the pace once, and pause once."""
    budget = clock.budget()
    started = [budget.wait() for _ in range(18)]
    clock.now += 0.1
    for moment in started[:2]:
        budget.passed(moment)
    assert [budget.refused(moment, 0) for moment in started[2:]] == [2] * 16
    assert budget.refused_in_a_row == 1
    budget.passed(budget.wait())
    # two passed in 2.1 s, so the next one goes about a second later
    clock.slept.clear()
    budget.wait()
    assert sum(clock.slept) == pytest.approx(2.1 / 2, abs=0.05)


def test_a_late_refusal_does_not_close_the_gate_again(clock: Clock) -> None:
    """One that was under way before the gate was closed, and comes after it was opened, tells nothing new."""
    budget = clock.budget()
    late = budget.wait()
    refuse(budget)
    budget.passed(budget.wait())
    budget.refused(late, 0)
    clock.slept.clear()
    clock.now += 10
    budget.wait()
    assert clock.slept == []


def test_one_request_goes_and_the_others_wait_for_its_answer(clock: Clock) -> None:
    """After the pause one tries; as soon as it has passed, the others follow, one pace apart."""
    first = clock.budget()
    refuse(first)
    probe = first.wait()
    assert clock.slept == [2]

    def sleep(seconds: float) -> None:
        clock.sleep(seconds)
        if len(clock.slept) == 6:
            first.passed(probe)

    waiting = RateBudget(Settings(base_url="https://api"), sleep, LOG)
    began = clock.now
    waiting.wait()
    assert clock.slept[1:6] == [0.05] * 5
    assert clock.now - began >= 0.25


def test_a_refused_try_makes_the_others_wait_on(clock: Clock) -> None:
    """The next try is made four seconds after the second refusal, by whoever comes first."""
    first, second = clock.budget(), clock.budget()
    refuse(first)
    refuse(first)
    second.wait()
    assert clock.slept == [2, 4]


def test_a_try_without_an_answer_lets_the_next_one_go(clock: Clock) -> None:
    """A connection that broke says nothing of the pace: another request may try at once."""
    first, second = clock.budget(), clock.budget()
    refuse(first)
    first.unanswered(first.wait())
    second.wait()
    assert clock.slept == [2]


def _probe_and_hang(base_url: str, started: Any) -> None:  # noqa: ANN401 - a context's event
    budget = RateBudget(Settings(base_url=base_url), time.sleep, LOG)
    budget.wait()
    started.set()
    time.sleep(60)


def test_a_killed_process_holds_nobody_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """The one that tries is killed with -9: the next one goes after a while, without an answer."""
    monkeypatch.setattr(line, "_PROBE_SECONDS", 1.0)
    budget = RateBudget(Settings(base_url="https://api", backoff_factor=0.1), time.sleep, LOG)
    refuse(budget)
    context = multiprocessing.get_context("fork")
    started = context.Event()
    process = context.Process(target=_probe_and_hang, args=("https://api", started))
    process.start()
    assert started.wait(20)
    assert process.pid
    os.kill(process.pid, signal.SIGKILL)
    process.join(20)
    done = threading.Event()
    threading.Thread(target=lambda: (budget.wait(), done.set()), daemon=True).start()
    assert done.wait(20)


def test_places_in_the_line_are_taken_late(clock: Clock) -> None:
    """A run that waits in a slow line and is killed has not taken places that the others then wait for."""
    budget = clock.budget(max_requests_per_second=0.1)
    budget.wait()

    def sleep(_: float) -> bool:
        # as when the run has failed meanwhile
        return True

    for _ in range(5):
        with pytest.raises(requests.RequestException):
            RateBudget(Settings(base_url="https://api", max_requests_per_second=0.1), sleep, LOG).wait()
    began = clock.now
    budget.wait()
    assert clock.now - began == pytest.approx(10)


def test_a_failed_run_makes_no_more_requests() -> None:
    """Whoever stands in line when another page has failed for good is not let through."""
    stop = threading.Event()
    budget = RateBudget(Settings(base_url="https://api"), stop.wait, LOG)
    refuse(budget, 30)
    stop.set()
    with pytest.raises(requests.RequestException, match="another page has failed"):
        budget.wait()


def test_a_clock_that_is_set_right_makes_nobody_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    """A refusal while the clock was five hours ahead is over after its two seconds, whatever the clock says then."""
    slept: list[float] = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        time.sleep(min(seconds, 0.3))

    budget = RateBudget(Settings(base_url="https://api", backoff_factor=0.2), sleep, LOG)
    with monkeypatch.context() as ahead:
        now = time.time
        ahead.setattr(time, "time", lambda: now() + 5 * 3600)
        refuse(budget)
    budget.wait()
    assert sum(slept) <= 1


def test_a_state_from_before_the_machine_started_is_none(clock: Clock) -> None:
    """The monotonic clock begins anew with the machine: what lies in its future is of another time."""
    refuse(clock.budget(), 600)
    clock.now = 30.0
    clock.budget().wait()
    assert clock.slept == []
    assert refuse(clock.budget(), 5) == 5
    clock.budget().wait()
    assert clock.slept == [5]


def test_no_wait_is_longer_than_is_allowed(clock: Clock) -> None:
    """A run that may wait a minute does not wait the half hour that another run was asked to: it fails at once."""
    refuse(clock.budget(), 1800)
    with pytest.raises(
        ApiError, match=r"1,800 s from now on, which is more than max_retry_after = 60\. Run it again after that"
    ):
        clock.budget(max_retry_after=60).wait()
    assert clock.slept == []


def test_a_wish_beyond_bounds_is_not_written_down(clock: Clock) -> None:
    """An API that asks for a year holds back its own run, which fails, and not those of the year to come."""
    assert refuse(clock.budget(), 365 * 86_400) == 2
    clock.budget().wait()
    assert clock.slept == [2]


def test_a_long_wait_is_said(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    """Once a minute, with its reason; waits of a few seconds are not."""
    caplog.set_level(logging.INFO)
    refuse(clock.budget("https://quick"), 4)
    clock.budget("https://quick").wait()
    assert caplog.messages == []
    refuse(clock.budget(), 150)
    clock.budget().wait()
    assert caplog.messages[0] == "https://api: the next request is made in 150 s, because it refuses requests (429)"
    assert len(caplog.messages) == 2


@pytest.mark.parametrize(
    ("passed", "seconds", "words"),
    [
        (0, 10, "It let none pass: set max_requests_per_second = 1 and max_concurrent_requests = 1, or less"),
        (2, 5, "It let 2 requests pass in 5 s: set max_requests_per_second = 0.4 and max_concurrent_requests = 1,"),
        (
            900,
            100,
            "It let 900 requests pass in 100 s: set max_requests_per_second = 9 and max_concurrent_requests = 8",
        ),
    ],
)
def test_advice_is_concrete(clock: Clock, passed: int, seconds: float, words: str) -> None:
    """The settings that would have kept to what was observed, with values."""
    budget = clock.budget()
    for _ in range(passed):
        budget.passed(budget.wait())
    clock.now += seconds
    assert words in budget.advice()


def _ask(count: int, started: "multiprocessing.Queue[float]") -> None:
    budget = RateBudget(Settings(base_url="https://api", max_requests_per_second=100), time.sleep, LOG)
    for _ in range(count):
        budget.wait()
        started.put(time.time())


def test_processes_and_threads_share_a_line() -> None:
    """Two processes with a budget of 100 a second make no more than that between them."""
    context = multiprocessing.get_context("fork")
    started: multiprocessing.Queue[float] = context.Queue()
    processes = [context.Process(target=_ask, args=(20, started)) for _ in range(2)]
    for process in processes:
        process.start()
    moments = sorted(started.get(timeout=100) for _ in range(40))
    for process in processes:
        process.join(timeout=100)
    assert moments[-1] - moments[0] >= 39 * 0.01 - 0.005
