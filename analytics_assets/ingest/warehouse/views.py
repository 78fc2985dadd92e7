"""The views of the dataset, which are made in this one place, after a load.

A view is made anew where it is missing, or where its query or the columns of the tables are others than those it was
made from. Those are known by a digest, which stands in the view's comment and so goes with the view.
"""

import contextlib
import hashlib
import json
import logging
from collections.abc import Iterator, Sequence
from typing import Any

from dlt.destinations.exceptions import DatabaseException
from dlt.destinations.sql_client import SqlClientBase

from analytics_assets.ingest.settings import Settings
from analytics_assets.ingest.warehouse.daily import INSIGHTS_DAILY
from analytics_assets.ingest.warehouse.known_on import HISTORY
from analytics_assets.ingest.warehouse.view import Tables, View, kind_of

VIEWS: tuple[View, ...] = (INSIGHTS_DAILY, HISTORY)

_OURS = "analytics_assets "
_COMMENTS = {
    "duckdb": "SELECT view_name, comment FROM duckdb_views() "
    "WHERE database_name = current_database() AND schema_name = %s AND NOT internal",
    "postgres": "SELECT v.relname, obj_description(v.oid, 'pg_class') FROM pg_class AS v "
    "JOIN pg_namespace AS n ON n.oid = v.relnamespace WHERE n.nspname = %s AND v.relkind = 'v'",
}


def make_views(
    client: SqlClientBase[Any], settings: Settings, log: logging.Logger, views: Sequence[View] = VIEWS
) -> None:
    """Make the views that are missing, or that would be made otherwise by now; on DuckDB and PostgreSQL alone.

    To be called by the one writer. What goes wrong is said in the log, and leaves that view as it was: a load does not
    depend on it.
    """
    tables = Tables(client, settings)
    if tables.kind is None:
        return
    try:
        comments = client.execute_sql(_COMMENTS[tables.kind], client.dataset_name) or []
        held = {name: str(comment) for name, comment in comments}
        for view in views:
            _bring_up_to_date(tables, view, held.get(view.name), log)
    except Exception:
        log.exception("the views could not be looked at, and stay as they are")


def _bring_up_to_date(tables: Tables, view: View, held: str | None, log: logging.Logger) -> None:
    """Make a view, or drop it where there is nothing to show any more; ``held`` is the comment of the one there is."""
    if held is not None and _OURS not in held:
        log.warning("%s is a view of somebody else's, and stays: rename it, and the next load makes ours", view.name)
        return
    query = view.query(tables)
    digest = hashlib.sha256(f"{query} {json.dumps(tables.types)}".encode()).hexdigest()[:16]
    comment = f"{view.description} ({_OURS}{digest})"
    if query is None and held is not None:
        _try(tables.client, log, view.name, [f"DROP VIEW {tables.table(view.name)}"])
    elif query is not None and held != comment:
        _make(tables, view.name, query, comment, log)


def _make(tables: Tables, name: str, query: str, comment: str, log: logging.Logger) -> None:
    view = tables.table(name)
    say = f"COMMENT ON VIEW {view} IS {tables.text(comment)}"
    # PostgreSQL replaces a view, with others upon it, as long as columns are added alone
    if _tried(tables.client, [f"CREATE OR REPLACE VIEW {view} AS {query}", say]) is not None:
        _try(tables.client, log, name, [f"DROP VIEW IF EXISTS {view}", f"CREATE VIEW {view} AS {query}", say])


def _try(client: SqlClientBase[Any], log: logging.Logger, name: str, statements: Sequence[str]) -> None:
    if (error := _tried(client, statements)) is not None:
        log.warning("the view %s could not be made, and is as it was: %s", name, " ".join(str(error).split()))


def _tried(client: SqlClientBase[Any], statements: Sequence[str]) -> DatabaseException | None:
    """Execute all of the statements, or none; return why not."""
    try:
        with client.begin_transaction():
            for statement in statements:
                client.execute_sql(statement)
    except DatabaseException as error:
        return error
    return None


@contextlib.contextmanager
def views_aside(client: SqlClientBase[Any]) -> Iterator[None]:
    """Have no view of ours in the way of what the block does to a table's columns; readers see nothing of it.

    PostgreSQL changes no column that a view shows. The views are dropped and made again as they were, all in one
    transaction. Raises dlt's ``DatabaseException``, and then all is as before.
    """
    if kind_of(client) != "postgres":
        yield
        return
    shown = (
        f"SELECT v.relname, pg_get_viewdef(v.oid), c.comment FROM ({_COMMENTS['postgres']}) AS c (relname, comment) "
    )
    shown += "JOIN pg_class AS v ON v.relname = c.relname JOIN pg_namespace AS n ON n.oid = v.relnamespace "
    shown += f"WHERE n.nspname = %s AND c.comment LIKE '%%({_OURS}%%'"
    ours = client.execute_sql(shown, client.dataset_name, client.dataset_name) or []
    with client.begin_transaction():
        for name, _, _ in ours:
            client.execute_sql(f"DROP VIEW {client.make_qualified_table_name(name)}")
        yield
        for name, query, comment in ours:
            view = client.make_qualified_table_name(name)
            client.execute_sql(f"CREATE VIEW {view} AS {query.rstrip(';')}")
            client.execute_sql(f"COMMENT ON VIEW {view} IS %s", comment)
