"""The warehouse as a load sees it: where it is, who may write, and the SQL that dlt does not bring."""

import contextlib
import datetime as dt
import logging
import math
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from dlt.common.schema import Schema
from dlt.destinations.exceptions import DatabaseUndefinedRelation
from dlt.destinations.job_client_impl import SqlJobClientBase
from dlt.destinations.sql_client import SqlClientBase
from dlt.pipeline.pipeline import Pipeline

from analytics_assets.ingest.endpoint import READ_AT
from analytics_assets.ingest.errors import ApiError
from analytics_assets.ingest.report import WindowReport
from analytics_assets.ingest.warehouse.destination import HAS_LOCK, SCHEMA
from analytics_assets.ingest.warehouse.lake import LAKE, LakeClient, LakeSqlClient, keys_of
from analytics_assets.ingest.warehouse.layout_version import refuse_newer, stored_schema
from analytics_assets.ingest.warehouse.writer import TABLES, duckdb_writer, postgres_writer

if TYPE_CHECKING:
    import pyarrow as pa

_REFRESH = "_analytics_refresh"
# What they are called, and which is there. A DuckDB file also has a version, which older libraries may not read.
_VERSIONS = {
    "duckdb": "SELECT 'DuckDB ' || version() || coalesce(', file format ' || any_value(tags['storage_version']), '') "
    "FROM duckdb_databases() WHERE database_name = current_database()",
    "postgres": "SELECT 'PostgreSQL ' || split_part(current_setting('server_version'), ' ', 1)",
}
# of somebody who stands before the screen
_PATIENCE_SECONDS = 5.0


class Warehouse:
    """The destination and dataset of a dlt pipeline. ``staging`` is the dataset that rows are merged from."""

    def __init__(self, pipeline: Pipeline, staging: str, log: logging.Logger) -> None:
        self.dataset: str = pipeline.dataset_name
        self.staging = staging
        self._pipeline = pipeline
        self._log = log
        self._database: str | None = None
        self._keys: pa.Table | None = None

    @property
    def kind(self) -> str:
        """The destination's type, such as ``duckdb`` or ``postgres``."""
        return self._pipeline.destination.destination_type.rpartition(".")[2]

    @property
    def has_lock(self) -> bool:
        """Whether its one writer is held by a lock; these are the kinds whose column types dlt knows exactly."""
        return self.kind in HAS_LOCK

    @property
    def is_lake(self) -> bool:
        """Whether its tables are files, that SQL reads and does not change."""
        return self.kind == LAKE

    @property
    def database(self) -> str:
        """What the dataset is in: a DuckDB file's path, a PostgreSQL database's name, the name of a lake's folder."""
        if self._database is None:
            config = self._pipeline.destination_client().config
            credentials = getattr(config, "credentials", None)
            if self.is_lake:
                place = urlsplit(str(getattr(config, "bucket_url", "")))
                self._database = Path(unquote(place.path)).name or place.hostname or self.kind
                return self._database
            self._database = str(getattr(credentials, "database", None) or self.kind)
        return self._database

    @property
    def is_there(self) -> bool:
        """Whether there is anything to look into: a DuckDB file would be made by looking."""
        return self.kind != "duckdb" or Path(self.database).exists()

    @property
    def location(self) -> str:
        """Where the tables are, in words without a password or a path of this machine: ``duckdb warehouse.duckdb``."""
        return f"{self.kind} {Path(self.database).name}"

    def table_name(self, table: str) -> str:
        """Return the table's full name, ``database.dataset.table``."""
        return f"{Path(self.database).stem}.{self.dataset}.{table}"

    def writer(self, endpoint: str = "", patience: float = math.inf) -> contextlib.AbstractContextManager[None]:
        """Be the one writer of an endpoint's tables, or of all, where the warehouse has locks that die with a holder.

        Raises ``ApiError`` (warehouse busy) when others do not let go within ``patience`` seconds.
        """
        if self.kind == "duckdb":
            return duckdb_writer(Path(self.database).resolve(), self._log, patience=patience)
        if self.kind == "postgres":
            return postgres_writer(self.sql(), self.dataset, endpoint, self._log, patience)
        return contextlib.nullcontext()

    def changing(self) -> contextlib.AbstractContextManager[None]:
        """Be the one writer who changes tables, columns and views, for a moment; an endpoint's writer he is already."""
        return self.writer(TABLES) if self.kind == "postgres" else contextlib.nullcontext()

    @contextlib.contextmanager
    def reader(self, patience: float = math.inf) -> Iterator[SqlClientBase[Any]]:
        """Give a client to look with. A DuckDB file is nobody else's meanwhile; PostgreSQL needs no lock for that.

        Raises ``ApiError`` (warehouse busy) when others do not let go of the file within ``patience`` seconds.
        """
        alone = self.writer(patience=patience) if self.kind == "duckdb" else contextlib.nullcontext()
        with alone, self.sql() as client:
            yield client

    def sql(self) -> SqlClientBase[Any]:
        """Return dlt's SQL client, to be entered; not every destination has one."""
        return self._pipeline.sql_client()

    @contextlib.contextmanager
    def job_client(self, schema: str = "") -> Iterator[SqlJobClientBase | LakeClient | None]:
        """Give dlt's client for the tables of a schema, or of any; ``None`` where it is neither database nor lake."""
        with self._pipeline.destination_client(schema) as client:
            yield client if isinstance(client, SqlJobClientBase | LakeClient) else None

    def learn(self, schema: Schema) -> None:
        """Have ``job_client`` know the tables of a schema."""
        self._pipeline.schemas.save_schema(schema)

    def try_writing(self, tables: Iterable[str]) -> str | None:
        """Do what a load does with the warehouse, and change nothing; raises what a load would meet.

        ``tables`` need not be there. Returns the database's version, empty where it is not known how to ask for that,
        and ``None`` where nothing could be tried: not every destination is a database.
        """
        with self.writer("make check", _PATIENCE_SECONDS), self.job_client() as job_client:
            if job_client is None:
                return None
            client = job_client.sql_client
            if isinstance(job_client, LakeClient):
                job_client.try_writing()
            else:
                self._try_changing(client, tables)
            if held := stored_schema(job_client, SCHEMA):
                refuse_newer(held)
            if self.kind not in _VERSIONS:
                return ""
            [found] = client.execute_sql(_VERSIONS[self.kind]) or [("",)]
        return " ".join(map(str, found))

    def _try_changing(self, client: SqlClientBase[Any], tables: Iterable[str]) -> None:
        self.drop_staging(client)
        with client.with_staging_dataset():
            client.create_dataset()
            client.drop_dataset()
        for table in tables:
            with contextlib.suppress(DatabaseUndefinedRelation):
                client.execute_sql(f"DELETE FROM {self.dataset}.{table} WHERE 1 = 0")

    def drop_staging(self, client: SqlClientBase[Any]) -> None:
        """Drop the dataset that rows are staged in; a lake has none."""
        if self.is_lake:
            return
        with client.with_staging_dataset():
            if client.has_dataset():
                client.drop_dataset()

    @property
    def gone(self) -> str:
        """The condition on rows that all history would have brought: they were read before its reading began.

        What another load has read since may be newer.
        """
        # a query, for dlt would keep each moment that stood here in a schema of its own for good
        began = f"(SELECT MAX(began) FROM {self.staging}.{_REFRESH})"
        return f"({READ_AT.name} IS NULL OR {READ_AT.name} < {began})"

    def note_refresh(self, client: SqlJobClientBase, began: dt.datetime) -> None:
        """Note when the reading of all history began, beside the rows that are staged, for ``gone`` to compare."""
        table: Any = {"name": _REFRESH, "columns": {}}
        kind = client.type_mapper.to_destination_type({"name": "began", "data_type": "timestamp"}, table)
        with client.sql_client.with_staging_dataset() as staging:
            staging.create_dataset()
            staging.execute_sql(f"CREATE TABLE {self.staging}.{_REFRESH} (began {kind})")
            staging.execute_sql(f"INSERT INTO {self.staging}.{_REFRESH} VALUES (%s)", began)

    def empty(self, client: SqlClientBase[Any], table: str) -> None:
        """Delete the rows of a table that are gone."""
        client.execute_sql(f"DELETE FROM {self.dataset}.{table} WHERE {self.gone}")

    def note_keys(self, paths: Sequence[str], merge_key: Sequence[str]) -> None:
        """Note which rows are about to be loaded into a lake, where there is no dataset that they are merged from."""
        if self.is_lake:
            self._keys = keys_of(paths, merge_key)

    def has_rows_of(self, table: str, load_id: str) -> bool:
        """Say whether a table has got any row from that load."""
        query = f"SELECT 1 FROM {self.dataset}.{table} WHERE _dlt_load_id = %s LIMIT 1"
        with self.sql() as client:
            try:
                return bool(client.execute_sql(query, load_id))
            except DatabaseUndefinedRelation:
                return False

    def rows_found(self, client: SqlClientBase[Any], report: WindowReport, merge_key: list[str], load_id: str) -> int:
        """Return how many rows of the load are in the table, after proof that every row that was kept is there.

        It is from this load, or held there in a newer state. ``merge_key`` are columns. Raises ``ApiError``
        (incomplete) where one is missing.
        """
        if not report.rows_kept:
            return 0
        keys, kept = [client.escape_column_name(name) for name in merge_key], report.unique_rows_kept
        table = f"{self.dataset}.{report.endpoint}"
        # most often all are from this load, and the two tables need not be compared
        query = f"SELECT DISTINCT {', '.join(keys)} FROM {table} WHERE _dlt_load_id = %s"
        [(loaded,)] = client.execute_sql(f"SELECT COUNT(*) FROM ({query}) AS loaded", load_id) or [(0,)]
        if loaded == kept:
            return int(loaded)
        if isinstance(client, LakeSqlClient):
            client.stage(self.staging, report.endpoint, self._keys)
        figures = client.execute_sql(
            f"SELECT COUNT(*), COUNT(held.{keys[0]}) "
            f"FROM (SELECT DISTINCT {', '.join(keys)} FROM {self.staging}.{report.endpoint}) AS came "
            f"LEFT JOIN (SELECT DISTINCT {', '.join(keys)} FROM {table}) AS held "
            f"ON {' AND '.join(f'held.{key} = came.{key}' for key in keys)}"
        )
        [(came, held)] = figures or []
        if not (came if kept is None else kept) == came == held:
            of_kept = came if kept is None else kept
            what = f"{of_kept} rows were kept, {came} reached the warehouse, {held} are in the table; run it again"
            raise ApiError("incomplete", f"incomplete: {what}")
        return int(loaded)
