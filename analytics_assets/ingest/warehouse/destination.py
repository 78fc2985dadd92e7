"""The dlt destination that ``[destination.warehouse]`` names, with what a load of this project needs of it."""

import uuid
from typing import Any

import dlt
from dlt.common.destination import AnyDestination, Destination
from dlt.common.typing import TLoaderFileFormat

from analytics_assets.ingest.departures import destination_arguments, resolve_once

DESTINATION = "warehouse"
DATASET = "analytics"
# dlt copies it into PostgreSQL in binary form; by CSV, which it takes otherwise, '' would become null
FILE_FORMAT: TLoaderFileFormat = "parquet"

HAS_LOCK = frozenset({"duckdb", "postgres"})
"""The kinds of warehouse whose one writer is held by a lock that goes with its holder."""


def destination_kind() -> str:
    """Return the destination's type as the config names it, such as ``duckdb`` or ``postgres``."""
    return str(dlt.config.get(f"destination.{DESTINATION}.destination_type", str) or "duckdb").rpartition(".")[2]


def open_destination() -> tuple[AnyDestination, str]:
    """Return the destination, and the dataset that this run's rows are staged in before they are merged."""
    staging = f"{DATASET}_staging"
    arguments: dict[str, Any] = {}
    if destination_kind() in HAS_LOCK:
        arguments = destination_arguments()
    else:
        # No lock keeps two runs apart, and in one staging dataset dlt would merge one run's rows as the other's.
        staging += f"_{uuid.uuid4().hex[:8]}"
    # not `dlt.destination`, which keeps `loader_parallelism_strategy` to itself
    destination = Destination.from_reference(DESTINATION, staging_dataset_name_layout=staging, **arguments)
    if destination is None:
        raise AssertionError(DESTINATION)
    return resolve_once(destination), staging
