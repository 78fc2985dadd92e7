"""The seed configuration, run as its documentation runs it: with dlt's defaults, into DuckDB or PostgreSQL."""

from collections.abc import Mapping
from typing import Any

import dlt

from benchmarks.seed import DATASET, seed_source
from benchmarks.task import TABLES, Counted, Task
from benchmarks.warehouse import count_tables


def load(task: Task) -> Mapping[str, Any]:
    """Load the four endpoints."""
    destination: Any
    if task.postgres:
        destination = dlt.destinations.postgres(task.postgres)
    else:
        destination = dlt.destinations.duckdb(str(task.database))
    pipeline = dlt.pipeline("seed", destination=destination, dataset_name=DATASET)
    pipeline.run(seed_source(task.url).with_resources(*TABLES[: task.tables]))
    return {}


def count(task: Task) -> Counted:
    """Return what the warehouse holds."""
    return count_tables(task, DATASET)
