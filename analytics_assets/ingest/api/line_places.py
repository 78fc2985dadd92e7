"""Where the line is kept that all runs stand in: a file of this machine, or a row of a PostgreSQL for all machines.

What belongs here: how it is read and changed by one at a time, and whose clock its moments are of.
"""

import contextlib
import fcntl
import hashlib
import mmap
import os
import struct
import threading
import time
from collections.abc import Callable
from typing import Any, Protocol, TypeVar

import psycopg2

from analytics_assets.ingest.api.line import Line
from analytics_assets.ingest.cancelling import pause
from analytics_assets.ingest.errors import ApiError
from analytics_assets.ingest.key import load_budget_address
from analytics_assets.ingest.settings import Settings
from analytics_assets.ingest.workdir import shared_directory

_NUMBERS = struct.Struct("<12d")
# What was read of the database is believed for so long, or each request would ask it first.
_FRESH_SECONDS = 0.1
# A database that is restarted is waited for so long.
_PATIENCE_SECONDS = 60.0
_AGAIN_SECONDS = 0.5
# A process that is stopped while it has the row would hold back the fleet.
_ROW_SECONDS = 5
_T = TypeVar("_T")


class Place(Protocol):
    """Where a line is kept."""

    def now(self) -> float:
        """Return the time by this place's clock."""

    def read(self) -> tuple[Line, float]:
        """Return the line as it was a moment ago, and the time."""

    def change(self, what: Callable[[Line, float], _T]) -> _T:
        """Have the line changed by one at a time, and return what that returns; after a fault it may be called anew."""

    def close(self) -> None:
        """Let go of it."""


def place_of(settings: Settings) -> Place:
    """Return the place that the settings name; raises ``SettingError`` where it is not said which database it is."""
    name = hashlib.sha256(settings.base_url.encode()).hexdigest()[:16]
    return OnMachine(name) if settings.rate_budget == "machine" else InPostgres(name, load_budget_address())


def _of_this_time(numbers: tuple[float, ...], now: float) -> Line:
    """Return the line; one that was written later than now is of before a clock began anew."""
    line = Line.of_numbers(numbers)
    return line if line.written_at <= now else Line()


class OnMachine:
    """A file under a lock of the kernel. Its moments are of the machine's monotonic clock, which nobody can set."""

    def __init__(self, name: str) -> None:
        self._file = os.open(shared_directory() / f"pace-{name}", os.O_RDWR | os.O_CREAT, 0o600)
        os.ftruncate(self._file, _NUMBERS.size)
        self._shared = mmap.mmap(self._file, _NUMBERS.size)
        # flock holds back other processes, this one the threads of ours, which share the open file
        self._threads = threading.Lock()

    def now(self) -> float:
        """Return the time by the machine's clock."""
        return time.monotonic()

    def read(self) -> tuple[Line, float]:
        """Return the line and the time; nobody is waited for."""
        now = time.monotonic()
        return _of_this_time(_NUMBERS.unpack_from(self._shared), now), now

    def change(self, what: Callable[[Line, float], _T]) -> _T:
        """Change it under the lock."""
        with self._threads:
            fcntl.flock(self._file, fcntl.LOCK_EX)
            try:
                line, now = self.read()
                result = what(line, now)
                line.written_at = now
                _NUMBERS.pack_into(self._shared, 0, *line.numbers())
            finally:
                fcntl.flock(self._file, fcntl.LOCK_UN)
        return result

    def close(self) -> None:
        """Close the file."""
        with contextlib.suppress(OSError):
            os.close(self._file)


_MAKE = """
SELECT pg_advisory_xact_lock(hashtextextended('analytics_assets pace', 0));
CREATE TABLE IF NOT EXISTS analytics_assets_pace (api text PRIMARY KEY, line double precision[] NOT NULL)"""
_ADD = """
INSERT INTO analytics_assets_pace VALUES (%s, array_fill(0::double precision, ARRAY[12])) ON CONFLICT DO NOTHING"""
_READ = """
SELECT line, extract(epoch FROM clock_timestamp())::double precision FROM analytics_assets_pace WHERE api = %s"""
# The clock is asked once the row is ours: a SELECT that waits for its lock has read the clock before.
_TAKE = f"BEGIN; SELECT FROM analytics_assets_pace WHERE api = %s FOR UPDATE; {_READ}"
_WRITE = "UPDATE analytics_assets_pace SET line = %s WHERE api = %s; COMMIT"


class InPostgres:
    """A row of a table, changed under its lock. Its moments are of the server's clock, which all machines share."""

    def __init__(self, name: str, address: str) -> None:
        self._name = name
        self._address = address
        self._threads = threading.Lock()
        self._connection: Any = None
        self._line, self._read_at, self._ahead = Line(), -_FRESH_SECONDS, 0.0

    def now(self) -> float:
        """Return the time by the server's clock, as far as it is known."""
        return time.monotonic() + self._ahead

    def read(self) -> tuple[Line, float]:
        """Return the line, no older than a tenth of a second, and the time."""
        if time.monotonic() - self._read_at > _FRESH_SECONDS:
            with self._threads:
                if time.monotonic() - self._read_at > _FRESH_SECONDS:
                    self._patiently(lambda: self._take_in(_READ, self._name))
        return self._line, self.now()

    def change(self, what: Callable[[Line, float], _T]) -> _T:
        """Change it in a transaction."""

        def once() -> _T:
            now = self._take_in(_TAKE, self._name, self._name)
            line = Line.of_numbers(self._line.numbers())
            result = what(line, now)
            line.written_at = now
            with self._connection.cursor() as cursor:
                cursor.execute(_WRITE, (list(line.numbers()), self._name))
            self._line = line
            return result

        with self._threads:
            return self._patiently(once)

    def close(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            with contextlib.suppress(psycopg2.Error):
                self._connection.close()
            self._connection = None

    def _take_in(self, sql: str, *values: str) -> float:
        """Read line and clock, and return the time."""
        with self._connection.cursor() as cursor:
            cursor.execute(sql, values)
            numbers, now = cursor.fetchone()
        self._read_at = time.monotonic()
        # by no more than the answer took, this is too little: whoever waits for a moment is never too early
        self._ahead = now - self._read_at
        self._line = _of_this_time(tuple(numbers), now)
        return float(now)

    def _patiently(self, what: Callable[[], _T]) -> _T:
        """Do it, and once more for a minute where the database is gone; raises ``ApiError`` (connection lost)."""
        until = time.monotonic() + _PATIENCE_SECONDS
        while True:
            try:
                if self._connection is None:
                    self._connection = self._connected()
                return what()
            except psycopg2.Error as error:
                self.close()
                if not isinstance(error, psycopg2.OperationalError | psycopg2.InterfaceError):
                    raise
                if time.monotonic() > until:
                    reason = str(error).strip().splitlines()[0]
                    what_for = f"the rate budget's PostgreSQL (RATE_BUDGET_URL) does not answer: {reason}"
                    raise ApiError("connection lost", f"connection lost: {what_for}") from None
            except BaseException:
                # a transaction may be open in it
                self.close()
                raise
            pause(_AGAIN_SECONDS)

    def _connected(self) -> Any:  # noqa: ANN401 (psycopg2 has no types)
        connection = psycopg2.connect(
            self._address,
            application_name="analytics_assets rate budget",
            connect_timeout=10,
            keepalives_idle=10,
            keepalives_interval=5,
            keepalives_count=3,
            tcp_user_timeout=30_000,
            options=f"-c idle_in_transaction_session_timeout={1000 * _ROW_SECONDS}",
        )
        with connection, connection.cursor() as cursor:
            cursor.execute(_MAKE)
            cursor.execute(_ADD, (self._name,))
        connection.autocommit = True
        return connection
