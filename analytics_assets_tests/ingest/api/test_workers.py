"""Calls are made in threads, in order, and no thread stays for them."""

import subprocess
import sys
import threading
import time

import pytest

from analytics_assets.ingest.api.workers import Workers

STAYING = """
import threading
from analytics_assets.ingest.api.workers import Workers
Workers(2, "page").submit(threading.Event().wait)
"""


def test_calls_and_failures() -> None:
    """What a call returns or raises is the future's."""
    workers = Workers(2, "page")
    assert [workers.submit(lambda one=one: one * one).result() for one in range(5)] == [0, 1, 4, 9, 16]
    with pytest.raises(ZeroDivisionError):
        workers.submit(lambda: 1 // 0).result()


def test_never_more_at_once_than_allowed() -> None:
    """A third call waits for one of two threads; cancelled meanwhile, it is never made."""
    workers, may_end, made = Workers(2, "page"), threading.Event(), []
    under_way = [workers.submit(may_end.wait) for _ in range(2)]
    waiting = [workers.submit(lambda one=one: made.append(one)) for one in range(2)]
    assert waiting[0].cancel()
    may_end.set()
    waiting[1].result(10)
    assert [future.result(10) for future in under_way] == [True, True]
    assert made == [1]


def test_threads_end_with_it() -> None:
    """Nothing is left of a session that nobody has any more."""
    workers = Workers(3, "ending")
    for _ in range(3):
        workers.submit(int).result()
    del workers
    until = time.monotonic() + 10
    while any(thread.name.startswith("ending") for thread in threading.enumerate()):
        assert time.monotonic() < until
        time.sleep(0.01)


def test_the_process_does_not_wait_for_a_call() -> None:
    """A call that never returns does not keep the interpreter from ending."""
    assert subprocess.run([sys.executable, "-c", STAYING], timeout=30, check=False).returncode == 0
