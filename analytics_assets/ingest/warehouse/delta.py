"""How a Delta table changes: by one commit, in which the newer state of a row wins, as in a database.

Delta refuses a commit where another run has committed rows of the table since it was looked at. Then it is looked at
anew, so two runs at once insert no row twice, without a lock. ``deltalake`` comes with the extra ``lake``, so this
module is imported where a lake is the warehouse.
"""

import time
import urllib.parse
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset
import pyarrow.parquet
from deltalake import DeltaTable
from deltalake import Schema as DeltaSchema
from deltalake.exceptions import CommitFailedError
from dlt.common.destination.exceptions import DestinationTerminalException
from dlt.common.libs.deltalake import ensure_delta_compatible_arrow_schema, evolve_delta_table_schema
from dlt.common.schema.typing import C_DLT_ID

from analytics_assets.ingest.endpoint import READ_AT
from analytics_assets.ingest.errors import ApiError
from analytics_assets.ingest.warehouse.merge import Newest, pairs_of

_TRIES = 20
_PAUSE_SECONDS = 0.2


class OtherTypeError(ApiError, DestinationTerminalException):
    """A column comes in another type than the table has it in; dlt tries it no more."""


def anew(change: Callable[[], None]) -> None:
    """Make a change that looks at the table first, anew where another run has committed rows meanwhile."""
    for left in reversed(range(_TRIES)):
        try:
            return change()
        except CommitFailedError:
            if not left:
                raise
        time.sleep(_PAUSE_SECONDS)
    return None


def open_table(place: str, options: dict[str, str], columns: pa.Schema) -> DeltaTable:
    """Return the table, made where there is none, with all of these columns; raises ``OtherTypeError``."""
    DeltaTable.create(place, columns, mode="ignore", storage_options=options)
    table = DeltaTable(place, storage_options=options)
    held = {column.name: column.type for column in table.schema().fields}
    for column in DeltaSchema.from_arrow(columns).fields:
        if held.get(column.name, column.type) != column.type:
            name = f"{place.rstrip('/').rpartition('/')[2]}.{column.name}"
            what = f"{name} comes as {column.type.type}, but the table has it as {held[column.name].type}"
            raise OtherTypeError("setting", f"setting: {what}: declare it with that type, or load into another folder")
    return evolve_delta_table_schema(table, pa.schema([column.with_nullable(nullable=True) for column in columns]))


def merge_files(
    connection: duckdb.DuckDBPyConnection, place: str, options: dict[str, str], paths: Sequence[str], newest: Newest
) -> None:
    """Put the rows of a load's Parquet files into a table; the connection is one that can read the store."""
    columns = pa.unify_schemas([pyarrow.parquet.read_schema(path) for path in paths])
    files = pyarrow.dataset.dataset(paths, schema=columns)
    fitting = ensure_delta_compatible_arrow_schema(columns)
    table = open_table(place, options, fitting)
    show(connection, "held", table)
    came = files.scanner(filter=pc.field(C_DLT_ID).isin(_to_stay(connection, files, newest)))
    _merge(table, came.to_reader().cast(fitting), newest)


def delete_gone(table: DeltaTable, newest: Newest) -> None:
    """Delete the rows that are gone, where none has come."""
    _merge(table, pa.schema(table.schema().to_arrow()).empty_table(), newest)


def update_row(table: DeltaTable, row_id: str, figures: Mapping[str, Any]) -> int:
    """Write figures into the rows that have this ``id``; return how many there are."""
    types = {column.name: column.type for column in pa.schema(table.schema().to_arrow())}
    row = pa.table({name: pa.array([value], types[name]) for name, value in {"id": row_id, **figures}.items()})
    merge = table.merge(row, Newest(key=["id"]).same, source_alias="source", target_alias="target")
    done = merge.when_matched_update({f'"{name}"': f'source."{name}"' for name in figures}).execute()
    return int(done["num_target_rows_updated"])


def show(connection: duckdb.DuckDBPyConnection, view: str, table: DeltaTable) -> None:
    """Have a table's rows under a name for DuckDB, which reads the files by itself, as they are now.

    Not by Arrow: it compares no text with the text of files that Delta's library has written. Raises ``ApiError``
    (setting) where a row's values are not all in the files.
    """
    place, features = table.table_uri, set(table.protocol().reader_features or ())
    if table.metadata().partition_columns or features - {"timestampNtz"}:
        of_table = f"{place.rstrip('/').rpartition('/')[2]} has partitions, or features of Delta"
        what = f"{of_table} ({', '.join(sorted(features)) or 'none'}), that another program has given it"
        raise ApiError("setting", f"setting: {what}: load into another folder")
    columns = f"{view}__columns"
    connection.register(columns, pa.schema(table.schema().to_arrow()).empty_table())
    query = f'SELECT * FROM "{columns}"'
    if files := [urllib.parse.unquote(uri).replace("'", "''") for uri in table.file_uris()]:
        listed = ", ".join(f"'{file}'" for file in files)
        query += f" UNION ALL BY NAME SELECT * FROM read_parquet([{listed}], union_by_name = true)"
    connection.execute(f'CREATE OR REPLACE TEMP VIEW "{view}" AS {query}')


def _to_stay(connection: duckdb.DuckDBPyConnection, files: pyarrow.dataset.Dataset, newest: Newest) -> pa.Array:
    """Return dlt's id of each row that came and that the table holds in no newer state; of one key it is one."""
    key = [f'"{name}"' for name in newest.key]
    gone = newest.gone("TIMESTAMPTZ '{}'")
    held = f"(SELECT * FROM held WHERE NOT ({gone}))"
    restated_by = newest.restated_by and f'"{newest.restated_by}"'
    chosen = f"SELECT came.{C_DLT_ID} {pairs_of(key, held, 'came', restated_by)}"
    if READ_AT.name not in files.schema.names:
        # the tables beside the data: a row of theirs is the same whenever it comes
        chosen = f"SELECT MIN({C_DLT_ID}) FROM came GROUP BY {', '.join(key)}"
    connection.register("came", files)
    return connection.sql(chosen).to_arrow_table().column(0).combine_chunks()


def _merge(table: DeltaTable, came: pa.RecordBatchReader | pa.Table, newest: Newest) -> None:
    """Put rows, one of each key, into a table, and delete those that are gone."""
    names, brought = [column.name for column in table.schema().fields], set(came.schema.names)
    # a column that does not come any more would keep what an older state of the row has in it
    values = {f'"{name}"': f'source."{name}"' if name in brought else "NULL" for name in names}
    merge = table.merge(came, newest.same, source_alias="source", target_alias="target")
    merge = merge.when_matched_update(values).when_not_matched_insert_all()
    if newest.gone_before:
        # a bare timestamp of its SQL has no zone, and another unit than the column
        moment = "arrow_cast('{}', 'Timestamp(Microsecond, Some(\"UTC\"))')"
        merge = merge.when_not_matched_by_source_delete(newest.gone(moment, "target."))
    merge.execute()
