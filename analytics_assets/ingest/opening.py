"""Opens the warehouse: to look into it, or with a pipeline that loads a window."""

import contextlib
import datetime as dt
import logging
import math
import zoneinfo
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dlt
from dlt.common.destination import AnyDestination
from dlt.destinations.sql_client import SqlClientBase

from analytics_assets.ingest.collector import collector_at_rest
from analytics_assets.ingest.departures import tell_secrets_once
from analytics_assets.ingest.load import PIPELINE, WindowPipeline
from analytics_assets.ingest.report import Reading
from analytics_assets.ingest.settings import Settings
from analytics_assets.ingest.warehouse.coverage import Coverage, coverage, requests_a_day, unknown
from analytics_assets.ingest.warehouse.destination import DATASET, open_destination, open_duckdb_file
from analytics_assets.ingest.warehouse.warehouse import Warehouse
from analytics_assets.ingest.workdir import working_directory

_LOG = logging.getLogger("analytics_assets")


@contextlib.contextmanager
def open_warehouse(log: logging.Logger = _LOG) -> Iterator[Warehouse]:
    """Give the warehouse that ``[destination.warehouse]`` names, to look into."""
    with _open(log) as pipeline:
        yield pipeline.warehouse


@contextlib.contextmanager
def open_duckdb_warehouse(path: Path, log: logging.Logger = _LOG) -> Iterator[Warehouse]:
    """Give the warehouse in a DuckDB file, whatever the config names."""
    with _open(log, open_duckdb_file(path)) as pipeline:
        yield pipeline.warehouse


@contextlib.contextmanager
def read_warehouse(log: logging.Logger = _LOG, patience: float = math.inf) -> Iterator[SqlClientBase[Any]]:
    """Give a client to look into the warehouse with, while no other run has the DuckDB file open.

    Raises ``ApiError`` (warehouse busy) where others do not let go of it within ``patience`` seconds.
    """
    with open_warehouse(log) as warehouse, warehouse.reader(patience) as client:
        yield client


def known_days(settings: Settings, patience: float) -> Coverage:
    """Return what the ledger says of every day since ``start_date``, today included; of a new warehouse, nothing.

    Raises ``ApiError`` (warehouse busy) where others do not let go of a DuckDB file in time, and what a database raises
    that cannot be reached.
    """
    today = dt.datetime.now(zoneinfo.ZoneInfo(settings.timezone)).date()
    with _read_if_there(patience) as client:
        if client is None:
            return unknown(settings, settings.start_date, today)
        return coverage(client, settings, settings.start_date, today)


def requests_of_a_day(settings: Settings, patience: float) -> float:
    """Return how many requests a day of all endpoints takes, 0 where none was loaded; raises as ``known_days`` does."""
    with _read_if_there(patience) as client:
        return requests_a_day(client, settings) if client else 0


@contextlib.contextmanager
def _read_if_there(patience: float) -> Iterator[SqlClientBase[Any] | None]:
    """Give a client as ``read_warehouse`` does; ``None`` where there is no warehouse yet, and none is made."""
    with open_warehouse() as warehouse:
        if not warehouse.is_there:
            yield None
            return
        with warehouse.reader(patience) as client:
            yield client


@contextlib.contextmanager
def open_pipeline(reading: Reading, log: logging.Logger = _LOG) -> Iterator[WindowPipeline]:
    """Give the pipeline that loads a window; its ``run`` takes the source that the window is read from.

    Its working directory is its own, for dlt lets runs that share one overwrite each other, and is gone when the
    block ends.
    """
    with _open(log, open_destination(reading.endpoint.name)) as pipeline:
        pipeline.reading = reading
        yield pipeline


@contextlib.contextmanager
def _open(log: logging.Logger, opened: tuple[AnyDestination, str] | None = None) -> Iterator[WindowPipeline]:
    tell_secrets_once()
    with collector_at_rest(), working_directory() as directory:
        destination, staging = opened or open_destination()
        pipeline = dlt.pipeline(
            PIPELINE,
            pipelines_dir=str(directory),
            destination=destination,
            dataset_name=DATASET,
            _impl_cls=WindowPipeline,
        )
        # dlt's trace is a file in the working directory that holds the resolved configuration, the key in clear
        pipeline.config.enable_runtime_trace = False
        # dlt would keep a signal to itself, and forget it where the step that is under way comes to its end
        pipeline.runtime_config.intercept_signals = False
        pipeline.log = log
        pipeline.warehouse = Warehouse(pipeline, staging, log)
        try:
            yield pipeline
        finally:
            # else dlt keeps it as the process's current pipeline, directory gone and all
            if pipeline.is_active:
                pipeline.deactivate()
