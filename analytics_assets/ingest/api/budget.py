"""The rate budget of an API: one line of slots and one "not before" for all workers and all runs of this machine."""

import contextlib
import fcntl
import hashlib
import mmap
import os
import struct
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from analytics_assets.ingest.workdir import shared_directory

_STATE = struct.Struct("<ddd")
_WINDOW_SECONDS = 1.0
# a pace learned from refusals: how far below what was let pass it stays, and for how long it is kept
_LEARNED_SHARE = 0.9
_LEARNED_SECONDS = 300.0
# Of fewer answers in the second before a refusal no pace can be worked out: the run may just have begun.
_ANSWERS_THAT_SHOW_A_PACE = 5


@dataclass
class _State:
    """What all runs share: when the next request may start, seconds between two, when these were learned (epoch)."""

    next_slot: float = 0.0
    interval: float = 0.0
    learned_at: float = 0.0

    def is_learned(self, now: float) -> bool:
        """Whether a pace was learned and is still believed."""
        return self.learned_at + _LEARNED_SECONDS > now

    def holds_back(self, now: float) -> bool:
        """Whether a request that would start now has to wait or to take a slot."""
        return self.next_slot > now or self.is_learned(now)


class RateBudget:
    """Hands out the moments at which requests may start, from a file under a lock of the kernel.

    A ``429`` moves the next slot for everybody. Where no pace is set, it also teaches one: a little below what the
    API let pass in the second before, and lower again if it keeps refusing.
    """

    def __init__(self, api: str, per_second: float, sleep: Callable[[float], object]) -> None:
        name = f"budget-{hashlib.sha256(api.encode()).hexdigest()[:16]}"
        self._file = os.open(shared_directory() / name, os.O_RDWR | os.O_CREAT, 0o600)
        os.ftruncate(self._file, _STATE.size)
        self._state = mmap.mmap(self._file, _STATE.size)
        self._set_interval = 1 / per_second if per_second else 0.0
        self._sleep = sleep
        self._passed: deque[float] = deque(maxlen=1000)
        # flock holds back other processes, this one the threads of ours, which share the open file
        self._threads = threading.Lock()

    def __del__(self) -> None:
        """Close the file with the session that used it."""
        with contextlib.suppress(OSError, AttributeError):
            os.close(self._file)

    def wait(self) -> None:
        """Sleep until a request may start."""
        now = time.time()
        if not self._set_interval and not self._read().holds_back(now):
            # no line to stand in, so no lock to wait for
            return
        with self._shared() as state:
            slot = max(now, state.next_slot)
            state.next_slot = slot + max(self._set_interval, state.interval if state.is_learned(now) else 0.0)
        if slot > now:
            self._sleep(slot - now)

    def passed(self) -> None:
        """Note that the API answered a request."""
        self._passed.append(time.time())

    def refused(self, retry_after: float) -> None:
        """Let nobody ask for ``retry_after`` seconds, and all ask more slowly from then on."""
        with self._shared() as state:
            now = time.time()
            state.next_slot = max(state.next_slot, now + retry_after)
            if now - state.learned_at < _WINDOW_SECONDS + retry_after:
                # Several requests were under way when the API began to refuse, and each of them comes back with a 429.
                # They tell of one pace that was too fast, not of one for each.
                return
            lately = sum(moment > now - _WINDOW_SECONDS for moment in self._passed)
            if state.is_learned(now):
                state.interval /= _LEARNED_SHARE
            elif lately >= _ANSWERS_THAT_SHOW_A_PACE:
                state.interval = _WINDOW_SECONDS / (_LEARNED_SHARE * lately)
            else:
                return
            state.learned_at = now

    def _read(self) -> _State:
        return _State(*_STATE.unpack_from(self._state))

    @contextlib.contextmanager
    def _shared(self) -> Iterator[_State]:
        with self._threads:
            fcntl.flock(self._file, fcntl.LOCK_EX)
            try:
                state = self._read()
                yield state
                _STATE.pack_into(self._state, 0, state.next_slot, state.interval, state.learned_at)
            finally:
                fcntl.flock(self._file, fcntl.LOCK_UN)
