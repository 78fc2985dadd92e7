"""All that the report says, read from the warehouse at one moment."""

import datetime as dt
import logging
import zoneinfo
from dataclasses import dataclass

from analytics_assets.ingest.configured import SettingError
from analytics_assets.ingest.opening import open_warehouse
from analytics_assets.ingest.settings import Settings
from analytics_assets.ingest.warehouse.destination import HAS_LOCK, destination_kind
from analytics_assets.ingest.warehouse.restatements import Lookback, SettleCurve, lookback, settle_curves
from analytics_assets.ingest.warehouse.view import Tables
from analytics_assets.report.changes import Change, changes_of
from analytics_assets.report.days import Calendar, calendar_of
from analytics_assets.report.points import Points
from analytics_assets.report.runs import Run, runs_of
from analytics_assets.report.series import Series, series_of
from analytics_assets.report.top import Top, top_of

_LOG = logging.getLogger("analytics_assets")
_MOST_DAYS = 365
_DAY = dt.timedelta(days=1)


@dataclass(frozen=True, kw_only=True)
class Contents:
    """What the warehouse holds. Days are those of the settings' time zone; today is in the calendar alone."""

    settings: Settings
    read_at: dt.datetime
    location: str
    """The warehouse, in words without a password or a path."""
    calendar: Calendar
    series: tuple[Series, ...]
    tops: tuple[Top, ...]
    runs: tuple[Run, ...]
    changes: tuple[Change, ...]
    curves: tuple[SettleCurve, ...]
    """Of each endpoint whose rows have a day: when its numbers settle."""
    lookbacks: tuple[Lookback, ...]
    has_tables: bool
    """Whether anything was ever loaded."""
    first: dt.date
    """The first day that was looked at."""

    @property
    def without_days(self) -> list[str]:
        """The endpoints whose rows have no day."""
        return [endpoint.name for endpoint in self.settings.resolved_endpoints if not endpoint.cursor]

    @property
    def rows(self) -> int:
        """Rows of the days that the calendar has."""
        return sum(day.rows for days in self.calendar.days.values() for day in days)


def read_contents(settings: Settings, log: logging.Logger = _LOG) -> Contents:
    """Read what the report says, of the last 365 days.

    A warehouse without tables has nothing. What a load adds to PostgreSQL meanwhile may be in some of it and not yet in
    all. Raises what opening the warehouse raises, and ``SettingError`` for one that it is not read from: it would say
    that nothing is loaded.
    """
    now = dt.datetime.now(dt.UTC)
    today = now.astimezone(zoneinfo.ZoneInfo(settings.timezone)).date()
    first = min(max(settings.start_date, today - _MOST_DAYS * _DAY), today)
    if destination_kind() not in HAS_LOCK:
        raise SettingError(
            f"The report is made from DuckDB and PostgreSQL alone, and the warehouse is {destination_kind()}"
        )
    with open_warehouse(log) as warehouse, warehouse.reader() as client:
        tables = Tables(client, settings)
        # of the day that is not over a sum would be half of one
        of_days = [Points(tables, one, first, max(today - _DAY, first)) for one in settings.resolved_endpoints]
        with_today = [Points(tables, one, first, today) for one in settings.resolved_endpoints]
        series = {points.endpoint.name: series_of(points) for points in of_days}
        tops = [top for points in of_days if (top := top_of(points, series[points.endpoint.name]))]
        curves = [curve for curve in settle_curves(client, settings, today) if curve.metric is None]
        back = {one.name: settings.of(one).lookback_days for one in settings.resolved_endpoints}
        told_elsewhere = {top.parent for top in tops}
        return Contents(
            settings=settings,
            read_at=now,
            location=warehouse.location,
            calendar=calendar_of(tables, first, today, with_today),
            series=tuple(one for found in series.values() for one in found),
            tops=tuple(top for top in tops if top.endpoint not in told_elsewhere),
            runs=tuple(runs_of(tables)),
            changes=tuple(change for points in of_days for change in changes_of(points)),
            curves=tuple(curves),
            lookbacks=tuple(lookback(curve, back[curve.endpoint]) for curve in curves),
            has_tables=bool(tables.types),
            first=first,
        )
