"""Which days are to be loaded that no schedule will load again, and which endpoints the API refuses.

What belongs here: decisions over what ``coverage.py`` knows. Who asks for runs is ``sensors/``.
"""

import datetime as dt
import math
import re
import zoneinfo
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

from analytics_assets.ingest.errors import is_lasting
from analytics_assets.ingest.settings import Settings
from analytics_assets.ingest.warehouse.coverage import Coverage, DayOfEndpoint
from analytics_assets.ingest.window import midnight

_DAY = dt.timedelta(days=1)
_HOUR = dt.timedelta(hours=1)
# So long after its time, a day that has ended is the daily load's.
_CHANCE = 5 * _HOUR
_KEY_REFUSED = "key refused"


@dataclass(frozen=True)
class Gap:
    """Consecutive days that the same endpoints want."""

    first: dt.date
    last: dt.date
    endpoints: tuple[str, ...]

    @property
    def days(self) -> int:
        """How many days it has."""
        return (self.last - self.first).days + 1


def given_up(coverage: Coverage, settings: Settings) -> list[DayOfEndpoint]:
    """Return the days that are over, without a proven window, and have failed ``gap_tries`` times, oldest first.

    They are tried again by hand alone; whoever loads one takes it out of this list.
    """
    today = dt.datetime.now(zoneinfo.ZoneInfo(settings.timezone)).date()
    found = [
        one for one in _days(coverage) if one.state != "proven" and one.tries >= settings.gap_tries and one.day < today
    ]
    return sorted(found, key=lambda one: (one.day, one.endpoint))


def refused(coverage: Coverage, fine_at: dt.datetime | None) -> Mapping[str, DayOfEndpoint]:
    """Return the endpoints whose newest load was refused for its key, each with the day that says so.

    ``fine_at``: when the connection check was last fine; a refusal from before it is none any more.
    """
    found = {}
    for endpoint, days in coverage.items():
        loaded = [one.loaded_at for one in days.values() if one.loaded_at]
        newest = newest_try(days.values())
        if newest and newest.tried_at and (newest.reason or "").startswith(_KEY_REFUSED):
            since = max([*loaded, *([fine_at] if fine_at else [])], default=None)
            if since is None or newest.tried_at > since:
                found[endpoint] = newest
    return found


def newest_try(days: Iterable[DayOfEndpoint]) -> DayOfEndpoint | None:
    """Return the day whose load failed last."""
    tried = {one.tried_at: one for one in days if one.tried_at}
    return tried[max(tried)] if tried else None


def wanted(
    coverage: Coverage, settings: Settings, now: dt.datetime, fine_at: dt.datetime | None
) -> list[DayOfEndpoint]:
    """Return the days that are over, not proven or not read again, and to be tried now: newest first.

    Of an endpoint that is read whole it is the newest alone. One that failed waits an hour, then two, then four; one
    that failed for a lasting cause waits until its endpoint was loaded, or the connection check was fine, after that.
    """
    zone, chance = zoneinfo.ZoneInfo(settings.timezone), _time_of(settings.daily_cron) + _CHANCE
    whole = {one.name for one in settings.resolved_endpoints if not settings.of(one).has_window}
    loaded = {
        name: max([one.loaded_at for one in days.values() if one.loaded_at], default=None)
        for name, days in coverage.items()
    }
    found = [
        one
        for one in _open(coverage, settings)
        if one.tries < settings.gap_tries
        and now >= midnight(one.day + _DAY, zone) + chance
        and _may_be_tried(one, now, max(filter(None, [loaded[one.endpoint], fine_at]), default=None))
    ]
    newest = {one.endpoint: one for one in sorted(found, key=lambda one: one.day)}
    rest = [one for one in found if one.endpoint not in whole or one is newest[one.endpoint]]
    return sorted(rest, key=lambda one: one.day, reverse=True)


def grouped(days: Iterable[DayOfEndpoint], most_days: int) -> list[Gap]:
    """Put consecutive days of the same endpoints together, newest first, ``most_days`` in all.

    A day that has failed stands alone: in one window with others it would take them down again.
    """
    wanted_by: dict[dt.date, list[DayOfEndpoint]] = {}
    for one in days:
        wanted_by.setdefault(one.day, []).append(one)
    found: list[Gap] = []
    whole: Gap | None = None
    for day, ones in sorted(wanted_by.items(), reverse=True)[:most_days]:
        names = tuple(sorted(one.endpoint for one in ones))
        is_untried = not any(one.tries for one in ones)
        if whole and is_untried and whole.first - day == _DAY and whole.endpoints == names:
            found[-1] = whole = Gap(day, whole.last, names)
            continue
        found.append(Gap(day, day, names))
        whole = found[-1] if is_untried else None
    return found


def days_within_budget(settings: Settings, requests_a_day: float, seconds: float) -> int:
    """Return how many days may be asked for at once, so that half of the time's requests are left to others."""
    if not (settings.max_requests_per_second and requests_a_day):
        return settings.gap_days
    return max(1, min(settings.gap_days, math.floor(settings.max_requests_per_second * seconds / 2 / requests_a_day)))


def _time_of(cron: str) -> dt.timedelta:
    """Return the first time of day that a cron expression names; of what names none (``*/15``) it is midnight."""
    minute, hour = (int(found[0]) if (found := re.match(r"\d+", field)) else 0 for field in cron.split()[:2])
    return dt.timedelta(hours=hour, minutes=minute)


def _may_be_tried(one: DayOfEndpoint, now: dt.datetime, fine_at: dt.datetime | None) -> bool:
    if one.tried_at is None:
        return True
    if is_lasting(one.reason or ""):
        return fine_at is not None and fine_at > one.tried_at
    wait: dt.timedelta = _HOUR * 2 ** (one.tries - 1)
    return now >= one.tried_at + wait


def _open(coverage: Coverage, settings: Settings) -> Sequence[DayOfEndpoint]:
    """Return the days that were never proven, or could not be read again while ``lookback_days`` would have them so.

    No later run of the daily load may have such a day in its range, so that its last restatements would be missed.
    """
    zone = zoneinfo.ZoneInfo(settings.timezone)
    looks_back = {one.name: settings.of(one).lookback_days for one in settings.resolved_endpoints}
    return [
        one
        for one in _days(coverage)
        if one.state != "proven"
        or (one.tried_at and one.tried_at < midnight(one.day + (looks_back[one.endpoint] + 2) * _DAY, zone))
    ]


def _days(coverage: Coverage) -> Sequence[DayOfEndpoint]:
    return list(chain.from_iterable(days.values() for days in coverage.values()))
