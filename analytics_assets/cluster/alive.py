"""Whether the process of a run lives: it holds a lock in Dagster's PostgreSQL, which goes with its connection.

The server drops an advisory lock of a session when the session ends: at once where the process ends or is killed, and
twenty seconds later where its machine is gone or cut off. So nobody has to write that he is alive, a run that is
held is never begun by another worker, and one that nobody holds is lost.
"""

import contextlib
import logging
import os
import signal
import threading
import time
from collections.abc import Iterator
from typing import Any

import psycopg2

from analytics_assets.lost import LOST_SECONDS

_LOOK_SECONDS = 2.0
_HELD = """
SELECT EXISTS (
  SELECT FROM pg_locks WHERE locktype = 'advisory' AND granted AND objsubid = 1
  AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
  AND (classid::bigint << 32) | objid::bigint = hashtextextended('analytics_assets run ' || %s, 0)
)"""
_TAKE = "SELECT pg_try_advisory_lock(hashtextextended('analytics_assets run ' || %s, 0))"
_SESSION = "SELECT pid, backend_start FROM pg_stat_activity WHERE pid = pg_backend_pid()"
# what is left of a connection that was cut off keeps the lock until the server notices
_END_SESSION = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE pid = %s AND backend_start = %s"
_LOG = logging.getLogger("analytics_assets")


class RunLock:
    """The lock of one run. ``address`` is that of Dagster's PostgreSQL, which must not be a pooler's.

    The process of a run that is lost after ``lost_seconds`` ends itself after half of that.
    """

    def __init__(self, address: str, run_id: str, lost_seconds: float = LOST_SECONDS) -> None:
        """Connect nowhere yet."""
        self._address = address
        self._run_id = run_id
        self._patience = lost_seconds / 2
        self._step = min(_LOOK_SECONDS, self._patience / 4)
        self._held_at = 0.0
        self._connection: psycopg2.extensions.connection | None = None
        self._session: tuple[Any, ...] = ()

    @contextlib.contextmanager
    def held(self) -> Iterator[bool]:
        """Hold the lock, and say whether it was free; where it cannot be held for long, this process is killed."""
        began = time.monotonic()
        if not self._acquire():
            self._close()
            yield False
            return
        self._held_at = began
        ended = threading.Event()
        # two of them: a server that is cut off may leave the one that asks it without an answer for ever
        asking = threading.Thread(target=self._ask, args=(ended,), name="run lock", daemon=True)
        asking.start()
        threading.Thread(target=self._watch, args=(ended,), name="run lock's watch", daemon=True).start()
        try:
            yield True
        finally:
            ended.set()
            asking.join(self._patience)

    def is_held(self) -> bool:
        """Say whether any process holds it."""
        with contextlib.closing(_connect(self._address)) as connection:
            return bool(_asked(connection, _HELD, self._run_id)[0])

    def _acquire(self) -> bool:
        self._close()
        self._connection = _connect(self._address)
        if self._session:
            _asked(self._connection, _END_SESSION, *self._session)
        self._session = _asked(self._connection, _SESSION)
        return bool(_asked(self._connection, _TAKE, self._run_id)[0])

    def _close(self) -> None:
        if self._connection is not None:
            with contextlib.suppress(psycopg2.Error):
                self._connection.close()
            self._connection = None

    def _ask(self, ended: threading.Event) -> None:
        """Look after the connection, and make a new one where it is lost."""
        while not ended.wait(self._step):
            began = time.monotonic()
            try:
                is_held = self._acquire() if self._connection is None else bool(_asked(self._connection, "SELECT true"))
            except psycopg2.Error:
                is_held = False
            if is_held:
                self._held_at = began
            else:
                self._close()
        self._close()

    def _watch(self, ended: threading.Event) -> None:
        """Kill this process in time, or it would go on beside the run that is started in its place."""
        while not ended.wait(self._step):
            if time.monotonic() - self._held_at > self._patience:
                _LOG.error("run %s: Dagster's PostgreSQL does not answer, so this process ends", self._run_id)
                os.kill(os.getpid(), signal.SIGKILL)


def _asked(connection: "psycopg2.extensions.connection", sql: str, *values: object) -> tuple[Any, ...]:
    with connection.cursor() as cursor:
        cursor.execute(sql, values)
        return tuple(cursor.fetchone())


def _connect(address: str) -> "psycopg2.extensions.connection":
    """Connect so that neither side waits long for one that is gone: the kernel asks."""
    # of the server: it asks a silent client after ten seconds, and twice
    options = "-c tcp_keepalives_idle=10 -c tcp_keepalives_interval=5 -c tcp_keepalives_count=2"
    connection = psycopg2.connect(
        address,
        application_name="analytics_assets run",
        connect_timeout=5,
        keepalives_idle=5,
        keepalives_interval=2,
        keepalives_count=2,
        tcp_user_timeout=8000,
        options=options,
    )
    connection.autocommit = True
    return connection
