"""Moves a dataset with its history from a DuckDB file into PostgreSQL: all of it and proven alike, or nothing.

All is one transaction. Tables are made as dlt makes them, from the schema that it has stored; its own tables come
along, so that the next load goes on where the last one ended.
"""

import io
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from dlt.common.destination.dataset import DBApiCursor
from dlt.common.schema import Schema
from dlt.common.schema.typing import TColumnSchema
from dlt.destinations.job_client_impl import SqlJobClientBase
from dlt.destinations.sql_client import SqlClientBase

from analytics_assets.ingest.database_errors import told
from analytics_assets.ingest.departures import table_statements
from analytics_assets.ingest.errors import ApiError
from analytics_assets.ingest.settings import Settings
from analytics_assets.ingest.warehouse.destination import SCHEMA
from analytics_assets.ingest.warehouse.figures import difference, figures
from analytics_assets.ingest.warehouse.indexes import index_tables
from analytics_assets.ingest.warehouse.layout_version import refuse_newer, stored_schema
from analytics_assets.ingest.warehouse.view import Tables
from analytics_assets.ingest.warehouse.views import make_views
from analytics_assets.ingest.warehouse.warehouse import Warehouse

_PATIENCE_SECONDS = 5.0
_ROWS_AT_ONCE = 10_000
# DuckDB's types of columns, without precision, that dlt knows in PostgreSQL too
_MOVABLE = {"VARCHAR", "JSON", "BOOLEAN", "DATE", "TIME", "TIMESTAMP", "TIMESTAMP WITH TIME ZONE"}
_MOVABLE |= {"SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "DECIMAL", "DOUBLE"}
# what COPY reads as something else, and how it is written then
_ESCAPED = (("'\\'", "'\\\\'"), ("chr(9)", "'\\t'"), ("chr(10)", "'\\n'"), ("chr(13)", "'\\r'"))


@dataclass(frozen=True)
class Held:
    """What is to be moved: dlt's schema of it, and its tables, each with its columns and dlt's data types."""

    schema: Schema
    tables: Mapping[str, Mapping[str, str]]
    left: list[str]
    """Tables that no load has made, which stay where they are."""


@dataclass
class Moved:
    """What was moved: by table its rows, and of how many days they are; and what was left behind."""

    tables: dict[str, tuple[int, int]] = field(default_factory=dict)
    left: list[str] = field(default_factory=list)


def move(source: Warehouse, target: Warehouse, settings: Settings, log: logging.Logger) -> Moved:
    """Copy all tables of a DuckDB file into a PostgreSQL that has none yet, and prove that they are alike.

    Nothing is loaded into either meanwhile. Raises ``ApiError``, and then the target is as it was.
    """
    patience = _PATIENCE_SECONDS
    with source.writer(patience=patience), source.job_client() as there, target.writer(patience=patience):
        if not isinstance(there, SqlJobClientBase):
            raise TypeError(source.kind)
        held = _held(there, source, settings)
        target.learn(held.schema)
        with target.job_client(held.schema.name) as here:
            if not isinstance(here, SqlJobClientBase):
                raise TypeError(target.kind)
            client, moved = here.sql_client, Moved(left=held.left)
            with client.begin_transaction():
                _refuse_tables(client, target, settings)
                if not client.has_dataset():
                    client.create_dataset()
                for statement in table_statements(here, held.tables):
                    client.execute_sql(statement)
                for table, columns in held.tables.items():
                    _refuse_null_bytes(there.sql_client, table, columns)
                    _copy(there.sql_client, client, table, columns)
                    moment = _moment_of(table, columns, settings)
                    moved.tables[table] = _prove(there.sql_client, client, table, columns, moment)
                tables = Tables(client, settings)
                for endpoint in settings.resolved_endpoints:
                    index_tables(tables, endpoint)
            make_views(client, settings, log)
    return moved


def _held(client: SqlJobClientBase, source: Warehouse, settings: Settings) -> Held:
    """Return what the file holds; raises ``ApiError`` where that is nothing, or something that cannot be moved."""
    types = Tables(client.sql_client, settings).types
    schema = stored_schema(client, SCHEMA)
    if schema is None:
        raise ApiError("setting", f"setting: {source.location} has nothing to move: no load has written to it")
    refuse_newer(schema)
    tables: dict[str, Mapping[str, str]] = {}
    for name, columns in client.get_storage_tables([name for name in types if name in schema.tables]):
        known = schema.tables[name]["columns"]
        # JSON is `jsonb` but where dlt knows that Parquet is copied into the table itself
        schema.tables[name].pop("file_format", None)
        schema.tables[name]["columns"] = {
            column: TColumnSchema(**{**known.get(column, {}), **found}) for column, found in columns.items()
        }
        tables[name] = {column: str(found.get("data_type")) for column, found in columns.items()}
        for column, held in types[name].items():
            if held.partition("(")[0] not in _MOVABLE:
                what = f"{name}.{column} is a column that no load has made, of a type that cannot be moved ({held})"
                raise ApiError("setting", f"setting: {what}: drop the column, or change its type")
    return Held(schema, tables, [name for name in types if name not in tables])


def _refuse_tables(client: SqlClientBase[Any], target: Warehouse, settings: Settings) -> None:
    """Raise ``ApiError`` where the target has tables: what they hold would be mixed with what comes."""
    tables = Tables(client, settings)
    if not tables.types:
        return
    counts = {
        name: (client.execute_sql(f"SELECT COUNT(*) FROM {tables.table(name)}") or [])[0][0] for name in tables.types
    }
    fullest = max(counts, key=lambda name: int(counts[name]))
    what = (
        f"{target.location} has {len(counts)} tables in {target.dataset} already, {fullest} with {counts[fullest]} rows"
    )
    how = f"move into a database without them, or, if nothing in them is wanted, DROP SCHEMA {target.dataset} CASCADE"
    raise ApiError("setting", f"setting: {what}, and nothing is moved on top of them: {how}")


def _refuse_null_bytes(client: SqlClientBase[Any], table: str, columns: Mapping[str, str]) -> None:
    """Raise ``ApiError`` naming a column with null bytes, which PostgreSQL stores neither in text nor in JSON."""
    texts = [name for name, data_type in columns.items() if data_type in {"text", "json"}]
    if not texts:
        return
    has = {name: f"contains({_as_text(client, name)}, chr(0))" for name in texts}
    for name in texts:
        if columns[name] == "json":
            # the escape, and not a backslash that stands before `u0000`
            has[name] += f" OR contains(replace({_as_text(client, name)}, '\\\\', ''), '\\u0000')"
    asked = ", ".join(f"COUNT(*) FILTER (WHERE {condition})" for condition in has.values())
    [counts] = client.execute_sql(f"SELECT {asked} FROM {client.make_qualified_table_name(table)}") or [()]
    for name, count in zip(texts, counts, strict=True):
        if count:
            what = f"{table}.{name} has a null byte in {count} rows, which PostgreSQL cannot store; nothing was moved"
            raise ApiError("value refused", f"value refused: {what}. Take it out there: replace({name}, chr(0), '')")


def _copy(source: SqlClientBase[Any], target: SqlClientBase[Any], table: str, columns: Mapping[str, str]) -> None:
    """Copy a table's rows, some thousands in memory at once; raises ``ApiError`` where a value is refused."""
    fields = " || chr(9) || ".join(_field(source, name, data_type) for name, data_type in columns.items())
    names = ", ".join(target.escape_column_name(name) for name in columns)
    into = f"COPY {target.make_qualified_table_name(table)} ({names}) FROM STDIN (ENCODING 'UTF8')"
    with source.execute_query(f"SELECT {fields} FROM {source.make_qualified_table_name(table)}") as rows:
        try:
            with target.native_connection.cursor() as cursor:
                cursor.copy_expert(into, _Lines(rows))
        except Exception as error:
            said = told(error)
            if said is None or said[0] != "value refused":
                raise
            what = f"a value of {table} cannot be stored, and nothing was moved: {said[1]}"
            raise ApiError("value refused", f"value refused: {what}") from error


class _Lines:
    """The rows of a query, a line each, as the file that COPY reads."""

    def __init__(self, rows: DBApiCursor) -> None:
        self._rows = rows
        self._part = io.BytesIO()

    def read(self, size: int) -> bytes:
        """Return some of the next bytes; none where all were read."""
        if not (found := self._part.read(size)):
            self._part = io.BytesIO("".join(f"{line}\n" for (line,) in self._rows.fetchmany(_ROWS_AT_ONCE)).encode())
            found = self._part.read(size)
        return found


def _field(client: SqlClientBase[Any], name: str, data_type: str) -> str:
    """Return a column's value as COPY reads it."""
    text = _as_text(client, name)
    if data_type in {"text", "json"}:
        for character, written in _ESCAPED:
            text = f"replace({text}, {character}, {written})"
    return f"coalesce({text}, '\\N')"


def _as_text(client: SqlClientBase[Any], name: str) -> str:
    return f"CAST({client.escape_column_name(name)} AS VARCHAR)"


def _moment_of(table: str, columns: Mapping[str, str], settings: Settings) -> str | None:
    """Return the column that says of which day a row is: the endpoint's cursor, else the first that is a time."""
    cursors = {endpoint.name: endpoint.cursor for endpoint in settings.resolved_endpoints}
    first = next((name for name, data_type in columns.items() if data_type == "timestamp"), None)
    cursor = cursors.get(table)
    return cursor if cursor and columns.get(cursor) == "timestamp" else first


def _prove(
    source: SqlClientBase[Any],
    target: SqlClientBase[Any],
    table: str,
    columns: Mapping[str, str],
    moment: str | None,
) -> tuple[int, int]:
    """Return the rows of a table, and of how many days they are, after proof that both tables have the same figures.

    Raises ``ApiError`` (incomplete) where they have not.
    """
    there, here = (figures(client, table, columns, moment) for client in (source, target))
    if differs := difference(columns, there, here):
        raise ApiError("incomplete", f"incomplete: {table} would not be what it was: {differs}; nothing was moved")
    return sum(int(row[0]) for row in here.values()), len([day for day in here if day])
