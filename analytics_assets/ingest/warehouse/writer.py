"""One writer at a time, by locks that end with their process: nothing to clean up after ``kill -9``.

DuckDB has one writer by nature, of the whole file. On PostgreSQL two merges of one id would both delete the old row and
both insert theirs, so there each endpoint has one writer, and loads of several endpoints go on side by side.
"""

import contextlib
import logging
import math
import os
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import duckdb
import filelock
from dlt.destinations.sql_client import SqlClientBase

from analytics_assets.ingest.cancelling import pause
from analytics_assets.ingest.errors import ApiError

READER_WAIT_SECONDS = 60.0

TABLES = "its tables"
"""The part of a dataset that is what it has: tables, columns, views and comments, as against rows."""

_LOG_EVERY_SECONDS = 5.0
# how DuckDB names who has the file: by the path of its program
_HOLDER = re.compile(r"held in (?:[^ ]*/)?(\S+) \(PID (\d+)\)")
_POLL_SECONDS = 0.1
# DuckDB has a thread for each core, and its guide advises 125 MB for each at least. What needs more than this goes to
# disk, where by itself DuckDB would take four fifths of the machine's memory.
_MEMORY_MB_PER_CORE = 128
# When this process began to wait for a file, and when it gave up: the next assets of a run do not wait once more.
_GIVEN_UP: dict[Path, tuple[float, float]] = {}


@contextlib.contextmanager
def duckdb_writer(
    path: Path, log: logging.Logger, reader_wait: float = READER_WAIT_SECONDS, patience: float = math.inf
) -> Iterator[None]:
    """Hold a DuckDB file for writing. Our runs queue as long as it takes, other programs get ``reader_wait`` seconds.

    Both get no more than ``patience``. A program that had its time when an asset of this run waited gets no more of it.

    A connection keeps the file meanwhile: dlt opens several in turn, and a reader could come between them. It bounds
    DuckDB's memory too, for DuckDB by itself takes most of the machine's for a large merge; a ``memory_limit`` in the
    credentials' ``global_config`` comes later and wins. Raises ``ApiError`` (warehouse busy) naming the file and the
    process that holds it, or the run.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = filelock.FileLock(f"{path}.lock")
    _wait(lambda: _acquired(lock), f"another run to finish writing {path.name}", patience, log)
    try:
        connection = _connect(path, min(reader_wait, patience), log)
        try:
            connection.execute(f"SET memory_limit = '{_MEMORY_MB_PER_CORE * max(2, os.cpu_count() or 2)}MB'")
            yield
        finally:
            connection.close()
    finally:
        lock.release()


@contextlib.contextmanager
def postgres_writer(
    client: SqlClientBase[object], dataset: str, part: str, log: logging.Logger, patience: float = math.inf
) -> Iterator[None]:
    """Hold a part of a dataset for writing, or all of it (``""``), by advisory locks of the session ``client`` opens.

    A part is what has a writer of its own: an endpoint, or ``TABLES``. Our runs queue as long as it takes, or
    ``patience`` seconds; then it raises ``ApiError`` (warehouse busy).
    """
    locks = [("pg_try_advisory_lock", "")]
    if part:
        # whoever wants all of it waits for those that have a part
        locks = [("pg_try_advisory_lock_shared", ""), ("pg_try_advisory_lock", f" {part}")]
    with client:
        for function, name in locks:

            def acquired(function: str = function, name: str = name) -> bool:
                rows = client.execute_sql(f"SELECT {function}(hashtext(%s))", f"analytics_assets {dataset}{name}")
                return bool(rows and rows[0][0])

            _wait(acquired, f"another run to finish writing {dataset}{'.' if part else ''}{part}", patience, log)
        yield


def _wait(acquired: Callable[[], bool], what_for: str, patience: float, log: logging.Logger) -> None:
    """Poll until acquired, and say every few seconds what is waited for."""
    began = logged = time.monotonic()
    while not acquired():
        if time.monotonic() - began > patience:
            raise ApiError("warehouse busy", f"warehouse busy: waited {patience:g} s for {what_for}")
        pause(_POLL_SECONDS)
        if time.monotonic() - logged > _LOG_EVERY_SECONDS:
            logged = time.monotonic()
            log.info("waiting for %s, %.0f s so far", what_for, logged - began)
    if time.monotonic() - began > _POLL_SECONDS:
        log.info("waited %.1f s for %s", time.monotonic() - began, what_for)


def _acquired(lock: filelock.BaseFileLock) -> bool:
    try:
        lock.acquire(blocking=False)
    except filelock.Timeout:
        return False
    return True


def _connect(path: Path, wait: float, log: logging.Logger) -> duckdb.DuckDBPyConnection:
    began, given_up = _GIVEN_UP.pop(path, (time.monotonic(), -math.inf))
    if time.monotonic() - given_up > wait:
        began = time.monotonic()
    is_logged = False
    while True:
        try:
            return duckdb.connect(path)
        except duckdb.IOException as error:
            if "Could not set lock" not in str(error):
                raise
            held = _HOLDER.search(str(error))
            holder = f"another program ({held[1]}, PID {held[2]})" if held else "another program"
        if time.monotonic() - began > wait:
            _GIVEN_UP[path] = began, time.monotonic()
            what = f"{holder} has had {path.name} open for more than {wait:g} s; close the file there"
            raise ApiError("warehouse busy", f"warehouse busy: {what}")
        if not is_logged:
            log.info("waiting for %s to close %s", holder, path.name)
            is_logged = True
        pause(_POLL_SECONDS)
