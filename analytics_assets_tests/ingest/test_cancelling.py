"""Signals are noted, and acted on where something is waited for; what must not be left half done is finished."""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
from dlt.common.runtime import signals
from dlt.load import load as loader

from analytics_assets.ingest.cancelling import cancellable, is_cancelled, pause, raise_if_cancelled, settling, waiting
from analytics_assets.ingest.errors import ApiError, explain
from analytics_assets.ingest.warehouse.ledger import LEDGER
from analytics_assets_tests.project import Project, stories
from analytics_assets_tests.warehouses import Warehouse, contents

CANCELLED = "cancelled: SIGTERM came, which cancels a run"


@pytest.fixture(autouse=True)
def handlers() -> Iterator[None]:
    """Fail where signals are not handled afterwards as they were before."""
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    hangup = signal.getsignal(signal.SIGHUP)
    yield
    # it may mean what SIGTERM means, from the first time on
    signal.signal(signal.SIGHUP, hangup)
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before
    assert not is_cancelled()
    assert not signals.was_signal_received()


def _cancelled(work: Callable[[], object], number: signal.Signals = signal.SIGTERM) -> None:
    with cancellable():
        signal.raise_signal(number)
        work()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_wait_ends_at_once(number: signal.Signals) -> None:
    """A signal wakes who waits, with an error that names it."""
    threading.Timer(0.2, os.kill, (os.getpid(), number)).start()
    began = time.monotonic()
    with pytest.raises(ApiError, match=f"cancelled: {number.name} came") as caught, cancellable():
        pause(20)
    assert time.monotonic() - began < 10
    problem = explain(caught.value)
    assert problem is not None
    assert (problem.kind, problem.is_transient) == ("cancelled", False)


@pytest.mark.parametrize("before", [signal.SIG_DFL, signal.SIG_IGN, signal.default_int_handler])
def test_a_closed_terminal_cancels_but_not_under_nohup(before: Any) -> None:  # noqa: ANN401 - a handler
    """It goes on meaning what SIGTERM means, for a run waits between its tries where nothing of ours is under way."""
    term = signal.signal(signal.SIGTERM, signal.default_int_handler)
    signal.signal(signal.SIGHUP, before)
    try:
        if before is signal.SIG_IGN:
            _cancelled(lambda: None, signal.SIGHUP)
        else:
            with pytest.raises(ApiError, match="cancelled: SIGHUP came"):
                _cancelled(lambda: None, signal.SIGHUP)
        meant = signal.SIG_IGN if before is signal.SIG_IGN else signal.default_int_handler
        assert signal.getsignal(signal.SIGHUP) is meant
    finally:
        signal.signal(signal.SIGTERM, term)


def test_what_does_not_wait_is_finished_first() -> None:
    """A signal breaks nothing off: it is acted on at the next wait, or else at the block's end."""
    done = []

    def work_and_wait() -> None:
        done.append("work")
        with waiting():
            done.append("wait")

    with pytest.raises(ApiError, match=CANCELLED):
        _cancelled(work_and_wait)
    with pytest.raises(ApiError, match=CANCELLED):
        _cancelled(lambda: done.append("more work"))
    assert done == ["work", "more work"]


def test_nothing_begins_that_is_cancelled_already() -> None:
    """A second window of the same run is not begun once the first was cancelled."""
    begun: list[int] = []
    with pytest.raises(ApiError, match=CANCELLED):
        _cancelled(lambda: _cancelled(lambda: begun.append(1)))
    assert begun == []


def test_what_settles_is_left_alone() -> None:
    """Who cleans up may wait, whatever comes meanwhile, and dlt does not stop either."""
    done = []

    def settle() -> None:
        with settling():
            signal.raise_signal(signal.SIGTERM)
            pause(0)
            raise_if_cancelled()
            done.append(not signals.was_signal_received())

    with pytest.raises(ApiError, match="cancelled: SIGINT"):
        _cancelled(settle, signal.SIGINT)
    assert done == [True]


def test_a_signal_that_the_process_ignores(project: Project) -> None:
    """Ctrl-C goes to what a shell runs in the background as well, which ignores it."""
    del project
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with cancellable():
            signal.raise_signal(signal.SIGINT)
            pause(0)
    finally:
        signal.signal(signal.SIGINT, before)


def test_dagster_has_a_process_in_the_background_ignore_both(project: Project) -> None:
    """It gives SIGTERM the handler of SIGINT, which is none there; a run can be cancelled nevertheless."""
    del project
    before = {number: signal.signal(number, signal.SIG_IGN) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        with pytest.raises(ApiError, match=CANCELLED):
            _cancelled(lambda: pause(0))
        assert signal.getsignal(signal.SIGTERM) == signal.SIG_IGN
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def test_another_thread(project: Project) -> None:
    """A load in another thread than the main one takes no signals, and needs none."""
    project.serve(rows={"stories": stories(3)})
    thread = threading.Thread(target=project.load)
    thread.start()
    thread.join()
    assert project.ids() == ["s000", "s001", "s002"]


def test_cancelled_between_two_merges(project: Project, warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the rows are merged and those set aside are not yet, both are, and the ledger says ``loaded``."""
    choose = loader.filter_new_jobs
    is_sent = False

    def cancel_between(files: Sequence[str], *arguments: Any) -> Sequence[str]:  # noqa: ANN401 - dlt's own
        nonlocal is_sent
        others = [file for file in files if "rejected" not in file or not file.endswith("sql")]
        if is_sent or len(others) == len(files):
            return choose(files, *arguments)
        if others or arguments[2]:
            return choose(others, *arguments)
        is_sent = True
        signal.raise_signal(signal.SIGTERM)
        return []

    project.serve(rows={"stories": [*stories(2), {**stories(3)[2], "like_count": "many"}]})
    monkeypatch.setattr(loader, "filter_new_jobs", cancel_between)
    with pytest.raises(ApiError, match=CANCELLED):
        project.load()
    assert is_sent
    assert len(contents(warehouse, "stories")) == 2
    assert len(contents(warehouse, "stories__rejected")) == 1
    [row] = contents(warehouse, LEDGER)
    assert (row["outcome"], row["rows_loaded"]) == ("loaded", 2)
    assert warehouse.schemas() == ["analytics"]
