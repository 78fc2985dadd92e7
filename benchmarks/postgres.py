"""The PostgreSQL that loads go into, if there is one: a new database for each run, as DuckDB has a new file."""

import contextlib
import os
import secrets
from collections.abc import Iterator
from urllib.parse import urlsplit

import psycopg2  # type: ignore[import-untyped]

# the same variable, and the same address without it, as the tests have
_VARIABLE = "ANALYTICS_TEST_POSTGRES"
_SERVER = "postgresql://postgres:unused@127.0.0.1:5432/test"

HOW_TO = f"start one and give the address of a user who may create databases as `{_VARIABLE}`, such as {_SERVER}"


@contextlib.contextmanager
def fresh_database() -> Iterator[str]:
    """Give the address of a database that is made for the block and dropped after it; ``psycopg2.Error`` if none."""
    server, name = os.environ.get(_VARIABLE, _SERVER), f"analytics_bench_{secrets.token_hex(4)}"
    _execute(server, f"CREATE DATABASE {name}")
    try:
        yield urlsplit(server)._replace(path=f"/{name}").geturl()
    finally:
        _execute(server, f"DROP DATABASE {name} WITH (FORCE)")


def missing() -> str:
    """Return in one line why there is no PostgreSQL to load into; empty when there is."""
    try:
        with fresh_database():
            return ""
    except psycopg2.Error as error:
        return str(error).strip().partition("\n")[0]


def _execute(server: str, sql: str) -> None:
    with contextlib.closing(psycopg2.connect(server, connect_timeout=10)) as connection:
        # a database is not made within a transaction
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(sql)
