"""Indexes of PostgreSQL, so that a load takes as long beside a billion rows as beside a thousand. DuckDB needs none.

Made behind a load, where they are missing: the first rows come into a table that has none.
"""

from collections.abc import Iterator

from dlt.common.schema.typing import C_DLT_LOAD_ID

from analytics_assets.ingest.endpoint import Endpoint
from analytics_assets.ingest.warehouse.destination import postgres_name
from analytics_assets.ingest.warehouse.restated import RESTATEMENTS
from analytics_assets.ingest.warehouse.view import Tables

_HELD = "SELECT indexname FROM pg_indexes WHERE schemaname = %s"


def index_tables(tables: Tables, endpoint: Endpoint) -> None:
    """Have rows be found by their merge key, by day, and by the load that brought them, without looking at all.

    To be called by the one who may change tables. While an index is made, that table is not written to.
    """
    if tables.kind != "postgres":
        return
    held = {name for (name,) in tables.client.execute_sql(_HELD, tables.client.dataset_name) or []}
    for table, column, method in _wanted(endpoint):
        name = _name(table, tables.held(column))
        if name not in held and tables.has(table, column):
            place, escaped = tables.table(table), tables.client.escape_column_name(name)
            tables.client.execute_sql(
                f"CREATE INDEX IF NOT EXISTS {escaped} ON {place} USING {method} ({tables.column(column)})"
            )


def _wanted(endpoint: Endpoint) -> Iterator[tuple[str, str, str]]:
    """Yield table, column and method; a key of several columns has that of its day."""
    if len(endpoint.merge_key) == 1:
        # an id may be longer than the 2.7 kB that a tree takes
        yield endpoint.name, endpoint.merge_key[0], "hash"
    for moment in dict.fromkeys((endpoint.cursor, endpoint.expires_by)):
        if moment:
            yield endpoint.name, moment, "btree"
    yield endpoint.name, C_DLT_LOAD_ID, "btree"
    # rows come in that order, and such an index costs a load a third of what a tree of each moment would
    yield RESTATEMENTS, "seen_at", "brin"


def _name(table: str, column: str) -> str:
    name = f"{table}_{column}"
    # those of the endpoints' tables must not be called as a table may be
    return postgres_name(name if table == RESTATEMENTS else f"{name}_idx")
