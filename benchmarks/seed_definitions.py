"""The seed's configuration as Dagster's users write it: ``@dlt_assets``. Its steps run in one process, like ours."""

import os
from collections.abc import Iterator
from typing import Any

import dagster as dg
import dlt
from dagster_dlt import DagsterDltResource, dlt_assets

from benchmarks.seed import DATASET, seed_source


@dlt_assets(
    dlt_source=seed_source(os.environ["BENCHMARK_URL"]),
    dlt_pipeline=dlt.pipeline(
        "seed", destination=dlt.destinations.duckdb(os.environ["BENCHMARK_DATABASE"]), dataset_name=DATASET
    ),
)
def seed_assets(context: dg.AssetExecutionContext, dlt_loader: DagsterDltResource) -> Iterator[Any]:
    """Load the four tables."""
    yield from dlt_loader.run(context=context)


defs = dg.Definitions(
    assets=[seed_assets], resources={"dlt_loader": DagsterDltResource()}, executor=dg.in_process_executor
)
