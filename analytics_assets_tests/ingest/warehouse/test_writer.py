"""What the one writer of a warehouse holds, and what it keeps to; ``concurrency/`` has many of them at once."""

import os

import pytest

from analytics_assets.ingest.load import open_warehouse
from analytics_assets_tests.project import Project


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
