"""A limit of requests in a time, for the fault ``rate_limit``: ``Fault("rate_limit", allows=Limit(2, seconds=5))``."""

import threading
import time
from collections import deque


class Limit:
    """Lets ``requests`` pass in any ``seconds``; ``retry_after=limit.rounded_down`` makes a header that is wrong."""

    def __init__(self, requests: int, *, seconds: float) -> None:
        """Begin with all of them left."""
        self._seconds = seconds
        self._passed: deque[float] = deque([-seconds] * requests, maxlen=requests)
        self._lock = threading.Lock()

    def __call__(self) -> bool:
        """Say whether a request may pass, and count it if so."""
        with self._lock:
            if self._left() > 0:
                return False
            self._passed.append(time.monotonic())
            return True

    def rounded_down(self) -> int:
        """Return the whole seconds until a request may pass: sooner than it may."""
        with self._lock:
            return int(max(self._left(), 0))

    def _left(self) -> float:
        return self._passed[0] + self._seconds - time.monotonic()
