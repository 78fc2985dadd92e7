"""A lake: Delta tables in a folder or in a bucket, which dlt's ``filesystem`` destination keeps.

dlt by itself merges a Delta table so that what is loaded last wins, and reads it with an extension that DuckDB has to
download. Here it is merged as ``delta.py`` says, and read by the library that writes it.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import duckdb
import pyarrow as pa
import pyarrow.parquet
from dlt.common.destination import AnyDestination, DestinationCapabilitiesContext, PreparedTableSchema
from dlt.common.destination.client import DestinationClientConfiguration, LoadJob
from dlt.common.schema import Schema
from dlt.destinations.exceptions import DatabaseTransientException
from dlt.destinations.impl.filesystem.configuration import FilesystemDestinationClientConfiguration
from dlt.destinations.impl.filesystem.filesystem import DeltaLoadFilesystemJob, FilesystemClient
from dlt.destinations.impl.filesystem.sql_client import FilesystemSqlClient
from dlt.extract import DltResource

from analytics_assets.ingest.errors import ApiError
from analytics_assets.ingest.warehouse.merge import Newest

if TYPE_CHECKING:
    from deltalake import DeltaTable

LAKE = "filesystem"
"""What dlt calls the destination."""


def keys_of(paths: Sequence[str], merge_key: Sequence[str]) -> pa.Table:
    """Return the keys of the rows in a load's Parquet files."""
    read = [pyarrow.parquet.read_table(path, columns=list(merge_key)) for path in paths]
    return pa.concat_tables(read) if read else pa.table({name: pa.array([], pa.string()) for name in merge_key})


def as_delta(resources: Iterable[DltResource]) -> None:
    """Have the tables of resources be Delta tables."""
    for resource in resources:
        resource.apply_hints(table_format="delta")


def as_lake(destination: AnyDestination, merges: Mapping[str, Newest] | None = None) -> AnyDestination:
    """Have a ``filesystem`` destination read and merge its tables as this module does.

    ``merges`` says how rows get into a table; where it does not, a row is known by its ``id``, and never changes.
    """

    def client(schema: Schema, initial_config: DestinationClientConfiguration) -> LakeClient:
        config: Any = destination.configuration(initial_config)
        return LakeClient(schema, config, destination.capabilities(config, schema.naming), merges or {})

    setattr(destination, type(destination).client.__name__, client)
    return destination


class LakeClient(FilesystemClient):
    """dlt's client for the files, with the tables of this module."""

    def __init__(
        self,
        schema: Schema,
        config: FilesystemDestinationClientConfiguration,
        capabilities: DestinationCapabilitiesContext,
        merges: Mapping[str, Newest],
    ) -> None:
        super().__init__(schema, config, capabilities)
        self.merges = merges
        self.sql_client = LakeSqlClient(self, self.dataset_name)

    def get_load_job_class(self, table: PreparedTableSchema, file_path: str) -> type[LoadJob]:
        """Return the job of a file: this module's where rows go into a Delta table."""
        job = super().get_load_job_class(table, file_path)
        return DeltaMergeJob if issubclass(job, DeltaLoadFilesystemJob) else job

    def place_of(self, table: str) -> tuple[str, dict[str, str]]:
        """Return the address of a table, and how its store is reached, key and all."""
        from dlt.common.libs.deltalake import deltalake_storage_options

        options = deltalake_storage_options(self.config.credentials, self.config.deltalake_storage_options)
        return self.get_open_table_location("delta", table), options

    def table(self, name: str) -> "DeltaTable | None":
        """Return a Delta table as it is now; ``None`` where there is none."""
        from deltalake import DeltaTable
        from deltalake.exceptions import TableNotFoundError

        place, options = self.place_of(name)
        try:
            return DeltaTable(place, storage_options=options)
        except TableNotFoundError:
            return None

    def let_read(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Have DuckDB read the store as dlt does: by itself it would download an extension, and be given the key."""
        if not self.config.is_local_filesystem and not connection.filesystem_is_registered(self.config.protocol):
            connection.register_filesystem(self.fs_client)

    def try_writing(self) -> None:
        """Write a file, and remove it; raises what the store raises."""
        # not the dataset's folder, which dlt makes when it loads for the first time
        folder = self.bucket_path.rstrip("/")
        if self.is_local_filesystem:
            self.fs_client.makedirs(folder, exist_ok=True)
        self.fs_client.pipe_file(f"{folder}/_analytics_try", b"")
        self.fs_client.rm_file(f"{folder}/_analytics_try")


class DeltaMergeJob(DeltaLoadFilesystemJob):
    """Merges the files of a load into a Delta table."""

    _job_client: LakeClient

    def run(self) -> None:
        """Merge; raises what the store and Delta raise, and ``ApiError`` (setting) for a column of another type."""
        from analytics_assets.ingest.warehouse.delta import anew, merge_files

        client, name = self._job_client, self.load_table_name
        newest = client.merges.get(name, Newest(key=["id"]))
        with duckdb.connect() as connection:
            client.let_read(connection)
            anew(lambda: merge_files(connection, *client.place_of(name), self.file_paths, newest))


class LakeSqlClient(FilesystemSqlClient):
    """DuckDB's SQL over the Delta tables as they are at each query. It reads; what changes a table is a method."""

    remote_client: LakeClient

    def create_secret(self, *_: object, **__: object) -> bool:
        """Have DuckDB read the store, without a secret of its own."""
        self.remote_client.let_read(self._conn)
        return True

    def create_views_for_tables(self, tables: dict[str, str]) -> None:
        """Have a query find the Delta tables that it names, whether this pipeline has loaded them or another."""
        from analytics_assets.ingest.warehouse.delta import show

        for name in tables:
            if (table := self.remote_client.table(name)) is not None:
                show(self._conn, f"{self.dataset_name}__{name}", table)
                self._name(self.dataset_name, name)

    def stage(self, dataset: str, name: str, rows: pa.Table) -> None:
        """Have a query find rows as a table of another dataset."""
        self._conn.execute(f"CREATE SCHEMA IF NOT EXISTS {self.escape_column_name(dataset)}")
        self._conn.register(f"{dataset}__{name}", rows)
        self._name(dataset, name)

    def update_row(self, name: str, row_id: str, figures: Mapping[str, Any]) -> None:
        """Write figures into the row of a table; raises ``ApiError`` (incomplete) where it has none with this id."""
        from analytics_assets.ingest.warehouse.delta import anew, update_row

        def update() -> None:
            table = self.remote_client.table(name)
            if table is None or not update_row(table, row_id, figures):
                raise ApiError("incomplete", f"incomplete: {name} has no row of this load; run it again")

        anew(update)

    def delete_gone(self, name: str, newest: Newest) -> None:
        """Delete the rows of a table that are gone, where none has come."""
        from analytics_assets.ingest.warehouse.delta import anew, delete_gone

        def delete() -> None:
            if (table := self.remote_client.table(name)) is not None:
                delete_gone(table, newest)

        anew(delete)

    @classmethod
    def _make_database_exception(cls, ex: Exception) -> Exception:
        # a file of a table that cannot be read: dlt would say that there is no such table, and nothing would be missed
        return (
            DatabaseTransientException(ex)
            if isinstance(ex, duckdb.IOException)
            else super()._make_database_exception(ex)
        )

    def _name(self, dataset: str, name: str) -> None:
        shown = self.escape_column_name(f"{dataset}__{name}")
        view = f"{self.escape_column_name(dataset)}.{self.escape_column_name(name)}"
        self._conn.execute(f"CREATE OR REPLACE VIEW {view} AS SELECT * FROM {shown}")
