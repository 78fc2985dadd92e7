"""The seed configuration, run as its documentation runs it: dlt's defaults, into a DuckDB file."""

from collections.abc import Mapping
from typing import Any

import dlt

from benchmarks.seed import DATASET, seed_source
from benchmarks.task import TABLES, Task
from benchmarks.warehouse import count_in_duckdb


def load(task: Task) -> Mapping[str, Any]:
    """Load the four endpoints."""
    pipeline = dlt.pipeline("seed", destination=dlt.destinations.duckdb(str(task.database)), dataset_name=DATASET)
    pipeline.run(seed_source(task.url).with_resources(*TABLES[: task.tables]))
    return {}


def count(task: Task) -> tuple[int, int]:
    """Return rows and distinct ids."""
    return count_in_duckdb(task, DATASET)
