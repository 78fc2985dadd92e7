"""The rate budget of an API, which all runs of this machine, or of all machines, share: a queue, and a gate before it.

``line.py`` says who may start when, ``line_places.py`` where that is kept.
"""

import contextlib
import logging
import time
from collections.abc import Callable

import requests

from analytics_assets.ingest.api.line import Line
from analytics_assets.ingest.api.line_places import place_of
from analytics_assets.ingest.api.pace import rounded_down
from analytics_assets.ingest.errors import ApiError
from analytics_assets.ingest.settings import Settings

LONGEST_BACKOFF = 300.0
"""Seconds to which the pause between two attempts grows where the API asks for none."""
_WORTH_SAYING_SECONDS = 5.0
_SAY_EVERY_SECONDS = 60.0


class RateBudget:
    """Hands out the moments at which requests may start.

    A ``429`` closes the gate for everybody. After the pause one request goes, and the others wait for its answer; when
    it passes, the gate opens, and requests go at the pace that the refusals have taught (``pace.py``), no faster than
    ``max_requests_per_second``. ``sleep`` returns whether the run has failed meanwhile.
    """

    def __init__(self, settings: Settings, sleep: Callable[[float], object], log: logging.Logger) -> None:
        self._place = place_of(settings)
        self._settings = settings
        self._sleep = sleep
        self._log = log
        self.refused_in_a_row = 0
        """Refusals of this run since a request last passed; those of requests that were under way at once are one."""
        self._refused_at = self._said_at = 0.0
        self._began = self._since = 0.0
        # requests that passed, in all and before the last refusal
        self._passed = self._counted = 0

    def __del__(self) -> None:
        """Let go of the place with the session that used it."""
        with contextlib.suppress(AttributeError):
            self._place.close()

    def wait(self) -> float:
        """Sleep until a request may start, and return the moment; raises ``ApiError`` when that would take too long."""
        is_turn, ceiling = False, self._settings.max_requests_per_second
        while True:
            line, now = self._place.read()
            if not ceiling and not line.holds_back(now):
                # no line to stand in, so no lock to wait for
                return now
            if is_turn and not line.closed_at:
                return now
            seconds, is_turn, now, is_closed = self._place.change(
                lambda line, now: (*line.turn(now, ceiling), now, line.closed_at > 0)
            )
            if not seconds:
                return now
            self._pause(seconds, is_closed=is_closed)

    def passed(self, started: float) -> None:
        """Note that the API answered a request that started then, and did not refuse it."""
        line, now = self._place.read()
        if not self._passed:
            self._began = started
        if self._passed == self._counted:
            self._since = started
        self._passed += 1
        if line.holds_back(now):
            self._place.change(lambda line, now: self._count(line, now, started))

    def refused(self, started: float, asked: float) -> float:
        """Note a ``429`` that asks for so many seconds; return those until a request may be made again."""
        return self._place.change(lambda line, now: self._refuse(line, now, started, asked))

    def unanswered(self, started: float) -> None:
        """Note that no answer came, so that another request may try."""
        line, _ = self._place.read()
        if 0 < line.closed_at <= started:
            self._place.change(lambda line, _: setattr(line, "probe_until", 0.0))

    def advice(self) -> str:
        """Say what came through in this run, and which settings would have kept to it."""
        seconds = max(self._place.now() - self._began, 1e-3)
        pace = rounded_down(self._passed / seconds) if self._passed else 1.0
        at_once = max(1, min(self._settings.max_concurrent_requests // 2, int(pace)))
        came = f"It let {self._passed:,} requests pass in {seconds:,.0f} s" if self._passed else "It let none pass"
        return f"{came}: set max_requests_per_second = {pace:g} and max_concurrent_requests = {at_once}, or less"

    def _count(self, line: Line, now: float, started: float) -> None:
        if 0 < line.closed_at <= started:
            line.open(now, self._settings.max_requests_per_second)
            self.refused_in_a_row = 0
        line.pace.passes += 1

    def _refuse(self, line: Line, now: float, started: float, asked: float) -> float:
        if started < max(line.closed_at, line.pace.since):
            # It was under way when the API began to refuse: one pace was too fast, and not one for each request.
            if line.closed_at and asked <= self._settings.max_retry_after:
                line.not_before = max(line.not_before, now + asked)
            return max(line.not_before - now, 0.0)
        if line.pace.since > self._refused_at:
            # another run's request has passed
            self.refused_in_a_row = 0
        self.refused_in_a_row += 1
        self._refused_at = now
        if not line.closed_at:
            self._close(line, now)
        pause = self._pause_after_refusal(asked)
        line.not_before, line.probe_until = now + pause, 0.0
        return pause

    def _close(self, line: Line, now: float) -> None:
        line.closed_at = now
        if not line.pace.per_second(now):
            # where there was no line, nobody counted but each run for itself
            line.pace.passes = self._passed - self._counted
            line.pace.since = max(self._since, line.pace.since) if line.pace.passes else now
        self._counted = self._passed

    def _pause_after_refusal(self, asked: float) -> float:
        """Return what the API asks, or 2, 4, 8 seconds; the longer of them where what it asked was too short."""
        usual = min(self._settings.backoff_factor * 2.0 ** (self.refused_in_a_row - 1), LONGEST_BACKOFF)
        if not 0 < asked <= self._settings.max_retry_after:
            return usual
        return asked if self.refused_in_a_row == 1 else max(asked, usual)

    def _pause(self, seconds: float, *, is_closed: bool) -> None:
        """Sleep, and say so if it takes long."""
        if is_closed and seconds > self._settings.max_retry_after:
            raise ApiError(
                "API failing",
                f"API failing: it asked another run to wait, {seconds:,.0f} s from now on, which is more than "
                f"max_retry_after = {self._settings.max_retry_after:g}. Run it again after that",
            )
        now = time.monotonic()
        if seconds > _WORTH_SAYING_SECONDS and now - self._said_at > _SAY_EVERY_SECONDS:
            self._said_at = now
            why = "it refuses requests (429)" if is_closed else "it has refused a faster pace (429)"
            self._log.warning(
                "%s: the next request is made in %.0f s, because %s", self._settings.base_url, seconds, why
            )
        if self._sleep(min(seconds, _SAY_EVERY_SECONDS)):
            raise requests.RequestException("not requested, because another page has failed")
