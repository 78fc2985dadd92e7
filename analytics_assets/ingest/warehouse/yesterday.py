"""What the ledger says of the windows that prove a day: how many rows came in them, and how many were restated."""

import datetime as dt
import zoneinfo
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dlt.destinations.exceptions import DatabaseUndefinedRelation
from dlt.destinations.sql_client import SqlClientBase

from analytics_assets.ingest.settings import Settings
from analytics_assets.ingest.warehouse.coverage import DayOfEndpoint, coverage
from analytics_assets.ingest.warehouse.ledger import LEDGER
from analytics_assets.ingest.window import midnight

_DAY = dt.timedelta(days=1)


@dataclass(frozen=True)
class DayInWarehouse:
    """A day of all endpoints, with the figures of the windows that prove it."""

    day: dt.date
    endpoints: Mapping[str, DayOfEndpoint]
    rows: int
    restated: int


def day_in_warehouse(client: SqlClientBase[Any], settings: Settings, day: dt.date) -> DayInWarehouse:
    """Return what the ledger says of a day; it has no rows where there is no ledger yet."""
    found = {name: days[day] for name, days in coverage(client, settings, day, day).items()}
    newest = {
        name: row for name, row in _windows_of(client, settings, day) if name in found and found[name].state == "proven"
    }
    rows = sum(int(row.get("rows_kept") or 0) for row in newest.values())
    # a ledger that an older version has made has no such column
    restated = sum(int(row.get("restated") or 0) for row in newest.values())
    return DayInWarehouse(day, found, rows, restated)


def _windows_of(client: SqlClientBase[Any], settings: Settings, day: dt.date) -> list[tuple[str, Mapping[str, Any]]]:
    """Return endpoint and row of every window with all of the day in it that was loaded; oldest first."""
    zone = zoneinfo.ZoneInfo(settings.timezone)
    begins, ends = midnight(day, zone), midnight(day + _DAY, zone)
    query = (
        f"SELECT * FROM {LEDGER} WHERE outcome = 'loaded' "
        "AND (window_start IS NULL OR (window_start <= %s AND window_end >= %s)) ORDER BY started_at"
    )
    try:
        with client.execute_query(query, begins, ends) as cursor:
            names = list(cursor.columns_schema)
            rows = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
    except DatabaseUndefinedRelation:
        return []
    return [(str(row["endpoint"]), row) for row in rows]
