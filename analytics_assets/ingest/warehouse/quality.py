"""What the warehouse says of a load once it has arrived: its row in the ledger, and the ids of the days loaded."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from dlt.common.normalizers.naming import NamingConvention
from dlt.destinations.exceptions import DatabaseUndefinedRelation
from dlt.destinations.sql_client import SqlClientBase

from analytics_assets.ingest.endpoint import Endpoint
from analytics_assets.ingest.errors import explain
from analytics_assets.ingest.report import WindowReport
from analytics_assets.ingest.warehouse.ledger import LEDGER
from analytics_assets.ingest.warehouse.warehouse import Warehouse
from analytics_assets.ingest.window import Window

_FIGURES = (
    "outcome",
    "api_total",
    "rows_read",
    "rows_outside",
    "rows_rejected",
    "rows_kept",
    "rows_loaded",
)
_PATIENCE_SECONDS = 30.0


@dataclass(frozen=True, kw_only=True)
class Quality:
    """What was found behind one load; counts are rows."""

    ledger: Mapping[str, Any] = field(default_factory=dict)
    """The figures of its row; empty where it has none."""
    rows: int = 0
    """Rows that the table has of what was loaded."""
    without_id: int = 0
    repeated: int = 0
    """Rows with an id that another one has, beyond the first of each."""
    unseen: str | None = None
    """Why the warehouse could not be looked into, in words; all else says nothing then."""


def quality_of(
    warehouse: Warehouse, naming: NamingConvention, endpoint: Endpoint, report: WindowReport, log: logging.Logger
) -> Quality:
    """Look into the warehouse behind a load. Raises nothing of what that meets, for the rows have arrived."""
    try:
        with warehouse.writer(_PATIENCE_SECONDS), warehouse.job_client() as job_client:
            if job_client is None:
                return Quality(unseen="the destination is no database")
            client = job_client.sql_client
            names = [naming.normalize_identifier(name) for name in (*endpoint.merge_key, endpoint.cursor or "_")]
            *keys, cursor = (client.escape_column_name(name) for name in names)
            window = report.window if endpoint.cursor else None
            table = f"{warehouse.dataset}.{endpoint.name}"
            rows, without_id, repeated = _ids(client, table, keys, cursor, window)
            ledger = _ledger(client, report)
            return Quality(ledger=ledger, rows=rows, without_id=without_id, repeated=repeated)
    except Exception as error:
        problem = explain(error)
        if problem is None:
            log.exception("%s: the warehouse could not be looked into", endpoint.name)
        return Quality(unseen=problem.message if problem else f"an unexpected {type(error).__name__}; the log has it")


def _ledger(client: SqlClientBase[Any], report: WindowReport) -> dict[str, Any]:
    rows = client.execute_sql(f"SELECT {', '.join(_FIGURES)} FROM {LEDGER} WHERE id = %s", report.id)
    return dict(zip(_FIGURES, rows[0], strict=True)) if rows else {}


def _ids(
    client: SqlClientBase[Any], table: str, keys: Sequence[str], cursor: str, window: Window | None
) -> tuple[int, int, int]:
    """Return rows, those without id and those with another's, of the window or of a table that was read whole.

    An empty list has no table.
    """
    is_null = " OR ".join(f"{key} IS NULL" for key in keys)
    where = f"WHERE {cursor} >= %s AND {cursor} < %s" if window else ""
    query = (
        f"SELECT COALESCE(SUM(of_one), 0), COALESCE(SUM(CASE WHEN {is_null} THEN of_one ELSE 0 END), 0), "
        f"COALESCE(SUM(CASE WHEN {is_null} THEN 0 ELSE of_one - 1 END), 0) "
        f"FROM (SELECT {', '.join(keys)}, COUNT(*) AS of_one FROM {table} {where} GROUP BY {', '.join(keys)}) AS ids"
    )
    try:
        [figures] = client.execute_sql(query, *((window.start, window.end) if window else ())) or [(0, 0, 0)]
    except DatabaseUndefinedRelation:
        return 0, 0, 0
    rows, without_id, repeated = map(int, figures)
    return rows, without_id, repeated
