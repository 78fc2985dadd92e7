"""One rate budget for all workers and all runs of a machine."""

import multiprocessing
import threading
import time
from types import SimpleNamespace

import pytest

from analytics_assets.ingest.api import budget as module
from analytics_assets.ingest.api.budget import RateBudget
from analytics_assets.ingest.configured import load_settings
from analytics_assets.sandbox.faults import Fault
from analytics_assets_tests.project import Project, stories


class Clock:
    """A clock that moves only when somebody sleeps."""

    def __init__(self) -> None:
        self.now = 1_000_000.0
        self.slept: list[float] = []

    def sleep(self, seconds: float) -> None:
        """Let the time pass."""
        self.slept.append(round(seconds, 6))
        self.now += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Put a clock of our own under the budget."""
    clock = Clock()
    monkeypatch.setattr(module, "time", SimpleNamespace(time=lambda: clock.now))
    return clock


def test_a_pace_spaces_requests_out(clock: Clock) -> None:
    """Ten requests a second start a tenth of a second apart."""
    budget = RateBudget("https://api", 10, clock.sleep)
    for _ in range(4):
        budget.wait()
    assert clock.slept == [0.1, 0.1, 0.1]


def test_without_a_pace_nobody_waits(clock: Clock) -> None:
    """No pace is set and none was refused: requests start at once."""
    budget = RateBudget("https://api", 0, clock.sleep)
    for _ in range(100):
        budget.wait()
    assert clock.slept == []


def test_a_refusal_holds_back_everybody(clock: Clock) -> None:
    """What one worker was told, another run of the same API waits for; another API does not."""
    RateBudget("https://api", 0, clock.sleep).refused(7)
    RateBudget("https://other", 0, clock.sleep).wait()
    RateBudget("https://api", 0, clock.sleep).wait()
    assert clock.slept == [7]


def test_refusals_teach_a_pace(clock: Clock) -> None:
    """After a second with 30 answers and then refusals, requests come a little slower than 30 a second."""
    budget = RateBudget("https://api", 0, clock.sleep)
    for _ in range(30):
        budget.wait()
        clock.now += 1 / 60
        budget.passed()
    budget.refused(1)
    budget.refused(1)
    budget.wait()
    budget.wait()
    assert clock.slept == [1, round(1 / 27, 6)]


def test_a_pace_that_is_still_refused_gets_slower(clock: Clock) -> None:
    """A learned pace is not the last word, and is forgotten after a while."""
    budget = RateBudget("https://api", 0, clock.sleep)
    for _ in range(20):
        budget.passed()
    budget.refused(1)
    clock.now += 5
    budget.refused(1)
    budget.wait()
    budget.wait()
    assert clock.slept == [1, round(1 / 18 / 0.9, 6)]
    clock.now += 1000
    budget.wait()
    budget.wait()
    assert len(clock.slept) == 2


def test_one_refusal_out_of_nowhere_slows_nobody_down(clock: Clock) -> None:
    """Too few answers say nothing of what the API allows."""
    budget = RateBudget("https://api", 0, clock.sleep)
    budget.passed()
    budget.refused(2)
    budget.wait()
    budget.wait()
    assert clock.slept == [2]


def _ask(count: int, started: "multiprocessing.Queue[float]") -> None:
    budget = RateBudget("https://api", 100, time.sleep)
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
    moments = sorted(started.get(timeout=20) for _ in range(40))
    for process in processes:
        process.join(timeout=20)
    assert moments[-1] - moments[0] >= 39 * 0.01 - 0.005


def test_an_api_that_allows_30_a_second_refuses_few(project: Project) -> None:
    """No storm: of some hundred pages, at most one in twenty requests is refused, though no pace is set."""
    sandbox = project.serve(rows={"stories": stories(1200)}, faults=[Fault("rate_limit", allows=_TokenBucket(30))])
    project.configure(page_size=4, backoff_factor=0.3, max_concurrent_requests=8)
    assert load_settings().max_requests_per_second == 0
    assert len(project.read()) == 1200
    refused = sum(request.status == 429 for request in sandbox.requests)
    assert 0 < refused <= 0.05 * len(sandbox.requests)


class _TokenBucket:
    """Lets so many requests pass a second."""

    def __init__(self, per_second: float) -> None:
        self._per_second = per_second
        self._tokens = per_second
        self._at = time.monotonic()
        self._lock = threading.Lock()

    def __call__(self) -> bool:
        """Say whether a request may pass."""
        with self._lock:
            now = time.monotonic()
            self._tokens = min(self._per_second, self._tokens + (now - self._at) * self._per_second)
            self._at = now
            if self._tokens < 1:
                return False
            self._tokens -= 1
            return True
