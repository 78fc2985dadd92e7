"""What a DuckDB file holds after a load."""

import duckdb

from benchmarks.task import TABLES, Task


def count_in_duckdb(task: Task, dataset: str) -> tuple[int, int]:
    """Return the rows and the distinct ids of the tables in a dataset of the file."""
    with duckdb.connect(str(task.database), read_only=True) as connection:
        query = " UNION ALL ".join(
            f"SELECT count(*) AS rows, count(DISTINCT id) AS ids FROM {dataset}.{table}"  # noqa: S608 - names of ours
            for table in TABLES[: task.tables]
        )
        [(rows, ids)] = connection.execute(f"SELECT sum(rows), sum(ids) FROM ({query})").fetchall()  # noqa: S608
    return int(rows), int(ids)
