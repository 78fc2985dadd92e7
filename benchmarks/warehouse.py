"""What a warehouse holds after a load: a DuckDB file or a PostgreSQL database, asked in the same words."""

import contextlib
from collections.abc import Iterator
from typing import Any

import duckdb

from benchmarks.task import TABLES, Counted, Task


def count_tables(task: Task, dataset: str) -> Counted:
    """Return the rows, the distinct ids, and how many columns of each table hold a value, of a dataset.

    The columns that every table has, dlt's and ours, do not count.
    """
    rows = ids = 0
    columns = []
    with _cursor(task) as cursor:
        for table in TABLES[: task.tables]:
            cursor.execute(
                "SELECT column_name FROM information_schema.columns "  # noqa: S608 - names of ours
                f"WHERE table_schema = '{dataset}' AND table_name = '{table}'"
            )
            names = [name for (name,) in cursor.fetchall() if not name.startswith(("_dlt_", "_analytics_"))]
            values = "".join(f', count("{name}")' for name in names)
            cursor.execute(f"SELECT count(*), count(DISTINCT id){values} FROM {dataset}.{table}")  # noqa: S608 - the same
            [(found, distinct, *held)] = cursor.fetchall()
            rows, ids = rows + found, ids + distinct
            columns.append(sum(count > 0 for count in held))
    return Counted(rows, ids, columns)


@contextlib.contextmanager
def _cursor(task: Task) -> Iterator[Any]:
    if task.postgres:
        # what loads into DuckDB shall not have it in its memory
        import psycopg2  # type: ignore[import-untyped]  # noqa: PLC0415

        connection: Any = psycopg2.connect(task.postgres)
    else:
        connection = duckdb.connect(str(task.database), read_only=True)
    with contextlib.closing(connection):
        yield connection.cursor()
