"""Comments on tables and columns, so that whoever looks into the warehouse with other tools reads what each is.

dlt writes them by itself for some other warehouses. Those of views are written where the views are made.
"""

import logging

from dlt.common.schema import Schema
from dlt.common.schema.typing import C_DLT_ID, C_DLT_LOAD_ID
from dlt.destinations.exceptions import DatabaseException

from analytics_assets.ingest.report import WindowReport
from analytics_assets.ingest.warehouse.ledger import LEDGER
from analytics_assets.ingest.warehouse.restated import RESTATEMENTS
from analytics_assets.ingest.warehouse.view import Tables

DESCRIPTIONS = {
    LEDGER: "One row per endpoint, window and run: what was asked, what came, what was kept, and how it ended",
    RESTATEMENTS: "One row per number that a load has changed: what it was, what it is now, and when that was seen",
}
"""What the tables beside the data are."""
DLT_COLUMNS = {
    C_DLT_ID: "dlt's identifier of the row; another one after each load of it",
    C_DLT_LOAD_ID: "The load that brought the row; _dlt_loads says when it ended",
}

_Comments = dict[tuple[str, str], str]
"""By table and column; the table's own by an empty name."""
_HELD = {
    "duckdb": "SELECT table_name, column_name, comment FROM duckdb_columns() "
    "WHERE database_name = current_database() AND schema_name = %s "
    "UNION ALL SELECT table_name, '', comment FROM duckdb_tables() "
    "WHERE database_name = current_database() AND schema_name = %s",
    "postgres": "SELECT held.relname, coalesce(a.attname, ''), d.description FROM pg_class AS held "
    "JOIN pg_namespace AS n ON n.oid = held.relnamespace AND n.nspname = %s "
    "CROSS JOIN LATERAL (SELECT attname, attnum FROM pg_attribute WHERE attrelid = held.oid AND attnum > 0 "
    "AND NOT attisdropped UNION ALL SELECT NULL, 0) AS a "
    "LEFT JOIN pg_description AS d ON d.objoid = held.oid AND d.classoid = 'pg_class'::regclass "
    "AND d.objsubid = a.attnum WHERE held.relkind IN ('r', 'p') AND n.nspname = %s",
}


def rejected_description(endpoint: str) -> str:
    """Say what the table of an endpoint's rejected rows is."""
    return f"Rows of {endpoint} that could not be loaded as its columns are declared, each with the reason"


def write_comments(tables: Tables, schema: Schema, report: WindowReport, log: logging.Logger) -> None:
    """Write the comments that are missing or say something else; on DuckDB and PostgreSQL alone.

    To be called by the one writer after a load. ``schema`` is dlt's of the tables, which has their columns'
    descriptions. What a database refuses is said in the log: a load does not depend on it.
    """
    if tables.kind is None:
        return
    client = tables.client
    try:
        held = {
            (table, column): comment
            for table, column, comment in client.execute_sql(_HELD[tables.kind], *[client.dataset_name] * 2) or []
        }
        wanted = _wanted(tables, schema, report)
        changed = {place: text for place, text in wanted.items() if place in held and held[place] != text}
        if changed:
            with client.begin_transaction():
                client.execute_sql("; ".join(_statement(tables, *place, text) for place, text in changed.items()))
    except DatabaseException as error:
        log.warning("comments on tables could not be written: %s", " ".join(str(error).split()))


def _statement(tables: Tables, table: str, column: str, text: str) -> str:
    place = tables.table(table)
    what = f"COLUMN {place}.{tables.client.escape_column_name(column)}" if column else f"TABLE {place}"
    return f"COMMENT ON {what} IS {tables.text(text)}"


def _wanted(tables: Tables, schema: Schema, report: WindowReport) -> _Comments:
    endpoints = {one.name: one.description for one in tables.settings.resolved_endpoints}
    described = {**DESCRIPTIONS, **endpoints, **{f"{name}__rejected": rejected_description(name) for name in endpoints}}
    wanted = {(name, ""): text for name, text in described.items()}
    for name, table in schema.tables.items():
        for column, hints in table["columns"].items():
            if text := hints.get("description") or DLT_COLUMNS.get(column):
                wanted[name, column] = text
    wanted |= {(report.endpoint, column.name): column.description for column in report.columns}
    # no database takes this one in a text
    return {place: text.replace("\0", "") for place, text in wanted.items() if not place[0].startswith("_dlt")}
