"""Loads in processes of their own, to be started many at once, to be killed and to be cancelled.

They take API and warehouse from the environment and the working directory. ``Loads`` forks them from a process that has
imported everything: milliseconds, not seconds. By hand, ``all`` is a full refresh:
``python -m analytics_assets_tests.concurrency.loader stories 2025-03-01 2025-03-02``
"""

import contextlib
import datetime as dt
import functools
import logging
import multiprocessing
import os
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, Self

from dlt.load.load import Load

from analytics_assets.ingest import load as loading
from analytics_assets.ingest.cancelling import is_cancelled
from analytics_assets.ingest.configured import load_settings
from analytics_assets.ingest.load import WindowPipeline
from analytics_assets.ingest.opening import open_pipeline
from analytics_assets.ingest.source import build_source
from analytics_assets.ingest.warehouse import warehouse
from analytics_assets.ingest.warehouse.evolution import Evolution
from analytics_assets.ingest.warehouse.writer import duckdb_writer
from analytics_assets.ingest.window import Window
from analytics_assets_tests.project import endpoint_of, reload_settings

ALL = "all"
READER_WAIT = "TEST_READER_WAIT"
"""Variable: how many seconds other programs get to close the DuckDB file, in place of a minute."""

HOLD = "TEST_HOLD"
"""Variable: the step before which the load says ``holding`` and stays until it is killed or cancelled."""

STEPS: dict[str, tuple[Any, str]] = {
    "extract": (WindowPipeline, "extract"),
    "normalize": (WindowPipeline, "normalize"),
    "load": (WindowPipeline, "load"),
    "prove": (warehouse.Warehouse, "rows_found"),
    "close the ledger": (loading, "close_row"),
    "drop the staging": (loading, "close_row"),
}
"""The steps of a load, in order, and the function that each begins with; the last begins when that one has ended."""

JOBS: dict[str, tuple[Any, str]] = {"jobs": (Load, "start_new_jobs"), "completion": (Load, "complete_package")}
"""Steps within the load: before dlt's first job, and when the last one has ended."""

TABLES = "tables"
"""The step within which a load may change tables and views."""

_PRELOAD = (
    __name__,
    "dlt.common.libs.pyarrow",
    "analytics_assets.ingest.warehouse.delta",
    "dlt.destinations.impl.duckdb.duck",
    "dlt.destinations.impl.filesystem.filesystem",
    "dlt.destinations.impl.postgres.postgres",
    "pyarrow.parquet",
    "pytest",
)
_STEP_SECONDS = 120
# with three for a lock that somebody else holds, on a busy machine
_CANCEL_SECONDS = 40


def load(endpoint: str, *days: str) -> None:
    """Load an endpoint's days, one after the other, or all of it."""
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(message)s")
    if wait := os.environ.get(READER_WAIT):
        setattr(warehouse, duckdb_writer.__name__, functools.partial(duckdb_writer, reader_wait=float(wait)))
    if step := os.environ.get(HOLD):
        owner, function = (STEPS | JOBS | {TABLES: (Evolution, "settle")})[step]
        setattr(owner, function, _held(getattr(owner, function), after=step == "drop the staging"))
    for day in days:
        window = None if day == ALL else Window.of_day(dt.date.fromisoformat(day))
        source, reading = build_source(endpoint_of(endpoint), load_settings(), window, run_id=str(os.getpid()))
        with open_pipeline(reading) as pipeline:
            pipeline.run(source)


def _held(function: Callable[..., object], *, after: bool) -> Callable[..., object]:
    def held(*args: Any, **kwargs: Any) -> object:  # noqa: ANN401 - any function's signature
        result = function(*args, **kwargs) if after else None
        logging.getLogger(__name__).info("holding")
        while not is_cancelled():
            time.sleep(0.01)
        return result if after else function(*args, **kwargs)

    return held


def _load_here(endpoint: str, days: tuple[str, ...], environment: Mapping[str, str], log: Path) -> None:
    """Load in this process, which was forked for it."""
    with log.open("w") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    os.environ.clear()
    os.environ.update(environment)
    tempfile.tempdir = None
    reload_settings()
    load(endpoint, *days)


class Load:
    """A load that runs in a process of its own."""

    def __init__(self, process: BaseProcess, log: Path) -> None:
        """Take a process that was started, and the file that it writes to."""
        self.process = process
        self.log = log

    @property
    def pid(self) -> int:
        """The process's id."""
        assert self.process.pid is not None
        return self.process.pid

    @property
    def said(self) -> str:
        """What it has written so far."""
        return self.log.read_text()

    def end(self, seconds: float = _STEP_SECONDS) -> int:
        """Wait for its end and return the exit code; fails when it does not end in time."""
        self.process.join(seconds)
        assert self.process.exitcode is not None, f"still running after {seconds} s:\n{self.said}"
        return self.process.exitcode

    def succeed(self, seconds: float = _STEP_SECONDS) -> None:
        """Wait for its end, which has to be a success."""
        assert self.end(seconds) == 0, self.said

    def kill(self) -> int:
        """End it with SIGKILL, if it has not ended by itself; the exit code, -9 when killed."""
        self.process.kill()
        return self.end()

    def cancel(self, *numbers: signal.Signals) -> int:
        """Send it signals, a tenth of a second between two, and return the exit code; fails when it stays."""
        for number in numbers or (signal.SIGTERM,):
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)
            time.sleep(0.1)
        return self.end(_CANCEL_SECONDS)

    def says(self, text: str, seconds: float = _STEP_SECONDS) -> None:
        """Wait until it has written that text."""
        until = time.monotonic() + seconds
        while text not in self.said:
            assert time.monotonic() < until, f"never said {text!r}:\n{self.said}"
            assert self.process.is_alive(), f"ended without saying {text!r}:\n{self.said}"
            time.sleep(0.01)


class Loads:
    """Starts loads in a folder; those that still run are killed on leaving."""

    def __init__(self, folder: Path) -> None:
        """Keep the folder, where each load's output goes."""
        self._folder = folder
        self._started: list[Load] = []
        self._fork = multiprocessing.get_context("forkserver")
        self._fork.set_forkserver_preload(list(_PRELOAD))

    def __enter__(self) -> Self:
        """Nothing runs yet."""
        return self

    def __exit__(self, *_: object) -> None:
        """Leave no process behind."""
        for started in self._started:
            started.kill()

    def start(self, *days: str, endpoint: str = "stories") -> Load:
        """Start loading days, or ``ALL``, with the environment as it is now."""
        log = self._folder / f"load-{len(self._started)}.log"
        log.touch()
        process = self._fork.Process(target=_load_here, args=(endpoint, days, dict(os.environ), log), daemon=True)
        process.start()
        self._started.append(Load(process, log))
        return self._started[-1]


if __name__ == "__main__":
    load(*sys.argv[1:])
