"""Dagster's history in PostgreSQL, through connections that are kept. ``deploy/dagster.yaml`` names it."""

import functools
from collections.abc import Mapping
from typing import Any, Self

import sqlalchemy
from dagster._serdes import ConfigurableClassData
from dagster_postgres import DagsterPostgresStorage, PostgresEventLogStorage
from dagster_postgres.utils import pg_url_from_config

from analytics_assets.ingest.postgres_address import checked_address

# More are opened, and closed again, as threads need them.
_KEPT = 2


class ClusterStorage(DagsterPostgresStorage):
    """Dagster's storage, with a pool: by itself it opens three connections for each event of a run.

    A run of a month has some hundred events, and opening connections took longer than loading its rows. A connection is
    asked whether it lives before it is used, so a restart of PostgreSQL between two events is not noticed.
    """

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, Any]) -> Self:
        """Make one of what ``dagster.yaml`` says, which is what Dagster's own takes; raises ``SettingError``."""
        autocreate = config_value.get("should_autocreate_tables", True)
        address = checked_address("postgres_url in dagster.yaml", pg_url_from_config(config_value))
        storage = cls(address, autocreate, inst_data)
        storage.keep_connections()
        return storage

    def keep_connections(self) -> None:
        """Have all three parts of it share a pool, in which there is no connection yet."""
        self._event_log_storage = _EventLog(self.postgres_url, should_autocreate_tables=False)
        engine = sqlalchemy.create_engine(
            self.postgres_url, isolation_level="AUTOCOMMIT", pool_size=_KEPT, max_overflow=-1, pool_pre_ping=True
        )
        for storage in (self.run_storage, self.event_log_storage, self.schedule_storage):
            vars(storage)["_engine"] = engine


class _EventLog(PostgresEventLogStorage):
    def has_table(self, table_name: str) -> bool:
        """Ask until it is there, and give the connection back; Dagster's own asks for each result of a check.

        It leaves the connection to the garbage collector, so that another one has to be opened meanwhile.
        """
        if table_name not in self._tables:
            with self._connect() as connection:
                if not sqlalchemy.inspect(connection).has_table(table_name):
                    return False
            self._tables.add(table_name)
        return True

    @functools.cached_property
    def _tables(self) -> set[str]:
        return set()

    def dispose(self) -> None:
        """Close what is kept; Dagster disposes of this part of the storage when an instance ends."""
        super().dispose()
        self._engine.dispose()
