"""A run that is cancelled: a signal is noted at once, and acted on only where it is safe.

Cancelling a run sends SIGINT or SIGTERM, as Ctrl-C and ``kill`` do, and a terminal that is closed sends SIGHUP. If they
raised where they happen to come, a load could break off between a commit and the ledger's word of it. So the load is
only told, and ends by itself: where it waits for the API or for the warehouse, before the next page, and before the
next of dlt's steps and jobs.

What belongs here: signals, and whether one has come. All of it concerns the main thread, because Python tells no other
one.
"""

import contextlib
import signal
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from types import FrameType

from dlt.common.runtime import signals

from analytics_assets.ingest.errors import ApiError

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass
class _State:
    is_listening: bool = False
    came: signal.Signals | None = None
    """The first signal that came."""
    is_waiting: bool = False
    """Whether a signal may raise where it comes."""
    is_settling: bool = False
    """Whether a signal is noted and nothing else."""


_state = _State()


@contextlib.contextmanager
def cancellable() -> Iterator[None]:
    """Have signals cancel what is done in the block; raises ``ApiError`` (cancelled), at its end at the latest.

    It may stand in another one. Nothing can be cancelled outside of the main thread, or by a Ctrl-C that the process
    ignores, as one does that a shell has started with ``&``. Dagster has such a process ignore SIGTERM as well, because
    it gives SIGTERM the handler of SIGINT; that would leave a run that nobody can cancel.

    Of SIGHUP Dagster knows nothing: it would end the process while the run waits for its next try, and the run would
    show as started. So it means what SIGTERM means, from here on; where it is ignored, as by ``nohup``, it stays so.
    """
    if threading.current_thread() is not threading.main_thread() or _state.is_listening:
        raise_if_cancelled()
        yield
        return
    handlers = {number: signal.getsignal(number) or signal.SIG_DFL for number in _SIGNALS}
    _state.is_listening = True
    try:
        for number, handler in handlers.items():
            if handler is not signal.SIG_IGN or number == signal.SIGTERM:
                signal.signal(number, _note)
        yield
        raise_if_cancelled()
    finally:
        if handlers[signal.SIGHUP] is signal.SIG_DFL and handlers[signal.SIGTERM] is not signal.SIG_IGN:
            handlers[signal.SIGHUP] = handlers[signal.SIGTERM]
        for number, handler in handlers.items():
            signal.signal(number, handler)
        vars(_state).update(vars(_State()))
        signals.set_received_signal(0)


def is_cancelled() -> bool:
    """Say whether a signal has come."""
    return _state.came is not None and threading.current_thread() is threading.main_thread()


def raise_if_cancelled() -> None:
    """Raise ``ApiError`` (cancelled) if a signal has come, unless what is done now is to be finished."""
    if is_cancelled() and not _state.is_settling:
        raise cancelled()


def cancelled() -> ApiError:
    """Return the error that says which signal has come."""
    name = _state.came.name if _state.came else "nothing"
    return ApiError("cancelled", f"cancelled: {name} came, which cancels a run")


@contextlib.contextmanager
def waiting() -> Iterator[None]:
    """Have a signal end the wait that the block is: it raises there, or at its beginning if it has come before."""
    if threading.current_thread() is not threading.main_thread() or _state.is_settling:
        yield
        return
    _state.is_waiting = True
    try:
        raise_if_cancelled()
        yield
    finally:
        _state.is_waiting = False


def pause(seconds: float) -> None:
    """Sleep, until a signal comes."""
    with waiting():
        time.sleep(seconds)


@contextlib.contextmanager
def settling() -> Iterator[None]:
    """Have no signal, that has come or is yet to come, keep the block from being finished, by us or by dlt."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    _state.is_settling = True
    signals.set_received_signal(0)
    try:
        yield
    finally:
        _state.is_settling = False


def _note(number: int, _: FrameType | None) -> None:
    _state.came = _state.came or signal.Signals(number)
    if _state.is_settling:
        return
    # dlt looks at this before it takes the next item, and before it begins a job
    signals.set_received_signal(number)
    if _state.is_waiting:
        _state.is_waiting = False
        raise_if_cancelled()
