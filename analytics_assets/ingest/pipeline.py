"""The dlt pipeline: one name, the destination that the config names, and a proof of what arrived."""

import contextlib
import functools
import gc
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dlt
from dlt.common.pipeline import LoadInfo
from dlt.common.schema import Schema
from dlt.destinations.exceptions import DatabaseUndefinedRelation
from dlt.destinations.job_client_impl import SqlJobClientBase
from dlt.destinations.sql_client import SqlClientBase
from dlt.extract.source import DltSource
from dlt.pipeline.exceptions import PipelineStepFailed
from dlt.pipeline.pipeline import Pipeline

from analytics_assets.ingest.errors import ApiError, WindowMovedError, causes, explain
from analytics_assets.ingest.evolution import Evolution
from analytics_assets.ingest.ledger import LEDGER, LEDGER_COLUMNS, closing_figures, ledger_row
from analytics_assets.ingest.once import read_type_hints_once, resolve_once
from analytics_assets.ingest.report import Journal, WindowReport
from analytics_assets.ingest.source import FILE_FORMAT
from analytics_assets.ingest.workdir import working_directory
from analytics_assets.ingest.writer import duckdb_writer, postgres_writer

PIPELINE = "analytics"
DESTINATION = "warehouse"
DATASET = "analytics"
MAX_REREADS = 3

_LOCKED = {"duckdb", "postgres"}


class WarehousePipeline(Pipeline):
    """A dlt pipeline that reads a moved window again, and holds the warehouse's writer lock only while it writes.

    dlt's own ``run`` opens the destination before it fetches, and knows neither windows nor the ledger.
    """

    journal: Journal
    staging_dataset: str

    def run(self, data: DltSource, **kwargs: Any) -> LoadInfo:  # type: ignore[override]  # noqa: ANN401 (dlt's signature)
        """Restore the schema, extract until the window is proven, normalize, load, prove what arrived.

        Raises dlt's ``PipelineStepFailed``, and ``ApiError`` (incomplete) when the table does not hold what was kept.
        """
        with self.writer():
            self.sync_destination()
        self._merge_windows(data)
        for _ in range(MAX_REREADS + 1):
            self._extract_proven(data, **kwargs)
            for report in self.journal.reports.values():
                if report.window is None and report.total is None and not report.rows_read:
                    what = (
                        "an empty first page and no total do not say that there is nothing; the table is left as it is"
                    )
                    raise ApiError("incomplete", f"incomplete: {report.endpoint}: full refresh: {what}")
            with self.writer():
                if self._fits(data):
                    return self._load_proven()
            self.journal.log.warning("reading the window again: the table has columns that would change its values")
        what = "each time it was read, the table had got columns that would change its values; run it again"
        raise ApiError("incomplete", f"incomplete: {', '.join(self.journal.reports)}: {what}")

    def _fits(self, source: DltSource) -> bool:
        """Bring the columns of table and load together; where they do not fit, drop what was read."""
        schema = self.default_schema
        undeclared: dict[str, set[str]] = {LEDGER: set()}
        for name, report in self.journal.reports.items():
            undeclared[f"{name}__rejected"] = set()
            undeclared[name] = {column.name for column in report.layout.columns} if report.layout else set()
        with self.destination_client() as client:
            if not isinstance(client, SqlJobClientBase):
                return True
            # what a killed run left has the columns of then; a value put into one would become what that column holds
            _drop_staging_dataset(client.sql_client)
            evolution = Evolution(client, schema, undeclared, self.journal.log)
            again = evolution.settle(has_exact_types=self.destination_kind in _LOCKED)
        if again is None:
            if evolution.adds_columns:
                self._make_columns(schema)
            return True
        self.abort_packages()
        self.schemas.save_schema(again)
        source.schema = again.clone()
        return False

    def _make_columns(self, schema: Schema) -> None:
        """Make the tables and columns that are missing; dlt by itself makes no table of a window without rows.

        On PostgreSQL it makes ``json`` of the JSON columns of a table that is loaded as Parquet, because ADBC cannot
        copy into ``jsonb``; but only the staging table is copied into, so this table is made as for another format.
        That can go when ``dlt.destinations.impl.postgres.factory`` makes ``jsonb`` of them.
        """
        loaded = [name for name in self.journal.reports if self.destination_kind == "postgres"]
        for name in loaded:
            del schema.tables[name]["file_format"]
        self.schemas.save_schema(schema)
        self.sync_schema()
        for name in loaded:
            self.default_schema.tables[name]["file_format"] = FILE_FORMAT

    def _load_proven(self) -> LoadInfo:
        jobs = [job.job_file_info for package in self.normalize().load_packages for job in package.jobs["new_jobs"]]
        formats = {job.file_format for job in jobs if job.table_name in self.journal.reports}
        if self.destination_kind == "postgres" and formats - {FILE_FORMAT}:
            what = "dlt finds no ADBC driver, and would load CSV, in which '' becomes null"
            raise ApiError("setting", f"setting: PostgreSQL: {what}: install adbc-driver-postgresql")
        info = self.load()
        info.raise_on_failed_jobs()
        with self.sql_client() as client:
            for report in self.journal.reports.values():
                if report.window is None and not report.rows_kept:
                    # a full refresh of nothing: without a file dlt merges nothing, and so deletes nothing
                    client.execute_sql(f"DELETE FROM {self.dataset_name}.{report.endpoint}")
                self._prove_loaded(client, report, info.loads_ids[0])
                self._close_ledger(client, report, "loaded")
            self._drop_staging(client)
        return info

    def _merge_windows(self, source: DltSource) -> None:
        """Have the merge replace rows by id, but pass over those that the table holds in a newer state.

        An older backfill must not undo them. What is deleted is said in full: a full refresh has stored "everything".
        """
        for name, report in self.journal.reports.items():
            if report.window is None:
                continue
            resource, wanted = source.resources[name], "1 = 1"
            key, updated = map(self.sql_client().escape_column_name, (report.key, "updated_at"))
            if "updated_at" in resource.compute_table_schema()["columns"]:
                held, came = f"{self.dataset_name}.{name}", f"{self.staging_dataset}.{name}"
                newest = f"SELECT {key}, MAX({updated}) AS {updated} FROM {came} GROUP BY {key}"
                newer = (
                    f"SELECT held.{key} FROM {held} AS held JOIN ({newest}) AS came ON held.{key} = came.{key} "
                    f"WHERE held.{updated} > came.{updated}"
                )
                wanted = f"{key} NOT IN ({newer})"
            resource.apply_hints(
                write_disposition={
                    "disposition": "merge",
                    "strategy": "delete-insert",
                    "source_filter": wanted,
                    "destination_scope": f"{key} IN (SELECT {key} FROM {{staging_table}} WHERE {wanted})",
                }
            )

    def _extract_proven(self, source: DltSource, **kwargs: Any) -> None:  # noqa: ANN401 (dlt's signature)
        """Extract; when rows moved meanwhile, drop what was read and extract again, ``MAX_REREADS`` times."""
        for reread in range(MAX_REREADS + 1):
            try:
                self.extract(source, **kwargs)
            except PipelineStepFailed as failed:
                moved = next((cause for cause in causes(failed) if isinstance(cause, WindowMovedError)), None)
                if moved is None or reread == MAX_REREADS:
                    raise
                self.journal.log.warning("reading the window again, %d of %d: %s", reread + 1, MAX_REREADS, moved)
                self.abort_packages()
            else:
                return

    def _prove_loaded(self, client: SqlClientBase[Any], report: WindowReport, load_id: str) -> None:
        """Find every row that was kept in the table: from this load, or held there in a newer state."""
        key, kept = client.escape_column_name(report.key), report.unique_rows_kept
        table = f"{self.dataset_name}.{report.endpoint}"
        report.rows_loaded = 0
        if not report.rows_kept:
            return
        # most often all are from this load, and the two tables need not be compared
        query = f"SELECT COUNT(DISTINCT {key}) FROM {table} WHERE _dlt_load_id = %s"
        [(report.rows_loaded,)] = client.execute_sql(query, load_id) or [(0,)]
        if report.rows_loaded == kept:
            return
        figures = client.execute_sql(
            f"SELECT COUNT(DISTINCT came.{key}), COUNT(DISTINCT held.{key}) "
            f"FROM {self.staging_dataset}.{report.endpoint} AS came "
            f"LEFT JOIN {table} AS held ON held.{key} = came.{key}"
        )
        [(came, held)] = figures or []
        if kept is None:
            kept = came
        if not kept == came == held:
            what = f"{kept} rows were kept, {came} reached the warehouse, {held} are in the table; run it again"
            raise ApiError("incomplete", f"incomplete: {report.endpoint}: {what}")

    def _close_ledger(
        self, client: SqlClientBase[Any], report: WindowReport, outcome: str, reason: str | None = None
    ) -> None:
        report.close()
        figures = closing_figures(report, outcome, reason)
        assignments = ", ".join(f"{name} = %s" for name in figures)
        client.execute_sql(f"UPDATE {LEDGER} SET {assignments} WHERE id = %s", *figures.values(), report.id)

    def _drop_staging(self, client: SqlClientBase[Any]) -> None:
        _drop_staging_dataset(client)

    def record_failure(self, error: BaseException) -> None:
        """Have the ledger say ``failed`` for each window, unless the warehouse cannot be had; logs when that fails."""
        problem = explain(error)
        reports = list(self.journal.reports.values())
        if not reports or (problem and problem.kind == "warehouse busy"):
            # a busy warehouse would be waited for once more, and in vain
            return
        reason = problem.message if problem else f"{type(error).__name__}: {error}"
        try:
            self.abort_packages()
            with self.writer(), self.sql_client() as client:
                told = self._told(client)
                for report in reports:
                    if report.id in told:
                        self._close_ledger(client, report, "failed", reason)
                self._drop_staging(client)
                if rows := [
                    ledger_row(report, self.journal.run_id, "failed", reason)
                    for report in reports
                    if report.id not in told
                ]:
                    super().run(dlt.resource(rows, name=LEDGER, columns=LEDGER_COLUMNS))
        except Exception:
            self.journal.log.exception("the failure could not be written to %s", LEDGER)

    def _told(self, client: SqlClientBase[Any]) -> set[str]:
        """Return the ids of this run's windows that are in the ledger, for they came so far before the failure."""
        try:
            rows = client.execute_sql(f"SELECT id FROM {LEDGER} WHERE run_id = %s", self.journal.run_id)
        except DatabaseUndefinedRelation:
            return set()
        return {row[0] for row in rows or []}

    @property
    def destination_kind(self) -> str:
        """The destination's type, such as ``duckdb`` or ``postgres``."""
        return self.destination.destination_type.rpartition(".")[2]

    @functools.cached_property
    def database(self) -> str:
        """The database that the dataset is in: a DuckDB file's path, a PostgreSQL database's name."""
        credentials = getattr(self.destination_client().config, "credentials", None)
        return str(getattr(credentials, "database", None) or self.destination_kind)

    @property
    def location(self) -> str:
        """Where the tables are, in words without a password or a path of this machine: ``duckdb warehouse.duckdb``."""
        return f"{self.destination_kind} {Path(self.database).name}"

    def table_name(self, table: str) -> str:
        """Return the table's full name, ``database.dataset.table``."""
        return f"{Path(self.database).stem}.{self.dataset_name}.{table}"

    def writer(self) -> contextlib.AbstractContextManager[None]:
        """Be the one writer of the warehouse, where it has a lock that dies with its holder."""
        if self.destination_kind == "duckdb":
            return duckdb_writer(Path(self.database).resolve(), self.journal.log)
        if self.destination_kind == "postgres":
            return postgres_writer(self.sql_client(), self.dataset_name, self.journal.log)
        return contextlib.nullcontext()


def _drop_staging_dataset(client: SqlClientBase[Any]) -> None:
    with client.with_staging_dataset():
        if client.has_dataset():
            client.drop_dataset()


@contextlib.contextmanager
def _collector_at_rest() -> Iterator[None]:
    """Have the garbage collector leave alone what is there already: to walk through it is a tenth of a load's time."""
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


@contextlib.contextmanager
def open_pipeline(journal: Journal | None = None) -> Iterator[WarehousePipeline]:
    """Give a pipeline on ``[destination.warehouse]``; a failure inside of the block is written to the ledger.

    Its working directory is its own, for dlt lets runs that share one overwrite each other, and is gone when the
    block ends.
    """
    with _collector_at_rest(), working_directory() as directory:
        # dlt would merge one run's rows as another's: one staging dataset each, or one writer at a time
        staging_dataset = f"{DATASET}_staging"
        destination = dlt.destination(DESTINATION)
        if destination.destination_type.rpartition(".")[2] in _LOCKED:
            # dlt leaves this unset for them, and commits a merge's DELETE before its INSERT; an insert that fails then
            # empties the table. Can go when `dlt.destinations.duckdb().capabilities().supports_transactions` is true.
            destination.caps_params["supports_transactions"] = True
            # or dlt would have all files of a large table in memory at once
            destination.caps_params["loader_parallelism_strategy"] = "table-sequential"
            # dlt would keep the random ids of rows unique, at a tenth of a load's time; nothing looks rows up by them
            destination.config_params["create_indexes"] = False
        else:
            staging_dataset += f"_{uuid.uuid4().hex[:8]}"
        destination.config_params["staging_dataset_name_layout"] = staging_dataset
        resolve_once(destination)
        read_type_hints_once()
        pipeline = dlt.pipeline(
            PIPELINE,
            pipelines_dir=str(directory),
            destination=destination,
            dataset_name=DATASET,
            _impl_cls=WarehousePipeline,
        )
        pipeline.journal = journal or Journal()
        pipeline.staging_dataset = staging_dataset
        try:
            yield pipeline
        except Exception as error:
            pipeline.record_failure(error)
            raise
        finally:
            # else dlt keeps it as the process's current pipeline, directory gone and all
            pipeline.deactivate()
