"""Dagster's storage, made before anything uses it: several processes that are the first would fail in its migrations.

What belongs here: whoever comes first makes it, and the others wait for him. On one machine that is a lock of the
kernel, and where the history is in PostgreSQL one of the database; both go with the process.
"""

import contextlib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import dagster as dg
import filelock
import psycopg2
import yaml

from analytics_assets.ingest.configured import SettingError
from analytics_assets.ingest.postgres_address import checked_address

_LOCK = Path(".dagster", "first-start.lock")


def make_history() -> None:
    """Have Dagster make the storage that ``dagster.yaml`` in ``DAGSTER_HOME`` names, if it is not there."""
    with open_history():
        pass


def open_history() -> dg.DagsterInstance:
    """Return the instance that ``DAGSTER_HOME`` names, to be entered, with its storage made if it was not there."""
    with _one_at_a_time(Path(os.environ["DAGSTER_HOME"])):
        return dg.DagsterInstance.get()


@contextlib.contextmanager
def _one_at_a_time(home: Path) -> Iterator[None]:
    postgres = _postgres_of(home)
    if not postgres:
        path = home / _LOCK
        path.parent.mkdir(parents=True, exist_ok=True)
        with filelock.FileLock(path):
            yield
        return
    with contextlib.closing(psycopg2.connect(**postgres)) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(hashtextextended('analytics_assets first start', 0))")
        yield


def _postgres_of(home: Path) -> dict[str, Any]:
    """Return how to connect to the PostgreSQL that Dagster's history is in; empty where it is in none."""
    path = home / "dagster.yaml"
    config = yaml.safe_load(path.read_text()) if path.is_file() else None
    storage = (config or {}).get("storage") or {}
    # a class of somebody's own, such as ours, is told the same
    postgres = _given(storage.get("postgres") or (storage.get("custom") or {}).get("config") or {})
    if "postgres_db" in postgres:
        names = {"username": "user", "password": "password", "hostname": "host", "db_name": "dbname", "port": "port"}
        return {names[name]: value for name, value in postgres["postgres_db"].items() if name in names}
    if "postgres_url" in postgres:
        return {"dsn": checked_address("postgres_url in dagster.yaml", postgres["postgres_url"])}
    return {}


def _given(config: Mapping[str, Any]) -> dict[str, Any]:
    """Put in what stands in the environment, as Dagster does: ``{env: NAME}``."""
    return {
        name: (_variable(inner["env"]) if list(inner) == ["env"] else _given(inner))
        if isinstance(inner, dict)
        else inner
        for name, inner in config.items()
    }


def _variable(name: str) -> str:
    if not os.environ.get(name):
        raise SettingError(f"{name} is not set, which dagster.yaml reads: docs/cluster.md says what it is")
    return os.environ[name]
