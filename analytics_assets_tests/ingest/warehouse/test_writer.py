"""What the one writer of a warehouse holds, and what it keeps to; ``concurrency/`` has many of them at once."""

import logging
import os
import time

import duckdb
import filelock
import pytest

from analytics_assets.ingest.opening import open_warehouse
from analytics_assets.ingest.warehouse.writer import duckdb_writer
from analytics_assets_tests.project import Project
from analytics_assets_tests.warehouses import Postgres

pytestmark = pytest.mark.duckdb

LOG = logging.getLogger(__name__)


def _memory_limit() -> str:
    with open_warehouse() as warehouse, warehouse.writer(), warehouse.sql() as client:
        [(limit,)] = client.execute_sql("SELECT current_setting('memory_limit')") or []
    return str(limit)


def test_duckdb_keeps_to_its_memory(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """It takes 128 MB for each core, not most of the machine's memory; a limit in the credentials wins."""
    monkeypatch.setattr(os, "cpu_count", lambda: 3)
    assert _memory_limit() == "366.2 MiB"
    monkeypatch.delenv("DESTINATION__WAREHOUSE__CREDENTIALS", raising=False)
    monkeypatch.setenv("DESTINATION__WAREHOUSE__CREDENTIALS__DATABASE", str(project.path / "other.duckdb"))
    monkeypatch.setenv("DESTINATION__WAREHOUSE__CREDENTIALS__GLOBAL_CONFIG", '{"memory_limit": "700MiB"}')
    assert _memory_limit() == "700.0 MiB"


def test_a_duckdb_file_is_free_again_after_a_failure(project: Project) -> None:
    """Nobody else has its lock during the block, in a folder that may be new; what fails inside leaves nothing held."""
    path = project.path / "a new folder" / "warehouse.duckdb"
    lock = filelock.FileLock(f"{path}.lock")

    def fails() -> None:
        with duckdb_writer(path, LOG):
            with pytest.raises(filelock.Timeout):
                lock.acquire(blocking=False)
            raise LookupError

    with pytest.raises(LookupError):
        fails()
    with lock.acquire(blocking=False), duckdb.connect(path) as connection:
        connection.execute("CREATE TABLE t (id INTEGER)")


def test_a_file_that_is_no_warehouse_is_not_waited_for(project: Project) -> None:
    """Only another program's lock can pass; what DuckDB says of anything else is told at once, and the lock is free."""
    path = project.path / "warehouse.duckdb"
    path.write_text("this is no database" * 1000)
    began = time.monotonic()
    with pytest.raises(duckdb.IOException, match="not a valid DuckDB"), duckdb_writer(path, LOG):
        pass
    assert time.monotonic() - began < 30
    filelock.FileLock(f"{path}.lock").acquire(blocking=False).lock.release()


@pytest.mark.postgres
def test_a_postgres_dataset_is_held_for_the_block_alone(postgres: Postgres) -> None:
    """No other session gets the dataset's lock meanwhile, and another dataset's is free."""

    def is_free(dataset: str) -> bool:
        [(free,)] = postgres.execute(f"SELECT pg_try_advisory_lock(hashtext('analytics_assets {dataset}'))")
        return bool(free)

    with open_warehouse() as warehouse:
        assert is_free("analytics")
        with warehouse.writer():
            assert not is_free("analytics")
            assert is_free("other")
        assert is_free("analytics")
