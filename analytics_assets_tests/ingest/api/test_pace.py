"""What refusals teach, played against APIs of every kind on a clock of our own: hours pass in milliseconds."""

import random
import statistics
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from analytics_assets.ingest.api.pace import Pace, rounded_down

Allows = Callable[[float], bool]
NATURAL = 200.0
"""Requests a second that are made where nothing holds them back."""
LATENCY = 0.08


def window(requests: int, seconds: float) -> Allows:
    """Return an API that lets so many requests pass in any so many seconds."""
    lately: deque[float] = deque()

    def allows(now: float) -> bool:
        while lately and now - lately[0] >= seconds:
            lately.popleft()
        if len(lately) < requests:
            lately.append(now)
            return True
        return False

    return allows


def bucket(per_second: float) -> Allows:
    """Return an API that lets so many requests pass a second, and as many at once after a rest."""
    tokens, at = per_second, 0.0

    def allows(now: float) -> bool:
        nonlocal tokens, at
        tokens, at = min(per_second, tokens + (now - at) * per_second), now
        if tokens < 1:
            return False
        tokens -= 1
        return True

    return allows


def at_random(share: float, seed: int) -> Allows:
    """Return an API that refuses this share of the requests, however fast they come."""
    dice = random.Random(seed)  # noqa: S311 - no secret
    return lambda _: dice.random() >= share


@dataclass
class Played:
    """When requests passed and when they were refused."""

    passed: list[float] = field(default_factory=list)
    refused: list[float] = field(default_factory=list)

    def pace(self, start: float, end: float) -> float:
        """Return the requests that passed a second between two moments."""
        return sum(start <= moment < end for moment in self.passed) / (end - start)

    def share_refused(self, start: float, end: float) -> float:
        """Return the share of requests between two moments that was refused."""
        refused = sum(start <= moment < end for moment in self.refused)
        return refused / max(refused + self.pace(start, end) * (end - start), 1)


class Player:
    """Makes requests as the budget does: one line, a gate that a refusal closes, and one request to open it again."""

    def __init__(self, allows: Allows, retry_after: float = 0, *, learns: bool = True) -> None:
        self.now = 0.0
        self.pace = Pace()
        self.played = Played()
        self._allows = allows
        self._retry_after = retry_after
        self._learns = learns
        self._free, self._since = 0, 0.0

    def play(self, *, pages: int = 10**9, seconds: float = 10**9) -> Played:
        """Go on until so many requests have passed, or so many seconds."""
        while len(self.played.passed) < pages and self.now < seconds:
            if self._ask():
                self.now += self._interval()
            else:
                self._refused()
        return self.played

    def _interval(self) -> float:
        per_second = self.pace.per_second(self.now)
        return max(1 / NATURAL, 1 / per_second if per_second else 0)

    def _ask(self) -> bool:
        is_allowed = self._allows(self.now)
        (self.played.passed if is_allowed else self.played.refused).append(self.now)
        if is_allowed and self.pace.per_second(self.now):
            self.pace.passes += 1
        elif is_allowed:
            self._since = self._since if self._free else self.now
            self._free += 1
        return is_allowed

    def _refused(self) -> None:
        refused_at = self.now
        for _ in range(min(15, int(LATENCY / self._interval()))):
            # those that were under way
            self.now += self._interval()
            self._ask()
        if not self.pace.per_second(refused_at):
            self.pace.passes = self._free
            self.pace.since = max(self._since, self.pace.since) if self._free else refused_at
        self._free = 0
        wait = self._retry_after or 2
        self.now = refused_at + LATENCY + wait
        while not self._ask():
            wait *= 2
            self.now += wait
        self.now += LATENCY
        if self._learns:
            self.pace.learn(refused_at, self.now)
        self.now += self._interval()


@pytest.mark.parametrize("retry_after", [0, 1])
@pytest.mark.parametrize(
    ("allows", "limit"),
    [
        (lambda: bucket(20), 20),
        (lambda: window(20, 1), 20),
        (lambda: bucket(3), 3),
        (lambda: window(1, 1), 1),
        (lambda: window(2, 5), 0.4),
        (lambda: window(5, 10), 0.5),
        (lambda: window(100, 60), 100 / 60),
    ],
    ids=["20 a second", "20 in any second", "3 a second", "1 in any second", "2 in 5 s", "5 in 10 s", "100 in 60 s"],
)
def test_a_limit_is_used_and_kept_to(allows: Callable[[], Allows], limit: float, retry_after: float) -> None:
    """Of ten minutes, after the first: three quarters of what the API allows pass, and few requests are refused."""
    played = Player(allows(), retry_after).play(seconds=600)
    assert played.pace(60, 600) >= 0.75 * limit
    # a slow limit is tried as often, but there are fewer requests between
    assert played.share_refused(60, 600) <= (0.02 if limit >= 3 else 0.1)


@pytest.mark.parametrize("retry_after", [0, 1])
@pytest.mark.parametrize("share", [0.01, 0.05])
def test_refusals_at_random_cost_their_pauses_and_little_else(share: float, retry_after: float) -> None:
    """400 pages of which some are refused whatever the pace: about the time without a learned pace."""
    taken, without = (
        [Player(at_random(share, seed), retry_after, learns=learns).play(pages=400).passed[-1] for seed in range(40)]
        for learns in (True, False)
    )
    assert statistics.median(taken) <= 1.3 * statistics.median(without) + 5
    # one unlucky load in twenty
    assert sorted(taken)[-3] <= 3 * statistics.median(without) + 40


@pytest.mark.parametrize("retry_after", [0, 1])
def test_a_limit_that_is_lifted_is_found_soon(retry_after: float) -> None:
    """Within a minute after an API stops to limit to 20 a second, all speed is back."""
    limited = bucket(20)
    played = Player(lambda now: now > 60 or limited(now), retry_after).play(seconds=130)
    assert played.pace(40, 60) <= 22
    assert played.pace(120, 130) >= 0.9 * NATURAL


@pytest.mark.parametrize("retry_after", [0, 1])
def test_a_slow_limit_that_is_lifted_is_found_within_minutes(retry_after: float) -> None:
    """The slowest limits are tried the least often; two in five seconds is left behind in five minutes."""
    limited = window(2, 5)
    played = Player(lambda now: now > 60 or limited(now), retry_after).play(seconds=380)
    assert played.pace(370, 380) >= 0.9 * NATURAL


def test_a_limit_that_is_lowered_is_found() -> None:
    """From 100 a second to 20: two minutes later the new one is used and kept to."""
    before, then = bucket(100), bucket(20)
    played = Player(lambda now: (before if now < 60 else then)(now), 1).play(seconds=300)
    assert played.pace(180, 300) >= 0.75 * 20
    assert played.share_refused(180, 300) <= 0.03


def test_one_answer_is_enough_to_learn_from() -> None:
    """One request passed, the next was refused, and two seconds later one passed: that is one in two seconds."""
    pace = Pace(since=10, passes=1)
    pace.learn(10.1, 12.1)
    assert pace.per_second(12.1) == pytest.approx(1 / 2.1)


def test_a_long_pause_does_not_count_in_full() -> None:
    """An hour that the API asked for says nothing of the pace before it: 20 passed in 2 s, and 10 s of it count."""
    pace = Pace(since=10, passes=20)
    pace.learn(12, 3612)
    assert pace.per_second(3612) == pytest.approx(20 / 12)


@pytest.mark.parametrize(
    ("value", "shown"), [(0.345, 0.34), (17.99, 17), (123.4, 120), (0.0123, 0.012), (1, 1), (0.3, 0.3), (0, 0)]
)
def test_a_pace_is_rounded_down_to_what_a_person_would_set(value: float, shown: float) -> None:
    """Two digits, and no more than it is."""
    assert rounded_down(value) == shown
