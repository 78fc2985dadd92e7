"""What the ledger says of each day: whether it is proven whole, and if not, how often and why it failed."""

import datetime as dt
import zoneinfo
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from dlt.destinations.exceptions import DatabaseUndefinedRelation
from dlt.destinations.sql_client import SqlClientBase

from analytics_assets.ingest.errors import is_outage
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
    """Runs that failed to load it, since it was last loaded; once the day is over, since then. An outage is one."""
    tried_at: dt.datetime | None = None
    """When the newest of these began."""
    reason: str | None = None
    """Why that one failed, in words."""
    tried_by: str = ""
    """The run that it was part of; empty outside of Dagster."""


Coverage = Mapping[str, Mapping[dt.date, DayOfEndpoint]]
"""By endpoint, and by day from the first asked for until the last."""


def coverage(
    client: SqlClientBase[Any], settings: Settings, first: dt.date, last: dt.date, *, only: str | None = None
) -> Coverage:
    """Return what the ledger says of each endpoint's days, or of ``only`` one's; both ends are included.

    Days are those of ``timezone``. There are none where ``last`` is before ``first``.
    A warehouse without a ledger has nothing of any day. A full refresh has proven every day that was over by then.
    """
    zone = zoneinfo.ZoneInfo(settings.timezone)
    span = Window(midnight(first, zone), midnight(max(first, last) + _DAY, zone))
    found = unknown(settings, first, last, only=only)
    days = [first + number * _DAY for number in range((last - first).days + 1)]
    loaded: dict[str, dt.datetime] = {}
    for asked in windows_within(client, span, only=only) if days else ():
        of_endpoint = found.get(asked.endpoint, {})
        for day in days if asked.window is None else days_within(asked.window, days, zone):
            if day in of_endpoint:
                ends = midnight(day + _DAY, zone)
                of_endpoint[day] = _after(of_endpoint[day], ends, asked, loaded.get(asked.endpoint))
        if asked.outcome == "loaded":
            loaded[asked.endpoint] = asked.began
    return found


def unknown(
    settings: Settings, first: dt.date, last: dt.date, *, only: str | None = None
) -> dict[str, dict[dt.date, DayOfEndpoint]]:
    """Return the days as they are where no window was ever asked for."""
    days = [first + number * _DAY for number in range((last - first).days + 1)]
    return {
        endpoint.name: {day: DayOfEndpoint(endpoint=endpoint.name, day=day) for day in days}
        for endpoint in settings.resolved_endpoints
        if only in {None, endpoint.name}
    }


@dataclass(frozen=True)
class AskedWindow:
    """A window of the ledger."""

    endpoint: str
    window: Window | None
    outcome: str
    reason: str | None
    began: dt.datetime
    run_id: str


def _after(known: DayOfEndpoint, ends: dt.datetime, asked: AskedWindow, loaded: dt.datetime | None) -> DayOfEndpoint:
    """Return what is known of a day once a further window with it has come to its end; they come as they began.

    ``loaded`` is when its endpoint was last loaded before, whichever days.
    """
    began = asked.began
    if asked.outcome == "loaded":
        is_whole = began >= ends or known.state == "proven"
        return replace(_none(known), state="proven" if is_whole else "partial", loaded_at=began)
    if asked.outcome != "failed":
        return known
    failed = replace(known, state="failed") if known.state == "missing" else known
    # what failed while the day lasted says nothing of whether it can be loaded as a whole
    before = 0 if known.tried_at and known.tried_at < ends <= began else known.tries
    # A step that begins anew, and the slices of a backfill, are one try. So are all of an outage, in which nothing else
    # of the endpoint was loaded either: no day is given up because the API, or the warehouse, was away for long.
    nothing_came = known.tried_at is not None and (loaded is None or loaded < known.tried_at)
    is_away = nothing_came and is_outage(asked.reason or "")
    is_same = bool(before and (is_away or (asked.run_id and asked.run_id == known.tried_by)))
    return replace(failed, tries=before + (not is_same), tried_at=began, reason=asked.reason, tried_by=asked.run_id)


def _none(known: DayOfEndpoint) -> DayOfEndpoint:
    return DayOfEndpoint(endpoint=known.endpoint, day=known.day)


def windows_within(client: SqlClientBase[Any], span: Window, *, only: str | None = None) -> Sequence[AskedWindow]:
    """Return what was asked in the span, of all endpoints or of ``only`` one, oldest first."""
    of_one = "endpoint = %s AND " if only else ""
    query = (
        f"SELECT endpoint, window_start, window_end, outcome, reason, started_at, run_id FROM {LEDGER} "
        f"WHERE {of_one}(window_start IS NULL OR (window_start < %s AND window_end > %s)) ORDER BY started_at"
    )
    try:
        rows = client.execute_sql(query, *([only] if only else []), span.end, span.start) or []
    except DatabaseUndefinedRelation:
        return []
    return [
        AskedWindow(endpoint, Window(start, end) if start else None, outcome, reason, began, run_id or "")
        for endpoint, start, end, outcome, reason, began, run_id in rows
    ]


def days_within(window: Window, days: Sequence[dt.date], zone: dt.tzinfo) -> Sequence[dt.date]:
    """Return the days that are in the window from midnight to midnight."""
    first = window.start.astimezone(zone).date()
    first += _DAY * (midnight(first, zone) < window.start)
    past = window.end.astimezone(zone).date()
    return days[max((first - days[0]).days, 0) : max((past - days[0]).days, 0)]


def requests_a_day(client: SqlClientBase[Any], settings: Settings) -> float:
    """Return how many requests the newest windows took for a day of all endpoints; 0 where none was loaded."""
    query = (
        f"SELECT endpoint, window_start, window_end, requests FROM {LEDGER} "
        "WHERE outcome = 'loaded' AND window_start IS NOT NULL ORDER BY started_at DESC LIMIT 100"
    )
    try:
        rows = client.execute_sql(query) or []
    except DatabaseUndefinedRelation:
        return 0
    total = 0.0
    for endpoint in settings.resolved_endpoints:
        of_it = [(Window(start, end).days, requests) for name, start, end, requests in rows if name == endpoint.name]
        total += sum(requests for _, requests in of_it) / max(sum(days for days, _ in of_it), 1)
    return total
