"""How an endpoint stands after a load: its table's rows, the days that are proven, and what the last ones brought."""

import datetime as dt
import logging
import zoneinfo
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from dlt.destinations.exceptions import DatabaseException, DatabaseUndefinedRelation

from analytics_assets.ingest.endpoint import Endpoint
from analytics_assets.ingest.report import WindowReport
from analytics_assets.ingest.upkeep_settings import AddsUp
from analytics_assets.ingest.warehouse.coverage import coverage
from analytics_assets.ingest.warehouse.view import Tables
from analytics_assets.ingest.window import Window, midnight

DAYS = 30
COUNTED = 10_000_000
"""PostgreSQL counts no table of more rows, but says about how many there are."""
_DAY = dt.timedelta(days=1)


@dataclass(frozen=True)
class Measured:
    """What was measured: a metric, the span that its values cover (empty: not said), and how they add up."""

    metric: str
    period: str
    adds_up: AddsUp | None


@dataclass
class Numbers:
    """The numbers of one metric by day: their sum where they add up, else the largest that one row has."""

    by_day: dict[dt.date, float] = field(default_factory=dict)
    is_of_several: bool = False
    """Whether a day has several rows, that do not add up."""


@dataclass(frozen=True, kw_only=True)
class Standing:
    """How an endpoint stands; days are those of the setting ``timezone``."""

    rows: int = 0
    """Rows in the table; of more than ten million on PostgreSQL about that many."""
    next_expiry: dt.datetime | None = None
    """When the API stops returning the first of the rows that it still returns; ``None`` where it returns all."""
    last_proven: dt.date | None = None
    """The last day that is proven whole."""
    missing: tuple[dt.date, ...] = ()
    """Days from ``start_date`` until yesterday that are not proven."""
    days: tuple[dt.date, ...] = ()
    """The thirty days that end with the last one of the load."""
    rows_by_day: Mapping[dt.date, int] = field(default_factory=dict)
    """Rows in the table of each of ``days`` that has any."""
    measured: Mapping[Measured, Numbers] = field(default_factory=dict)


def standing(tables: Tables, endpoint: Endpoint, report: WindowReport, log: logging.Logger) -> Standing | None:
    """Return how an endpoint stands after a load; ``None`` where the warehouse, one of these two, does not say it."""
    now, zone = dt.datetime.now(dt.UTC), zoneinfo.ZoneInfo(tables.settings.timezone)
    yesterday = now.astimezone(zone).date() - _DAY
    last = (report.window.end - dt.timedelta(microseconds=1)).astimezone(zone).date() if report.window else yesterday
    days = tuple(last - number * _DAY for number in reversed(range(DAYS)))
    if tables.kind is None:
        return None
    try:
        first, name = tables.settings.start_date, endpoint.name
        known = coverage(tables.client, tables.settings, first, yesterday, only=name).get(name, {})
        held = _held(tables, endpoint, now, Window(midnight(days[0], zone), midnight(last + _DAY, zone)))
    except DatabaseException as error:
        log.warning("%s: how its table stands is not known: %s", endpoint.name, " ".join(str(error).split()))
        return None
    proven = {day for day, one in known.items() if one.state == "proven"}
    return replace(held, last_proven=max(proven, default=None), missing=tuple(sorted(known.keys() - proven)), days=days)


def _held(tables: Tables, endpoint: Endpoint, now: dt.datetime, span: Window) -> Standing:
    """Return what the table says; that is nothing where there is none yet."""
    table = tables.table(endpoint.name)
    expires = tables.column(endpoint.expires_by) if endpoint.expires_by else "NULL"
    rows, next_expiry = _count(tables, table), f"SELECT MIN({expires}) FROM {table} WHERE {expires} > %s"
    try:
        [(count, soonest)] = tables.client.execute_sql(f"SELECT ({rows}), ({next_expiry})", now) or [(0, None)]
        rows_by_day, measured = _by_day(tables, endpoint, span)
    except DatabaseUndefinedRelation:
        return Standing()
    return Standing(rows=int(count), next_expiry=soonest, rows_by_day=rows_by_day, measured=measured)


def _count(tables: Tables, table: str) -> str:
    """Return the query for a table's rows; PostgreSQL reads them all to count them, so of many it is asked how many."""
    count = f"SELECT COUNT(*) FROM {table}"
    if tables.kind != "postgres":
        return count
    estimate = f"(SELECT reltuples FROM pg_class WHERE oid = {tables.text(table)}::regclass)"
    return f"SELECT CASE WHEN {estimate} < {COUNTED} THEN ({count}) ELSE {estimate} END"


def _by_day(
    tables: Tables, endpoint: Endpoint, span: Window
) -> tuple[Mapping[dt.date, int], Mapping[Measured, Numbers]]:
    """Return rows and numbers by day; one that stands beside a metric's value is left out, for others have it too."""
    rows: Counter[dt.date] = Counter()
    measured: defaultdict[Measured, Numbers] = defaultdict(Numbers)
    if endpoint.cursor is None:
        return rows, measured
    cursor, metrics = tables.column(endpoint.cursor), tables.settings.metrics
    computed = [column.name for column in endpoint.columns if column.number_in]
    names = computed[:1] or [column.name for column in endpoint.measured_alone]
    named = [endpoint.metric, endpoint.period] if computed else [None, None]
    metric, period = (f"CAST({tables.column(name)} AS TEXT)" if name else "CAST(NULL AS TEXT)" for name in named)
    figures = [f", COUNT({name}), SUM({name}), MAX({name})" for name in map(tables.column, names)]
    query = (
        f"SELECT CAST({cursor} AT TIME ZONE {tables.text(tables.settings.timezone)} AS DATE), {metric}, {period}, "
        f"COUNT(*){''.join(figures)} FROM {tables.table(endpoint.name)} WHERE {cursor} >= %s AND {cursor} < %s "
        "GROUP BY 1, 2, 3 ORDER BY 1, 2, 3"
    )
    for day, called, covers, count, *found in tables.client.execute_sql(query, span.start, span.end) or []:
        rows[day] += count
        for place, name in enumerate(names):
            numbers, total, largest = found[place * 3 : place * 3 + 3]
            what = str(called) if computed else name
            if numbers:
                how = metrics.get(what)
                one = measured[Measured(what, covers or "", how)]
                one.by_day[day] = float(total if how == "sum" else largest)
                one.is_of_several |= numbers > 1 and how != "sum"
    return rows, measured
