"""What a backfill will cost, before it starts: one request per endpoint, then arithmetic."""

import datetime as dt
import math
import zoneinfo
from dataclasses import dataclass

from analytics_assets.ingest.configured import SettingError
from analytics_assets.ingest.endpoint import Endpoint
from analytics_assets.ingest.settings import Settings
from analytics_assets.ingest.source import read_only
from analytics_assets.ingest.window import Window

_MINUTES_OF_HOURS = 90
"""From here on an estimate is said in hours."""


@dataclass(frozen=True)
class Estimate:
    """Rows, requests and minutes that a window of one endpoint takes; ``None`` where the API gives no total."""

    endpoint: str
    rows: int | None
    requests: int | None
    minutes: float | None

    def __str__(self) -> str:
        if self.rows is None:
            return f"{self.endpoint}: the API gives no total, so nothing can be said before it is read"
        rows, requests = _counted(self.rows, "row"), _counted(self.requests or 0, "request")
        return f"{self.endpoint}: {rows}, {requests}, {_duration(self.minutes or 0)}"


def window_of_days(start: str, end: str, settings: Settings) -> Window:
    """Return the window from the day ``start`` to the day ``end``, both included, in the settings' time zone.

    An empty ``start`` is the first partition, an empty ``end`` is yesterday. Raises ``SettingError``, in one sentence,
    for what is not a date and for an end before its start.
    """
    zone = zoneinfo.ZoneInfo(settings.timezone)
    yesterday = dt.datetime.now(zone).date() - dt.timedelta(days=1)
    first = Window.of_day(day_named("START", start) if start else settings.start_date, zone)
    last = Window.of_day(day_named("END", end) if end else yesterday, zone)
    if last.start < first.start:
        begin = f"START {start}" if start else f"the first partition, {settings.start_date} (the setting start_date)"
        raise SettingError(f"{f'END {end}' if end else f'yesterday, {yesterday},'} is before {begin}")
    return Window(first.start, last.end)


def day_named(name: str, text: str) -> dt.date:
    """Return the day that a variable gives; raises ``SettingError``, in one sentence, where it is not a date."""
    try:
        # the calendar's last day has no day after it, at which its window would end
        return Window.of_day(dt.date.fromisoformat(text.strip())).start.date()
    except (ValueError, OverflowError):
        raise SettingError(f"{name} {text} is not a date; write it as in {name}=2025-01-31") from None


def estimate_window(endpoint: Endpoint, settings: Settings, window: Window | None) -> Estimate:
    """Ask for the first page of a window and work out the rest. Raises what reading it would raise.

    The pace is the smaller of ``max_requests_per_second`` and what ``max_concurrent_requests`` reach if each takes as
    long as this one did. A pace that the API enforces by refusals shows only when it is loaded.
    """
    report = read_only(endpoint, settings, window if settings.has_window else None, pages=1).report()
    if report.total is None:
        return Estimate(endpoint.name, None, None, None)
    requests = max(1, math.ceil(report.total / max(report.rows_read, 1)))
    per_second = settings.max_concurrent_requests / max(report.seconds, 1e-3)
    if settings.max_requests_per_second:
        per_second = min(per_second, settings.max_requests_per_second)
    return Estimate(endpoint.name, report.total, requests, requests / per_second / 60)


def _counted(count: int, name: str) -> str:
    return f"{count:,} {name}{'' if count == 1 else 's'}"


def _duration(minutes: float) -> str:
    if round(minutes) < 1:
        return "under a minute"
    if minutes < _MINUTES_OF_HOURS:
        return f"about {_counted(round(minutes), 'minute')}"
    return f"about {minutes / 60:,.1f} hours"
