"""Everything that differs from dlt, in one place: what, in which version it was seen, why, and when it can go.

| what | seen in dlt | can go when |
|---|---|---|
| ``read_type_hints_once`` | 1.31.0 | the TODO in ``dlt.common.validation.validate_dict`` is gone |
| ``tell_secrets_once`` | 1.31.0 | dlt's ``is_secret_hint`` remembers what it has said of a type |
| ``resolve_once`` | 1.31.0 | a run resolves ``destination.configuration`` once by itself |
| ``destination_arguments`` | 1.31.0 | ``dlt.destinations.duckdb().capabilities().supports_transactions`` is true |
| ``as_jsonb`` | 1.31.0 | ``dlt.destinations.impl.postgres.factory`` makes ``jsonb`` of a Parquet table's JSON columns |
| ``before_merge`` | 1.31.0 | a merge can be given statements that its transaction begins with |
| ``table_statements`` | 1.31.0 | a client makes tables in the transaction that it is in |
| ``load.WindowPipeline`` | 1.31.0, dagster-dlt 0.29.1 | ``DagsterDltResource.run`` can be given what to run |
| no signals intercepted, in ``load.py`` | 1.31.0 | a signal that came is still known when ``load`` has returned |
| no runtime trace, in ``load.py`` | 1.31.0 | ``trace.pickle`` is written without the values of secrets |
| ``translator.DltLoader`` | dagster-dlt 0.29.1 | its metadata needs no trace and names the table as it is called |
| full refresh by ``warehouse/merge.py`` | 1.31.0 | ``replace`` keeps readers on the old table until it commits |

``api/early_hints.py`` says the same of what differs from ``http.client``.

``docs/columns.md`` says where columns and values depart from what dlt would make of them.
"""

import contextlib
import functools
import sys
import typing
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, cast

from dlt.common import validation
from dlt.common.configuration import is_secret_hint, resolve
from dlt.common.configuration.providers import environ
from dlt.common.destination import AnyDestination, PreparedTableSchema
from dlt.common.destination.client import DestinationClientConfiguration, FollowupJobRequest
from dlt.common.schema import Schema
from dlt.destinations.job_client_impl import SqlJobClientBase
from dlt.destinations.sql_client import SqlClientBase
from dlt.destinations.sql_jobs import SqlMergeFollowupJob

_get_type_hints = typing.get_type_hints


@functools.cache
def _type_hints(spec: type) -> dict[str, Any]:
    module = sys.modules.get(spec.__module__)
    return _get_type_hints(spec, globalns=vars(module) if module else None)


def read_type_hints_once() -> None:
    """Have dlt's validation of schemas and configs read the annotations of each of its ``TypedDict`` once per process.

    It does so for each column and each time, which is a fifth of what loading a few rows takes.
    """

    def get_type_hints(spec: type, **_: object) -> dict[str, Any]:
        return _type_hints(spec)

    setattr(validation, typing.get_type_hints.__name__, get_type_hints)


_known_as_secret = functools.cache(is_secret_hint)


def tell_secrets_once() -> None:
    """Have dlt find out once per process whether a type is that of a secret.

    It does so for each place where it looks for a value, thousands of times in a load, which is a tenth of what loading
    a few rows takes. What is found depends on the type alone.
    """

    def is_secret(hint: type) -> bool:
        try:
            return _known_as_secret(hint)
        except TypeError:
            # annotated with something that has no hash
            return is_secret_hint(hint)

    for module in (environ, resolve):
        setattr(module, is_secret_hint.__name__, is_secret)


def resolve_once(destination: AnyDestination) -> AnyDestination:
    """Have the destination read its settings once; dlt does so sixteen times in a run."""
    resolve = destination.configuration
    resolved: dict[object, DestinationClientConfiguration] = {}

    def configuration(
        initial_config: DestinationClientConfiguration,
        accept_partial: bool = False,  # noqa: FBT001, FBT002 (dlt's signature)
    ) -> DestinationClientConfiguration:
        if initial_config.is_resolved():
            return resolve(initial_config, accept_partial)
        named = (getattr(initial_config, name, None) for name in ("dataset_name", "default_schema_name"))
        wanted = (*named, accept_partial)
        if wanted not in resolved:
            resolved[wanted] = resolve(initial_config, accept_partial)
        return resolved[wanted]

    destination.configuration = configuration  # type: ignore[method-assign] # dlt offers no hook
    return destination


def destination_arguments() -> dict[str, Any]:
    """Return what DuckDB and PostgreSQL are told by us, as arguments that dlt's destinations take."""
    return {
        # dlt leaves this unset for them, and commits a merge's DELETE before its INSERT; an insert that fails then
        # empties the table.
        "supports_transactions": True,
        # or dlt would have all files of a large table in memory at once
        "loader_parallelism_strategy": "table-sequential",
        # dlt would keep the random ids of rows unique, at a tenth of a load's time; nothing looks rows up by them
        "create_indexes": False,
    }


@contextlib.contextmanager
def as_jsonb(schema: Schema, table: str) -> Iterator[None]:
    """Have dlt make ``jsonb`` of the JSON columns of a table that is loaded as Parquet, while the block lasts.

    It makes ``json`` of them, because ADBC cannot copy into ``jsonb``; but only the staging table is copied into. So
    the table is made as for another file format.
    """
    file_format = schema.tables[table].pop("file_format", None)
    try:
        yield
    finally:
        if file_format:
            schema.tables[table]["file_format"] = file_format


Statements = Callable[[PreparedTableSchema, SqlClientBase[Any]], Sequence[str]]
# how dlt's clients, and those of its destinations, make the job that merges a table
_MERGE_JOBS = "_create_merge_followup_jobs"


def before_merge(destination: AnyDestination, statements: Statements) -> None:
    """Have the transaction in which dlt merges a table begin with statements, which are made from that table.

    They see the rows that are there, and those that are merged into them. Each is one line without a semicolon, for so
    dlt tells them apart.
    """

    class Merge(SqlMergeFollowupJob):
        @classmethod
        def gen_merge_sql(cls, table_chain: Sequence[PreparedTableSchema], sql_client: SqlClientBase[Any]) -> list[str]:
            return [*statements(table_chain[0], sql_client), *super().gen_merge_sql(table_chain, sql_client)]

    def client(schema: Schema, initial_config: DestinationClientConfiguration) -> SqlJobClientBase:
        # of the class, so that what another load of this pipeline was given does not stay
        made = cast("SqlJobClientBase", type(destination).client(destination, schema, initial_config))

        def jobs(table_chain: Sequence[PreparedTableSchema]) -> list[FollowupJobRequest]:
            return [Merge.from_table_chain(table_chain, made.sql_client)]

        setattr(made, _MERGE_JOBS, jobs)
        return made

    setattr(destination, type(destination).client.__name__, client)


# how dlt's clients put together what makes tables
_TABLE_STATEMENTS = "_build_schema_update_sql"


def table_statements(client: SqlJobClientBase, tables: Iterable[str]) -> list[str]:
    """Return the statements with which dlt would make these tables of the client's schema, as none of them is there.

    By itself it commits, and asks for a version of the schema first, which ends a transaction where there is none.
    """
    statements, _ = getattr(client, _TABLE_STATEMENTS)([(table, {}) for table in tables])
    return list(statements)
