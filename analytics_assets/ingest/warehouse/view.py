"""What a view of the dataset is: a name, and a query that is made from the endpoints and the tables that exist."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from dlt.common.normalizers.naming import NamingConvention
from dlt.common.schema import Schema
from dlt.destinations.sql_client import SqlClientBase

from analytics_assets.ingest.settings import Settings
from analytics_assets.ingest.warehouse.destination import HAS_LOCK, SCHEMA
from analytics_assets.ingest.warehouse.lake import LakeSqlClient

_COLUMNS = {
    "duckdb": "SELECT held.table_name, held.column_name, held.data_type FROM duckdb_columns() AS held "
    "JOIN duckdb_tables() AS tables ON tables.table_oid = held.table_oid AND tables.schema_oid = held.schema_oid "
    "AND tables.database_oid = held.database_oid "
    "WHERE held.database_name = current_database() AND held.schema_name = %s "
    "ORDER BY held.table_name, held.column_index",
    "postgres": "SELECT held.relname, a.attname, format_type(a.atttypid, a.atttypmod) FROM pg_attribute AS a "
    "JOIN pg_class AS held ON held.oid = a.attrelid JOIN pg_namespace AS n ON n.oid = held.relnamespace "
    "WHERE n.nspname = %s AND held.relkind IN ('r', 'p') AND a.attnum > 0 AND NOT a.attisdropped "
    "ORDER BY held.relname, a.attnum",
}
_DATA_TYPES = {
    "BIGINT": "bigint",
    "DOUBLE": "double",
    "DOUBLE PRECISION": "double",
    "JSON": "json",
    "JSONB": "json",
    "TIMESTAMP WITH TIME ZONE": "timestamp",
}


def kind_of(client: SqlClientBase[Any]) -> str | None:
    """Return ``duckdb`` or ``postgres``; ``None`` for a client of any other destination."""
    if isinstance(client, LakeSqlClient):
        return None
    dialect = str(client.capabilities.sqlglot_dialect)
    return dialect if dialect in HAS_LOCK else None


@dataclass(frozen=True)
class Tables:
    """The tables of a dataset, as far as they exist, and how a query names them.

    Columns are asked for by the names that the endpoints have for them, and are found under those that dlt gave them.
    """

    client: SqlClientBase[Any]
    settings: Settings
    naming: NamingConvention = field(default_factory=lambda: Schema(SCHEMA).naming)
    """How dlt calls the columns of this pipeline's tables."""

    @property
    def kind(self) -> str | None:
        """``duckdb`` or ``postgres``; ``None`` where neither, and then no column is known."""
        return kind_of(self.client)

    @cached_property
    def types(self) -> Mapping[str, Mapping[str, str]]:
        """The columns of each table and their types, in the words and the order of the database."""
        if self.kind is None:
            return {}
        found: dict[str, dict[str, str]] = {}
        for table, column, data_type in self.client.execute_sql(_COLUMNS[self.kind], self.client.dataset_name) or []:
            found.setdefault(table, {})[column] = data_type
        return found

    def data_types(self, table: str) -> Mapping[str, str]:
        """Return a table's columns with the data types of an endpoint's columns; each other type is ``text``."""
        return {name: _DATA_TYPES.get(held.upper(), "text") for name, held in self.types[table].items()}

    def has(self, table: str, *columns: str) -> bool:
        """Say whether the table exists, and has all of these columns."""
        return table in self.types and {*map(self.held, columns)} <= self.types[table].keys()

    def table(self, name: str) -> str:
        """Return how a query names a table, or a view."""
        return self.client.make_qualified_table_name(name)

    def held(self, name: str) -> str:
        """Return how the warehouse calls a column of an endpoint; what is called so already stays."""
        # a path: rate__v_double is a name too, of the values of another type
        return self.naming.normalize_path(name)

    def column(self, name: str) -> str:
        """Return how a query names a column."""
        return self.client.escape_column_name(self.held(name))

    def text(self, value: str) -> str:
        """Return a text as a query has it."""
        escaped = value.replace("'", "''")
        return f"'{escaped}'"


@dataclass(frozen=True)
class View:
    """A view: its name, one line that says what it shows, and its query; ``None`` where the tables make none yet."""

    name: str
    description: str
    query: Callable[[Tables], str | None]
