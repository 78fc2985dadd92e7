"""The two warehouses that tests load into: a project's DuckDB file, and a PostgreSQL database of the session's own."""

import json
import os
import re
import secrets
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import duckdb
import psycopg2  # type: ignore[import-untyped]
import pytest

from analytics_assets.ingest.opening import read_warehouse
from analytics_assets_tests.project import EVERYWHERE, Project, Row

_SERVER = "postgresql://postgres:unused@127.0.0.1:5432/test"


class Postgres:
    """A PostgreSQL database: its address, and what stands in it."""

    staging = "analytics_staging_stories"
    """The schema that stories are staged in."""

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
        """Return a table without the columns that every table has."""
        row = f"to_jsonb(t) - ARRAY{list(EVERYWHERE)}"
        return [found for (found,) in self.execute(f"SELECT {row} FROM analytics.{name} AS t ORDER BY {order}")]  # noqa: S608


class Duckdb:
    """A project's DuckDB file."""

    staging = "analytics_staging"

    def __init__(self, project: Project) -> None:
        """Keep the project."""
        self._path = str(project.path / "warehouse.duckdb")

    def execute(self, sql: str) -> list[tuple[object, ...]]:
        """Run a query and return its rows."""
        with duckdb.connect(self._path, read_only=True) as connection:
            return connection.execute(sql).fetchall()

    def change(self, sql: str) -> None:
        """Run a statement that changes something."""
        with duckdb.connect(self._path) as connection:
            connection.execute(sql)

    def schemas(self) -> list[str]:
        """Return the schemas that loads have made, in order."""
        found = self.execute("SELECT schema_name FROM information_schema.schemata WHERE schema_name LIKE 'analytics%'")
        return sorted(str(name) for (name,) in found)


class Lake:
    """The Delta tables of a project's lake, read by SQL as the project reads them."""

    def __init__(self, folder: Path) -> None:
        """Keep the folder."""
        self._folder = folder

    def execute(self, sql: str) -> list[tuple[Any, ...]]:
        """Run a query and return its rows; a table that it names, as a text too, is there as a view."""
        with read_warehouse() as client:
            client.create_views_for_tables(dict.fromkeys(re.findall(r"\w+", sql), ""))
            return client.native_connection.sql(sql).fetchall()

    def schemas(self) -> list[str]:
        """Return the folders that loads have made, in order."""
        return sorted(path.name for path in self._folder.iterdir())


Warehouse = Duckdb | Postgres | Lake


@contextmanager
def new_database() -> Iterator[Postgres]:
    """Make a database of PostgreSQL, and drop it in the end; skips with a line that says what to do where none runs."""
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


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Postgres]:
    """Return a database that is made for this session and dropped after it."""
    with new_database() as database:
        yield database


@pytest.fixture
def postgres(postgres_server: Postgres, project: Project, monkeypatch: pytest.MonkeyPatch) -> Postgres:  # noqa: ARG001
    """Make an empty PostgreSQL database the warehouse."""
    stand_on(postgres_server, monkeypatch)
    return postgres_server


def stand_on(database: Postgres, monkeypatch: pytest.MonkeyPatch) -> None:
    """Empty a database, and make it the warehouse."""
    for schema in database.schemas():
        database.execute(f"DROP SCHEMA {schema} CASCADE")
    monkeypatch.setenv("DESTINATION__WAREHOUSE__DESTINATION_TYPE", "postgres")
    monkeypatch.setenv("DESTINATION__WAREHOUSE__CREDENTIALS", database.url)


@pytest.fixture
def lake(project: Project, monkeypatch: pytest.MonkeyPatch) -> Lake:
    """Make a lake in a folder the warehouse."""
    monkeypatch.setenv("DESTINATION__WAREHOUSE__DESTINATION_TYPE", "filesystem")
    folder = project.path / "my lake"
    monkeypatch.setenv("DESTINATION__WAREHOUSE__BUCKET_URL", str(folder))
    return Lake(folder)


@pytest.fixture(
    params=[
        pytest.param("duckdb", marks=pytest.mark.duckdb),
        pytest.param("postgres", marks=pytest.mark.postgres),
    ]
)
def warehouse(request: pytest.FixtureRequest, project: Project) -> Warehouse:
    """Return each of the two warehouses in turn."""
    return Duckdb(project) if request.param == "duckdb" else request.getfixturevalue("postgres")


def change(warehouse: Warehouse, sql: str) -> None:
    """Run a statement that changes something."""
    if isinstance(warehouse, Duckdb):
        warehouse.change(sql)
    else:
        warehouse.execute(sql)


def types(warehouse: Warehouse, table: str) -> dict[str, str]:
    """Return the types of a table's columns in the database's words and the table's order, without those everywhere."""
    found = warehouse.execute(
        "SELECT column_name, data_type FROM information_schema.columns "  # noqa: S608 - names of the tests
        f"WHERE table_schema = 'analytics' AND table_name = '{table}' ORDER BY ordinal_position"
    )
    return {str(name): str(kind).lower() for name, kind in found if name not in EVERYWHERE}


def contents(warehouse: Warehouse, table: str, order: str = "id") -> list[Row]:
    """Return a table's rows, JSON parsed, without the columns that are null and those everywhere."""
    columns = types(warehouse, table)
    chosen = ", ".join(f'CAST("{name}" AS TEXT)' if "json" in kind else f'"{name}"' for name, kind in columns.items())
    rows = warehouse.execute(f"SELECT {chosen} FROM analytics.{table} ORDER BY {order}")  # noqa: S608 - the same
    return [
        {
            name: json.loads(str(value)) if "json" in kind else value
            for (name, kind), value in zip(columns.items(), row, strict=True)
            if value is not None
        }
        for row in rows
    ]
