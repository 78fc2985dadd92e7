"""First starts at once: Dagster's storage is made by one of them, and the others wait for it."""

import multiprocessing
import os
import shutil
from contextlib import closing
from pathlib import Path
from typing import Any

import dagster as dg
import psycopg2  # type: ignore[import-untyped]
import pytest

from analytics_assets.commands.first_start import make_history
from analytics_assets.ingest.configured import SettingError
from analytics_assets_tests.project import Project
from analytics_assets_tests.warehouses import Postgres, new_database

_FORK = multiprocessing.get_context("fork")
_POSTGRES = "storage:\n  postgres:\n    postgres_url: {env: DAGSTER_POSTGRES_URL}\n"
_CUSTOM = """storage:
  custom:
    module: analytics_assets.cluster.storage
    class: ClusterStorage
    config:
      postgres_url: {env: DAGSTER_POSTGRES_URL}
"""


def _start(home: Path, together: Any) -> None:  # noqa: ANN401 - a context's barrier
    os.environ["DAGSTER_HOME"] = str(home)
    together.wait(60)
    make_history()
    with dg.DagsterInstance.get() as instance:
        instance.create_run_for_job(_job)


def exit_codes(home: Path) -> list[int | None]:
    """Return those of eight processes that are all the first."""
    together = _FORK.Barrier(8)
    processes = [_FORK.Process(target=_start, args=(home, together), daemon=True) for _ in range(8)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(100)
    return [process.exitcode for process in processes]


def runs(home: Path) -> int:
    """Return how many runs the history has."""
    with dg.DagsterInstance.from_config(str(home)) as instance:
        return instance.get_runs_count()


def test_eight_at_once_on_this_machine(project: Project) -> None:
    """On files, as ``dagster.yaml`` of this folder has them: no migration runs into another."""
    assert exit_codes(project.path) == [0] * 8
    assert runs(project.path) == 8


@pytest.mark.postgres
def test_eight_at_once_on_postgres(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """In PostgreSQL, as from eight machines: their folders are not the same, the database is."""
    with new_database() as database:
        monkeypatch.setenv("DAGSTER_POSTGRES_URL", database.url)
        (project.path / "dagster.yaml").write_text(_POSTGRES)
        assert exit_codes(project.path) == [0] * 8
        assert runs(project.path) == 8
        assert not (project.path / ".dagster").exists()


@pytest.mark.postgres
@pytest.mark.parametrize("text", [_POSTGRES, _CUSTOM], ids=["postgres", "custom"])
def test_it_waits_for_another_machine(project: Project, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    """Nothing is made in PostgreSQL while another one is about to make it there."""
    with new_database() as database:
        monkeypatch.setenv("DAGSTER_POSTGRES_URL", database.url)
        monkeypatch.setenv("DAGSTER_HOME", str(project.path))
        (project.path / "dagster.yaml").write_text(text)
        with closing(psycopg2.connect(database.url)) as other, other.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_lock(hashtextextended('analytics_assets first start', 0))")
            process = _FORK.Process(target=make_history, daemon=True)
            process.start()
            process.join(2)
            assert process.is_alive()
            assert database.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'") == [(0,)]
        process.join(60)
        assert process.exitcode == 0
        assert runs(project.path) == 0


@pytest.mark.postgres
def test_postgres_by_parts(project: Project, postgres_server: Postgres, monkeypatch: pytest.MonkeyPatch) -> None:
    """``postgres_db`` in the place of an address is understood as well; a variable that is not set is named."""
    monkeypatch.setenv("DAGSTER_HOME", str(project.path))
    host, _, name = postgres_server.url.rpartition("@")[2].partition("/")
    parts = f"{{hostname: {{env: PG_HOST}}, port: {host.partition(':')[2]}, username: postgres, password: unused}}"
    text = parts.replace("username", f"db_name: {name}, username")
    (project.path / "dagster.yaml").write_text(f"storage:\n  postgres:\n    postgres_db: {text}\n")
    with pytest.raises(SettingError, match=r"PG_HOST is not set, which dagster\.yaml reads"):
        make_history()
    monkeypatch.setenv("PG_HOST", host.partition(":")[0])
    make_history()
    assert runs(project.path) == 0


def test_without_a_dagster_yaml(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where Dagster takes its defaults, the lock is in the folder all the same."""
    home = project.path / "elsewhere"
    home.mkdir()
    monkeypatch.setenv("DAGSTER_HOME", str(home))
    make_history()
    assert (home / "history" / "runs.db").is_file()
    shutil.rmtree(home)


@dg.job
def _job() -> None:
    """Do nothing."""
