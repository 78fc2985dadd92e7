"""The rate budget of an API, which all workers and all runs of this machine share: a queue, and a gate before it."""

import contextlib
import fcntl
import hashlib
import logging
import mmap
import os
import struct
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import astuple, dataclass, field

import requests

from analytics_assets.ingest.api.pace import Pace, rounded_down
from analytics_assets.ingest.errors import ApiError
from analytics_assets.ingest.settings import Settings
from analytics_assets.ingest.workdir import shared_directory

_STATE = struct.Struct("<12d")
# A request takes its place in the line no earlier than this; the places of a run that is killed are lost to the others.
_AHEAD_SECONDS = 1.0
# While one request tries whether the API takes requests again, the others look this often, ...
_LOOK_SECONDS = 0.05
# ... and send the next one when nothing is heard of it for so long: its process may have been killed.
_PROBE_SECONDS = 20.0
LONGEST_BACKOFF = 300.0
"""Seconds to which the pause between two attempts grows where the API asks for none."""
_WORTH_SAYING_SECONDS = 5.0
_SAY_EVERY_SECONDS = 60.0


@dataclass
class _State:
    """What all runs share. All moments are of the machine's monotonic clock, which nobody can set."""

    written_at: float = 0.0
    next_slot: float = 0.0
    closed_at: float = 0.0
    """When the API began to refuse; 0 while the gate is open."""
    not_before: float = 0.0
    probe_until: float = 0.0
    """Until then another request's answer is waited for."""
    pace: Pace = field(default_factory=Pace)

    def holds_back(self, now: float) -> bool:
        """Whether a request that would start now has to stand in line."""
        return self.closed_at > 0 or self.pace.per_second(now) > 0

    def turn(self, now: float, ceiling: float) -> tuple[float, bool]:
        """Return the seconds to wait, and whether a request may start then or has to ask again."""
        if self.closed_at:
            if (seconds := self.not_before - now) > 0:
                return seconds, False
            if self.probe_until > now:
                return min(self.probe_until - now, _LOOK_SECONDS), False
            self.probe_until = now + _PROBE_SECONDS
            return 0.0, True
        slot = max(now, self.next_slot)
        if slot - now > _AHEAD_SECONDS:
            return slot - now - _AHEAD_SECONDS / 2, False
        self._line_up_after(slot, now, ceiling)
        return slot - now, True

    def open(self, now: float, ceiling: float) -> None:
        """Let requests go again, the first of them one pace after the one that has just passed."""
        self.pace.learn(self.closed_at, now)
        self.closed_at = 0.0
        self._line_up_after(now, now, ceiling)

    def _line_up_after(self, slot: float, now: float, ceiling: float) -> None:
        paces = [pace for pace in (ceiling, self.pace.per_second(now)) if pace]
        self.next_slot = slot + 1 / min(paces) if paces else slot


class RateBudget:
    """Hands out the moments at which requests may start, from a file under a lock of the kernel.

    A ``429`` closes the gate for everybody. After the pause one request goes, and the others wait for its answer; when
    it passes, the gate opens, and requests go at the pace that the refusals have taught (``pace.py``), no faster than
    ``max_requests_per_second``. ``sleep`` returns whether the run has failed meanwhile.
    """

    def __init__(self, settings: Settings, sleep: Callable[[float], object], log: logging.Logger) -> None:
        name = f"pace-{hashlib.sha256(settings.base_url.encode()).hexdigest()[:16]}"
        self._file = os.open(shared_directory() / name, os.O_RDWR | os.O_CREAT, 0o600)
        os.ftruncate(self._file, _STATE.size)
        self._shared_state = mmap.mmap(self._file, _STATE.size)
        self._settings = settings
        self._sleep = sleep
        self._log = log
        # flock holds back other processes, this one the threads of ours, which share the open file
        self._threads = threading.Lock()
        self.refused_in_a_row = 0
        """Refusals of this run since a request last passed; those of requests that were under way at once are one."""
        self._refused_at = self._said_at = 0.0
        self._began = self._since = 0.0
        # requests that passed, in all and before the last refusal
        self._passed = self._counted = 0

    def __del__(self) -> None:
        """Close the file with the session that used it."""
        with contextlib.suppress(OSError, AttributeError):
            os.close(self._file)

    def wait(self) -> float:
        """Sleep until a request may start, and return the moment; raises ``ApiError`` when that would take too long."""
        is_turn = False
        while True:
            state, now = self._read()
            if not self._settings.max_requests_per_second and not state.holds_back(now):
                # no line to stand in, so no lock to wait for
                return now
            if is_turn and not state.closed_at:
                return now
            with self._locked() as (state, now):
                seconds, is_turn = state.turn(now, self._settings.max_requests_per_second)
            if not seconds:
                return now
            self._pause(seconds, state)

    def passed(self, started: float) -> None:
        """Note that the API answered a request that started then, and did not refuse it."""
        state, now = self._read()
        if not self._passed:
            self._began = started
        if self._passed == self._counted:
            self._since = started
        self._passed += 1
        if not state.holds_back(now):
            return
        with self._locked() as (state, now):
            if 0 < state.closed_at <= started:
                state.open(now, self._settings.max_requests_per_second)
                self.refused_in_a_row = 0
            state.pace.passes += 1

    def refused(self, started: float, asked: float) -> float:
        """Note a ``429`` that asks for so many seconds; return those until a request may be made again."""
        with self._locked() as (state, now):
            if started < max(state.closed_at, state.pace.since):
                # It was under way when the API began to refuse: one pace was too fast, and not one for each request.
                if state.closed_at and asked <= self._settings.max_retry_after:
                    state.not_before = max(state.not_before, now + asked)
                return max(state.not_before - now, 0.0)
            if state.pace.since > self._refused_at:
                # another run's request has passed
                self.refused_in_a_row = 0
            self.refused_in_a_row += 1
            self._refused_at = now
            if not state.closed_at:
                self._close(state, now)
            pause = self._pause_after_refusal(asked)
            state.not_before, state.probe_until = now + pause, 0.0
            return pause

    def unanswered(self, started: float) -> None:
        """Note that no answer came, so that another request may try."""
        state, _ = self._read()
        if 0 < state.closed_at <= started:
            with self._locked() as (state, _):
                state.probe_until = 0.0

    def advice(self) -> str:
        """Say what came through in this run, and which settings would have kept to it."""
        seconds = max(time.monotonic() - self._began, 1e-3)
        pace = rounded_down(self._passed / seconds) if self._passed else 1.0
        at_once = max(1, min(self._settings.max_concurrent_requests // 2, int(pace)))
        came = f"It let {self._passed:,} requests pass in {seconds:,.0f} s" if self._passed else "It let none pass"
        return f"{came}: set max_requests_per_second = {pace:g} and max_concurrent_requests = {at_once}, or less"

    def _close(self, state: _State, now: float) -> None:
        state.closed_at = now
        if not state.pace.per_second(now):
            # where there was no line, nobody counted but each run for itself
            state.pace.passes = self._passed - self._counted
            state.pace.since = max(self._since, state.pace.since) if state.pace.passes else now
        self._counted = self._passed

    def _pause_after_refusal(self, asked: float) -> float:
        """Return what the API asks, or 2, 4, 8 seconds; the longer of them where what it asked was too short."""
        usual = min(self._settings.backoff_factor * 2.0 ** (self.refused_in_a_row - 1), LONGEST_BACKOFF)
        if not 0 < asked <= self._settings.max_retry_after:
            return usual
        return asked if self.refused_in_a_row == 1 else max(asked, usual)

    def _pause(self, seconds: float, state: _State) -> None:
        """Sleep, and say so if it takes long."""
        if state.closed_at and seconds > self._settings.max_retry_after:
            raise ApiError(
                "API failing",
                f"API failing: it asked another run to wait, {seconds:,.0f} s from now on, which is more than "
                f"max_retry_after = {self._settings.max_retry_after:g}. Run it again after that",
            )
        now = time.monotonic()
        if seconds > _WORTH_SAYING_SECONDS and now - self._said_at > _SAY_EVERY_SECONDS:
            self._said_at = now
            why = "it refuses requests (429)" if state.closed_at else "it has refused a faster pace (429)"
            self._log.warning(
                "%s: the next request is made in %.0f s, because %s", self._settings.base_url, seconds, why
            )
        if self._sleep(min(seconds, _SAY_EVERY_SECONDS)):
            raise requests.RequestException("not requested, because another page has failed")

    def _read(self) -> tuple[_State, float]:
        """Return the state and the time; a state that was written later than now is of before the machine started."""
        written, slot, closed, before, probe, *pace = _STATE.unpack_from(self._shared_state)
        now = time.monotonic()
        state = _State(written, slot, closed, before, probe, Pace(*pace))
        return (state if state.written_at <= now else _State()), now

    @contextlib.contextmanager
    def _locked(self) -> Iterator[tuple[_State, float]]:
        with self._threads:
            fcntl.flock(self._file, fcntl.LOCK_EX)
            try:
                state, now = self._read()
                yield state, now
                state.written_at = now
                *own, pace = astuple(state)
                _STATE.pack_into(self._shared_state, 0, *own, *pace)
            finally:
                fcntl.flock(self._file, fcntl.LOCK_UN)
