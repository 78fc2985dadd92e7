"""Loads in processes of their own, and a PostgreSQL database of the session's own."""

import os
import secrets
from collections.abc import Iterator
from contextlib import closing
from multiprocessing.util import get_temp_dir
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg2  # type: ignore[import-untyped]
import pytest

from analytics_assets_tests.concurrency.loader import Loads
from analytics_assets_tests.project import Project, Row

_SERVER = "postgresql://postgres:unused@127.0.0.1:5432/test"


class Postgres:
    """A PostgreSQL database: its address, and what stands in it."""

    def __init__(self, url: str) -> None:
        """Keep the address."""
        self.url = url

    def execute(self, sql: str) -> list[tuple[Any, ...]]:
        """Run a statement and return its rows."""
        with closing(psycopg2.connect(self.url)) as connection:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute(sql)
                return cursor.fetchall() if cursor.description else []

    def schemas(self) -> list[str]:
        """Return the schemas that loads have made, in order."""
        found = self.execute("SELECT nspname FROM pg_namespace WHERE nspname LIKE 'analytics%' ORDER BY nspname")
        return [name for (name,) in found]

    def table(self, name: str, order: str = "id") -> list[Row]:
        """Return a table without dlt's own columns."""
        row = "to_jsonb(t) - '_dlt_id' - '_dlt_load_id'"
        return [found for (found,) in self.execute(f"SELECT {row} FROM analytics.{name} AS t ORDER BY {order}")]  # noqa: S608


@pytest.fixture(autouse=True, scope="session")
def _short_sockets() -> None:
    """Have multiprocessing choose its folder before a test's own is: a socket's path has to be under 108 characters."""
    get_temp_dir()


@pytest.fixture
def loads(project: Project) -> Iterator[Loads]:
    """Return what starts loads; their working directories are in ``tmp`` in the project's folder."""
    with Loads(project.path / "tmp") as started:
        yield started


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Postgres]:
    """Return a database that is made for this session and dropped after it."""
    address = os.environ.get("ANALYTICS_TEST_POSTGRES", _SERVER)
    server, name = Postgres(address), f"analytics_test_{secrets.token_hex(4)}"
    try:
        server.execute(f"CREATE DATABASE {name}")
    except psycopg2.OperationalError as error:
        missing = (
            "no PostgreSQL: start one and give the address of a user who may create databases as "
            f"ANALYTICS_TEST_POSTGRES, such as {_SERVER} ({error})"
        )
        (pytest.fail if os.environ.get("REQUIRE_ALL") == "1" else pytest.skip)(missing)
    try:
        yield Postgres(urlsplit(address)._replace(path=f"/{name}").geturl())
    finally:
        server.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def postgres(postgres_server: Postgres, project: Project, monkeypatch: pytest.MonkeyPatch) -> Postgres:  # noqa: ARG001
    """Make an empty PostgreSQL database the warehouse."""
    for schema in postgres_server.schemas():
        postgres_server.execute(f"DROP SCHEMA {schema} CASCADE")
    monkeypatch.setenv("DESTINATION__WAREHOUSE__DESTINATION_TYPE", "postgres")
    monkeypatch.setenv("DESTINATION__WAREHOUSE__CREDENTIALS", postgres_server.url)
    return postgres_server


def working_directories(project: Project) -> list[Path]:
    """Return the working directories that are left."""
    return sorted((project.path / "tmp").glob("analytics-assets-*/*/"))
