"""Arrow tables become the Parquet files that dlt loads as they are."""

import base64
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import dlt
import pyarrow as pa
import pyarrow.parquet as pq
from dlt.common.configuration.container import Container
from dlt.common.pipeline import PipelineContext
from dlt.common.schema.typing import C_DLT_ID, C_DLT_LOAD_ID
from dlt.common.storages.exceptions import CurrentLoadPackageStateNotAvailable

# ADBC holds a whole file in memory
_ROWS_IN_A_FILE = 100_000
_ID_LENGTH = 14


def current_load_id() -> str | None:
    """Return the id of the load that these rows are for; ``None`` where they are only read."""
    try:
        return dlt.current.load_package_state()["load_id"]
    except CurrentLoadPackageStateNotAvailable:
        return None


class TableFiles:
    """The rows of one table in a load, on disk. Where the table's columns change on the way, another file begins."""

    def __init__(self) -> None:
        # `dlt.current.pipeline()` says the same, after it has read all of the configuration once more
        working_dir = Container()[PipelineContext].pipeline().working_dir
        self._directory = Path(tempfile.mkdtemp(dir=working_dir, prefix="rows_"))
        self._files: list[tuple[Path, pa.Schema, int]] = []
        self._writer: pq.ParquetWriter | None = None

    def add(self, table: pa.Table, schema: pa.Schema) -> None:
        """Write a table with the columns of ``schema``, null where it lacks them; without rows it is nothing."""
        if not table.num_rows:
            return
        if self._writer is None or self._files[-1][1] != schema or self._files[-1][2] >= _ROWS_IN_A_FILE:
            self._close()
            path = self._directory / f"{len(self._files)}.parquet"
            self._writer = pq.ParquetWriter(path, schema, write_statistics=False)
            self._files.append((path, schema, 0))
        self._writer.write_table(_complete(table, schema))
        path, _, rows = self._files[-1]
        self._files[-1] = path, schema, rows + table.num_rows

    def finished(self, schema: pa.Schema) -> Iterator[tuple[Path, int]]:
        """Yield each file with its number of rows, all with this schema.

        A file that was written before all of it was known is written again, a group of rows at a time.
        """
        self._close()
        for path, written, rows in self._files:
            if written == schema:
                yield path, rows
                continue
            again = path.with_suffix(".again.parquet")
            with pq.ParquetWriter(again, schema, write_statistics=False) as writer, pq.ParquetFile(path) as file:
                for group in range(file.num_row_groups):
                    writer.write_table(_complete(file.read_row_group(group), schema))
            path.unlink()
            yield again, rows

    def _close(self) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer = None


def _complete(table: pa.Table, schema: pa.Schema) -> pa.Table:
    """Return the table with exactly these columns; raises where a value does not fit a wider type."""
    names = set(table.column_names)
    columns = [
        table[field.name].cast(field.type) if field.name in names else pa.nulls(table.num_rows, field.type)
        for field in schema
    ]
    return pa.table(columns, schema)


def with_ids(table: pa.Table, load_id: str | None) -> pa.Table:
    """Return the table with dlt's columns: ids of the rows such as dlt makes them, and the id of the load."""
    count = table.num_rows
    # three random bytes are four characters
    text = base64.b64encode(os.urandom((count * _ID_LENGTH // 4 + 1) * 3))
    starts = pa.array(range(0, count * _ID_LENGTH + 1, _ID_LENGTH), pa.int32())
    ids = pa.Array.from_buffers(pa.string(), count, [None, starts.buffers()[1], pa.py_buffer(text)])
    table = table.append_column(pa.field(C_DLT_ID, ids.type, nullable=False), ids)
    if load_id is None:
        return table
    load_ids = pa.repeat(pa.scalar(load_id, pa.string()), count)
    return table.append_column(pa.field(C_DLT_LOAD_ID, load_ids.type, nullable=False), load_ids)
