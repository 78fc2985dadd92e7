"""Records restatements: the numbers that a merge is about to change, in the transaction of that merge.

What a restatement is, and what is kept of it: ``docs/restatements.md``. What is read from the table is in
``restatements.py``.
"""

import datetime as dt
import logging
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache, partial
from typing import Any

from dlt.common.destination import AnyDestination, PreparedTableSchema
from dlt.common.schema.typing import C_DLT_ID, C_DLT_LOAD_ID, TColumnSchema
from dlt.common.schema.utils import new_table
from dlt.destinations.sql_client import SqlClientBase
from dlt.extract.source import DltSource

from analytics_assets.ingest.departures import before_merge
from analytics_assets.ingest.endpoint import READ_AT, DataType
from analytics_assets.ingest.report import Reading, WindowReport
from analytics_assets.ingest.table.extra import COMPUTED_HINT
from analytics_assets.ingest.warehouse.layout_version import with_layout
from analytics_assets.ingest.warehouse.merge import pairs_of
from analytics_assets.ingest.warehouse.numbers_of import Measured, NumbersOf
from analytics_assets.ingest.warehouse.view import Tables
from analytics_assets.ingest.warehouse.warehouse import Warehouse

RESTATEMENTS = "insight_restatements"

_COLUMNS: Mapping[str, tuple[DataType, str]] = {
    "endpoint": ("text", "Endpoint whose number it is"),
    "id": ("text", "Id of the row; where it is several fields, a JSON list of their values as texts"),
    "metric": ("text", "What the number measures: the row's metric, or the column's name"),
    "column_name": ("text", "Column of the endpoint's table that holds the number"),
    "moment": ("timestamp", "The row's cursor (UTC); null where rows have none"),
    "old_value": ("text", "What the table held until then, as text; null: nothing"),
    "new_value": ("text", "What it holds from then on, as text; null: nothing"),
    "old_number": ("double", "The number in the old value"),
    "new_number": ("double", "The number in the new value"),
    "seen_at": ("timestamp", "When the API's answer with the new value arrived (UTC)"),
    "run_id": ("text", "Dagster's run that read it"),
    C_DLT_LOAD_ID: ("text", "The load that changed the number"),
}
_DAY: TColumnSchema = {
    "name": "day",
    "data_type": "date",
    "nullable": True,
    "description": "Day of the row: that of its cursor, in the settings' `timezone`",
}
RESTATEMENT_COLUMNS: list[TColumnSchema] = [
    *(
        TColumnSchema(name=name, data_type=data_type, nullable=True, description=description)
        for name, (data_type, description) in _COLUMNS.items()
    ),
    _DAY,
]
# The clock may be set back while a window is read.
_CLOCK = dt.timedelta(days=1)
# In DuckDB JSON is text, and one value can be written in several ways. This writes it in one: each place in it, in
# order, with what stands there, and 1.0 as 1.
_SPELT_ALIKE = (
    "(SELECT string_agg(concat_ws(' ', part.fullkey, CASE WHEN part.type LIKE '%INT' OR part.type = 'DOUBLE' THEN '' "
    "ELSE part.type END, CASE WHEN part.type = 'DOUBLE' AND NOT regexp_full_match(part.atom, '-?[0-9]+') "
    "AND CAST(part.atom AS DOUBLE) = trunc(CAST(part.atom AS DOUBLE)) AND abs(CAST(part.atom AS DOUBLE)) < 1e38 "
    "THEN CAST(CAST(CAST(part.atom AS DOUBLE) AS HUGEINT) AS VARCHAR) ELSE CAST(part.atom AS VARCHAR) END), '|' "
    "ORDER BY part.fullkey) FROM json_tree({value}) AS part)"
)


def record_restatements(
    destination: AnyDestination, warehouse: Warehouse, source: DltSource, reading: Reading, log: logging.Logger
) -> None:
    """Have the merge of what the source brings record what it changes; on DuckDB and PostgreSQL alone."""
    if not warehouse.has_lock:
        _say_none(log, warehouse.kind)
        return
    table = new_table(RESTATEMENTS, write_disposition="append", columns=RESTATEMENT_COLUMNS)
    source.schema.update_table(with_layout(table))
    before_merge(destination, partial(_statements, reading, warehouse))


# a run has several loads, and one log
@lru_cache(maxsize=1)
def _say_none(log: logging.Logger, kind: str) -> None:
    log.info("no restatements are recorded in %s: that needs DuckDB or PostgreSQL", kind)


def _statements(
    reading: Reading, warehouse: Warehouse, table: PreparedTableSchema, client: SqlClientBase[Any]
) -> Sequence[str]:
    """Return the statement that records what a merge into the table is to change, if it can change any number."""
    endpoint, tables = reading.endpoint, Tables(client, reading.settings)
    if table["name"] != endpoint.name:
        return ()
    declared = {tables.held(column.name) for column in endpoint.columns}
    columns = {
        name: str(hints["data_type"])
        for name, hints in table["columns"].items()
        # what is computed by this project, and is not declared any more, is no field of the API
        if name in declared or COMPUTED_HINT not in hints
    }
    numbers = NumbersOf(tables, endpoint, columns)
    if not numbers.measured:
        return ()
    held, came = (f"{dataset}.{endpoint.name}" for dataset in (warehouse.dataset, warehouse.staging))
    pairs = pairs_of(
        [tables.column(field) for field in endpoint.merge_key],
        held,
        came,
        endpoint.restated_by and tables.column(endpoint.restated_by),
        [C_DLT_LOAD_ID, *numbers.columns],
    )
    changed = " OR ".join(
        f"{numbers.value_of('held', column)} IS DISTINCT FROM {numbers.value_of('came', column)}"
        for column in numbers.measured
    )
    values = ", ".join(_values(numbers, column, number) for number, column in enumerate(numbers.measured))
    whose = (
        f"{numbers.id_of('came')} AS id, {numbers.moment_of('came')} AS moment, {numbers.day_of('came')} AS day, "
        f"came.{READ_AT.name} AS seen_at, came.{C_DLT_LOAD_ID} AS load_id"
    )
    moved = f"SELECT {whose}, {values} {pairs} AND held.{C_DLT_ID} IS NOT NULL AND ({changed})"
    recorded = " UNION ALL ".join(
        found for number, column in enumerate(numbers.measured) for found in _recorded(tables, reading, column, number)
    )
    into = f"{tables.table(RESTATEMENTS)} ({', '.join(map(client.escape_column_name, [*_COLUMNS, 'day']))})"
    return [f"INSERT INTO {into} WITH moved AS ({moved}) {recorded}"]


def _values(numbers: NumbersOf, column: Measured, number: int) -> str:
    old_and_new = (
        f"{numbers.value_of(row, column)} AS {age}{number}, {numbers.number_of(row, column)} AS {age}_number{number}"
        for row, age in (("held", "old"), ("came", "new"))
    )
    return f"{numbers.metric_of('came', column)} AS metric{number}, {', '.join(old_and_new)}"


def _recorded(tables: Tables, reading: Reading, column: Measured, number: int) -> Iterator[str]:
    old, new, old_number, new_number = (f"{name}{number}" for name in ("old", "new", "old_number", "new_number"))
    endpoint, name, run = map(tables.text, (reading.endpoint.name, column.column, reading.run_id))
    found = (
        f"SELECT {endpoint}, id, metric{number}, {name}, moment, CAST({old} AS TEXT), CAST({new} AS TEXT), "
        f"{old_number}, {new_number}, seen_at, {run}, load_id, day FROM moved WHERE {old} IS DISTINCT FROM {new}"
    )
    if (tables.kind, column.data_type) != ("duckdb", "json"):
        yield found
        return
    # apart from each other, for most have another number, and need not be taken to pieces
    old_spelt, new_spelt = (_SPELT_ALIKE.format(value=value) for value in (old, new))
    yield f"{found} AND {old_number} IS DISTINCT FROM {new_number}"
    yield f"{found} AND {old_number} IS NOT DISTINCT FROM {new_number} AND {old_spelt} IS DISTINCT FROM {new_spelt}"


def restated_by(client: SqlClientBase[Any], report: WindowReport, load_id: str) -> int:
    """Return how many numbers a load has changed."""
    query = f"SELECT COUNT(*) FROM {RESTATEMENTS} WHERE seen_at >= %s AND {C_DLT_LOAD_ID} = %s"
    [(count,)] = client.execute_sql(query, report.started_at - _CLOCK, load_id) or [(0,)]
    return int(count)


def forget_restatements(client: SqlClientBase[Any], report: WindowReport, days: int) -> None:
    """Delete the restatements that were seen more than so many days before the window was begun."""
    client.execute_sql(f"DELETE FROM {RESTATEMENTS} WHERE seen_at < %s", report.started_at - dt.timedelta(days=days))
