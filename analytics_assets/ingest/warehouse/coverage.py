"""What the ledger says of each day: whether it is proven whole, and if not, how often and why it failed."""

import datetime as dt
import zoneinfo
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from dlt.destinations.exceptions import DatabaseUndefinedRelation
from dlt.destinations.sql_client import SqlClientBase

from analytics_assets.ingest.settings import Settings
from analytics_assets.ingest.warehouse.ledger import LEDGER
from analytics_assets.ingest.window import Window, midnight

_DAY = dt.timedelta(days=1)


@dataclass(frozen=True, kw_only=True)
class DayOfEndpoint:
    """A day of an endpoint, as the ledger knows it.

    ``proven``: a window with all of the day in it was loaded after the day had ended. ``partial``: it was loaded while
    the day lasted. ``failed``: none was loaded, and some failed. ``missing``: none was tried, or only cancelled.
    """

    endpoint: str
    day: dt.date
    state: Literal["proven", "partial", "failed", "missing"] = "missing"
    loaded_at: dt.datetime | None = None
    """When the newest load of it began."""
    tries: int = 0
    """Windows with this day that failed since it was last loaded."""
    tried_at: dt.datetime | None = None
    """When the newest of these began."""
    reason: str | None = None
    """Why that one failed, in words."""


Coverage = Mapping[str, Mapping[dt.date, DayOfEndpoint]]
"""By endpoint, and by day from the first asked for until the last."""


def coverage(client: SqlClientBase[Any], settings: Settings, first: dt.date, last: dt.date) -> Coverage:
    """Return what the ledger says of each endpoint's days, both ends included; days are those of ``timezone``.

    A warehouse without a ledger has nothing of any day. A full refresh has proven every day that was over by then.
    """
    zone = zoneinfo.ZoneInfo(settings.timezone)
    span = Window(midnight(first, zone), midnight(last + _DAY, zone))
    days = [first + number * _DAY for number in range((last - first).days + 1)]
    found = {
        endpoint.name: {day: DayOfEndpoint(endpoint=endpoint.name, day=day) for day in days}
        for endpoint in settings.resolved_endpoints
    }
    for endpoint, window, outcome, reason, began in _windows(client, span):
        if endpoint in found:
            for day in days if window is None else _days_within(window, days, zone):
                known, ends = found[endpoint][day], midnight(day + _DAY, zone)
                found[endpoint][day] = _after(known, ends, outcome, reason, began)
    return found


def _after(
    known: DayOfEndpoint, ends: dt.datetime, outcome: str, reason: str | None, began: dt.datetime
) -> DayOfEndpoint:
    """Return what is known of a day once a further window with it has come to its end; they come as they began."""
    if outcome == "loaded":
        is_whole = began >= ends or known.state == "proven"
        return replace(_none(known), state="proven" if is_whole else "partial", loaded_at=began)
    if outcome != "failed":
        return known
    failed = replace(known, state="failed") if known.state == "missing" else known
    return replace(failed, tries=known.tries + 1, tried_at=began, reason=reason)


def _none(known: DayOfEndpoint) -> DayOfEndpoint:
    return DayOfEndpoint(endpoint=known.endpoint, day=known.day)


def _windows(
    client: SqlClientBase[Any], span: Window
) -> Sequence[tuple[str, Window | None, str, str | None, dt.datetime]]:
    """Return endpoint, window, outcome, reason and beginning of what was asked in the span, oldest first."""
    query = (
        f"SELECT endpoint, window_start, window_end, outcome, reason, started_at FROM {LEDGER} "
        "WHERE window_start IS NULL OR (window_start < %s AND window_end > %s) ORDER BY started_at"
    )
    try:
        rows = client.execute_sql(query, span.end, span.start) or []
    except DatabaseUndefinedRelation:
        return []
    return [(row[0], Window(row[1], row[2]) if row[1] else None, row[3], row[4], row[5]) for row in rows]


def _days_within(window: Window, days: Sequence[dt.date], zone: dt.tzinfo) -> Sequence[dt.date]:
    """Return the days that are in the window from midnight to midnight."""
    first = window.start.astimezone(zone).date()
    first += _DAY * (midnight(first, zone) < window.start)
    last = window.end.astimezone(zone).date() - _DAY
    return [day for day in days if first <= day <= last]
