"""One window, from the API into the warehouse: ``load_window`` reads from top to bottom."""

import contextlib
import functools
import logging
from dataclasses import replace
from typing import Any

from dlt.common.pipeline import LoadInfo
from dlt.destinations.job_client_impl import SqlJobClientBase
from dlt.destinations.sql_client import SqlClientBase
from dlt.extract.source import DltSource
from dlt.pipeline.exceptions import PipelineStepFailed
from dlt.pipeline.pipeline import Pipeline

from analytics_assets.ingest.cancelling import cancellable, is_cancelled, settling
from analytics_assets.ingest.departures import as_jsonb
from analytics_assets.ingest.errors import ApiError, TooMuchError
from analytics_assets.ingest.proving import MAX_REREADS, read_proven
from analytics_assets.ingest.report import Reading, WindowReport
from analytics_assets.ingest.warehouse.comments import write_comments
from analytics_assets.ingest.warehouse.destination import FILE_FORMAT, SCHEMA
from analytics_assets.ingest.warehouse.emptiness import HeldRows
from analytics_assets.ingest.warehouse.evolution import Evolution
from analytics_assets.ingest.warehouse.indexes import index_tables
from analytics_assets.ingest.warehouse.lake import LakeSqlClient, as_delta, as_lake
from analytics_assets.ingest.warehouse.layout_version import carry_layout, refuse_newer
from analytics_assets.ingest.warehouse.ledger import LEDGER, close_row, last_reduced
from analytics_assets.ingest.warehouse.merge import Newest, newer_wins
from analytics_assets.ingest.warehouse.outcome import outcome_recorded
from analytics_assets.ingest.warehouse.restated import (
    RESTATEMENTS,
    forget_restatements,
    record_restatements,
    restated_by,
)
from analytics_assets.ingest.warehouse.standing import Standing, standing
from analytics_assets.ingest.warehouse.view import Tables
from analytics_assets.ingest.warehouse.views import make_views
from analytics_assets.ingest.warehouse.warehouse import Warehouse

PIPELINE = "analytics"
_LOG = logging.getLogger("analytics_assets")


class WindowPipeline(Pipeline):
    """dlt's pipeline, with ``load_window`` in place of its ``run``, which knows neither windows nor the ledger.

    That is the one way in: dagster-dlt's resource takes a pipeline, and calls its ``run`` with a source.
    """

    log: logging.Logger
    reading: Reading
    report: WindowReport
    standing: Standing | None
    """How the endpoint stands after it, where the warehouse says that."""
    warehouse: Warehouse

    def run(self, data: Any, **_: Any) -> LoadInfo:  # type: ignore[override]  # noqa: ANN401 (of dlt's arguments it takes one)
        """Load the window that is read from the source ``data``."""
        self.report, info = load_window(self, data, self.reading)
        return info


def load_window(pipeline: WindowPipeline, source: DltSource, reading: Reading) -> tuple[WindowReport, LoadInfo]:
    """Restore the schema, read until the window is proven, normalize, load, prove what arrived, close the ledger.

    The endpoint's writer lock is held only while the warehouse is written to. A failure is written to the ledger, and
    so is a signal that cancels the load. Raises dlt's ``PipelineStepFailed``, and ``ApiError`` (cancelled, or
    incomplete when the table does not hold what was kept).
    """
    warehouse = pipeline.warehouse
    with cancellable(), outcome_recorded(pipeline, warehouse, reading, pipeline.log):
        with warehouse.reader() as client:
            pipeline.sync_destination()
            if SCHEMA in pipeline.schemas:
                refuse_newer(pipeline.schemas[SCHEMA])
            begin_with_what_worked(client, reading, pipeline.log)
        say_how_to_merge(pipeline, source, reading)
        carry_layout(source.resources.values())
        record_restatements(pipeline.destination, warehouse, source, reading, pipeline.log)
        for _ in range(MAX_REREADS + 1):
            read_proven(reading, pipeline.log, functools.partial(pipeline.extract, source), pipeline.abort_packages)
            with warehouse.writer(reading.endpoint.name):
                if not reading.accepts_empty:
                    refuse_sudden_emptiness(pipeline, source, reading)
                with warehouse.changing():
                    if fits := settle_columns(pipeline, source, reading):
                        normalize(pipeline, source, reading)
                if fits:
                    load_id, info = load(pipeline, reading)
                    return close(pipeline, source, reading, load_id), info
            pipeline.log.warning("%s: reading again, for the table got columns meanwhile", reading.endpoint.name)
        what = "in each pass another run had given the table columns that would change its values; run it again"
        raise ApiError("incomplete", f"incomplete: {what}")


def begin_with_what_worked(client: SqlClientBase[Any], reading: Reading, log: logging.Logger) -> None:
    """Ask for no more at once than the newest load has found to work; raises ``TooMuchError`` for a longer window."""
    portion, window, days = reading.pages.portion, reading.window, 0
    portion.begin_with(last_reduced(client, reading.endpoint.name))
    if str(portion):
        log.info("%s: %s, for the API has asked for less data", reading.endpoint.name, portion)
    if window is not None and reading.can_be_cut:
        days = window.days
    if days > portion.max_days:
        what = f"windows of more than {portion.max_days} days were refused, and {window} has {days}"
        raise TooMuchError("request refused", what, most_days=portion.max_days)


def say_how_to_merge(pipeline: WindowPipeline, source: DltSource, reading: Reading) -> None:
    """Tell dlt what becomes of the rows in the table: those of a window are merged, all history replaces them.

    But the API forgets rows that expire, and no load ever removes one that was once read: all history is merged too.
    """
    endpoint, warehouse = reading.endpoint, pipeline.warehouse
    tables = tables_of(source, reading, pipeline.sql_client())
    if warehouse.is_lake:
        as_delta(source.resources.values())
        as_lake(pipeline.destination, {endpoint.name: newest_of(tables, reading)})
        source.resources[endpoint.name].apply_hints(write_disposition={"disposition": "merge", "strategy": "upsert"})
        return
    held, came = (f"{dataset}.{endpoint.name}" for dataset in (warehouse.dataset, warehouse.staging))
    merge = newer_wins(
        merge_key=[tables.column(name) for name in endpoint.merge_key],
        held=held,
        came=came,
        restated_by=endpoint.restated_by and tables.column(endpoint.restated_by),
        gone=warehouse.gone if reading.replaces_all else None,
    )
    source.resources[endpoint.name].apply_hints(write_disposition=merge)


def newest_of(tables: Tables, reading: Reading) -> Newest:
    """Return how the rows get into a table of a lake."""
    endpoint = reading.endpoint
    return Newest(
        key=[tables.held(name) for name in endpoint.merge_key],
        restated_by=endpoint.restated_by and tables.held(endpoint.restated_by),
        gone_before=reading.started_at if reading.replaces_all else None,
    )


def refuse_sudden_emptiness(pipeline: WindowPipeline, source: DltSource, reading: Reading) -> None:
    """Raise ``ApiError`` (incomplete) where nothing came of what the table holds rows of."""
    report = reading.report()
    if report.is_empty:
        with pipeline.warehouse.sql() as client:
            HeldRows(tables_of(source, reading, client), reading.endpoint).refuse_sudden_emptiness(report)


def tables_of(source: DltSource, reading: Reading, client: SqlClientBase[Any]) -> Tables:
    """Return the tables as the load's queries name them, to be asked by ``client``."""
    return Tables(client, reading.settings, source.schema.naming)


def settle_columns(pipeline: WindowPipeline, source: DltSource, reading: Reading) -> bool:
    """Bring the columns of table and load together; where they do not fit, drop what was read and say ``False``."""
    # by name, for a warehouse whose first load failed may have another one as dlt's default
    schema, name = pipeline.schemas[source.schema.name], reading.endpoint.name
    undeclared = {table: set[str]() for table in (f"{name}__rejected", LEDGER, RESTATEMENTS)}
    undeclared[name] = {column.name for column in reading.report().columns}
    with pipeline.warehouse.job_client(schema.name) as client:
        if client is None:
            return True
        # What a killed run left has the columns of then; a value put into one would become what that column holds.
        pipeline.warehouse.drop_staging(client.sql_client)
        if reading.replaces_all and isinstance(client, SqlJobClientBase):
            pipeline.warehouse.note_refresh(client, reading.started_at)
        evolution = Evolution(client, schema, undeclared, pipeline.log)
        again = evolution.settle(has_exact_types=pipeline.warehouse.has_lock)
    if again is not None:
        pipeline.abort_packages()
        pipeline.schemas.save_schema(again)
        source.schema = again.clone()
        return False
    if evolution.adds_columns:
        # now, since dlt by itself makes no table of a window without rows
        with as_jsonb(schema, name) if pipeline.warehouse.kind == "postgres" else contextlib.nullcontext():
            pipeline.schemas.save_schema(schema)
            pipeline.sync_schema(schema.name)
    return True


def normalize(pipeline: WindowPipeline, source: DltSource, reading: Reading) -> None:
    """Have dlt put together what it loads; raises ``ApiError`` (setting) where that would change values."""
    jobs = [job for package in pipeline.normalize().load_packages for job in package.jobs["new_jobs"]]
    files = [job for job in jobs if job.job_file_info.table_name == reading.endpoint.name]
    merge_key = [source.schema.naming.normalize_path(name) for name in reading.endpoint.merge_key]
    pipeline.warehouse.note_keys([job.file_path for job in files], merge_key)
    formats = {job.job_file_info.file_format for job in files}
    if pipeline.warehouse.kind == "postgres" and formats - {FILE_FORMAT}:
        what = "dlt finds no ADBC driver, and would load CSV, in which '' becomes null"
        raise ApiError("setting", f"setting: PostgreSQL: {what}: install adbc-driver-postgresql")
    if pipeline.warehouse.kind == "postgres":
        # While rows are loaded here, the writer of another endpoint may store its columns. What dlt stored then would
        # lack them; so what it is about to store is stored before others may.
        pipeline.sync_schema(source.schema.name)


def load(pipeline: WindowPipeline, reading: Reading) -> tuple[str, LoadInfo]:
    """Have dlt load; once cancelled it begins no further job, unless the table has the window by then."""
    # behind the window's there may be one of dlt's own state
    load_id, *_ = pipeline.list_normalized_load_packages()
    try:
        info = pipeline.load()
    except PipelineStepFailed:
        if not is_cancelled() or not _has_arrived(pipeline, reading, load_id):
            raise
        # else the table would hold rows of a load that was given up, without those that were set aside
        with settling():
            info = pipeline.load()
    info.raise_on_failed_jobs()
    return load_id, info


def _has_arrived(pipeline: WindowPipeline, reading: Reading, load_id: str) -> bool:
    is_complete = load_id not in pipeline.list_normalized_load_packages()
    return is_complete or pipeline.warehouse.has_rows_of(reading.endpoint.name, load_id)


def close(pipeline: WindowPipeline, source: DltSource, reading: Reading, load_id: str) -> WindowReport:
    """Prove that the rows have arrived, and have the ledger say so; what they were merged from is dropped.

    Then look at how the endpoint stands, while the warehouse is open.
    """
    warehouse, report = pipeline.warehouse, reading.report()
    with warehouse.sql() as client:
        tables = tables_of(source, reading, client)
        if reading.replaces_all and not report.rows_kept:
            # a full refresh of nothing: without a file dlt merges nothing, and so deletes nothing
            if isinstance(client, LakeSqlClient):
                client.delete_gone(report.endpoint, newest_of(tables, reading))
            else:
                warehouse.empty(client, report.endpoint)
        merge_key = [tables.held(name) for name in reading.endpoint.merge_key]
        found = warehouse.rows_found(client, report, merge_key, load_id)
        beside = HeldRows(tables, reading.endpoint).beside(report) if report.is_empty else None
        restated = restated_by(client, report, load_id) if warehouse.has_lock else None
        report = replace(reading.report(), rows_loaded=found, rows_beside=beside, restated=restated)
        close_row(client, report, "loaded")
        warehouse.drop_staging(client)
        with warehouse.changing():
            if warehouse.has_lock:
                forget_restatements(client, report, reading.settings.restatements_days)
            index_tables(tables, reading.endpoint)
            make_views(client, reading.settings, pipeline.log)
            write_comments(tables, pipeline.schemas[source.schema.name], report, pipeline.log)
        pipeline.standing = standing(tables, reading.endpoint, report, pipeline.log)
    return report
