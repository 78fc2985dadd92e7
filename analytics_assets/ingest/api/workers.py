"""The threads that fetch pages. A process that ends does not wait for them.

With ``ThreadPoolExecutor`` it would: the interpreter joins its threads at exit, and a request may be under way for as
long as ``response_timeout``, so a run that was cancelled or had failed would stay for minutes.
"""

import queue
import threading
import weakref
from collections.abc import Callable
from concurrent.futures import Future, wait
from typing import Any, TypeVar

T = TypeVar("T")


class Workers:
    """Makes calls in up to ``most`` threads, in the order in which they were submitted; the threads end with it."""

    def __init__(self, most: int, name: str) -> None:
        self._most = most
        self._name = name
        self._calls: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._under_way: set[Future[Any]] = set()
        weakref.finalize(self, _end, self._calls, self._threads)

    def submit(self, call: Callable[[], T]) -> Future[T]:
        """Have a thread make the call, unless the future that is returned is cancelled before that."""
        future: Future[T] = Future()
        self._under_way.add(future)
        future.add_done_callback(self._under_way.discard)
        self._calls.put(lambda: _make(call, future))
        if len(self._threads) < self._most:
            name = f"{self._name}-{len(self._threads)}"
            thread = threading.Thread(target=_work, args=(self._calls,), name=name, daemon=True)
            self._threads.append(thread)
            thread.start()
        return future

    def settle(self) -> None:
        """Wait until each call that was submitted has been made or cancelled."""
        wait(list(self._under_way))


def _work(calls: queue.SimpleQueue[Callable[[], None] | None]) -> None:
    while call := calls.get():
        call()
        # else it would keep the last page for as long as the thread waits
        del call


def _make(call: Callable[[], T], future: Future[T]) -> None:
    if not future.set_running_or_notify_cancel():
        return
    try:
        future.set_result(call())
    except BaseException as error:  # noqa: BLE001 (it is raised where the result is asked for)
        future.set_exception(error)


def _end(calls: queue.SimpleQueue[Callable[[], None] | None], threads: list[threading.Thread]) -> None:
    for _ in threads:
        calls.put(None)
