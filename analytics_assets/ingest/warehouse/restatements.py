"""What the restatements say: how many there were, when a day's numbers settle, and how far back to read again.

Recorded they are by ``restated.py``. ``docs/restatements.md`` says what these figures mean.
"""

import datetime as dt
import math
import zoneinfo
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from dlt.destinations.exceptions import DatabaseUndefinedRelation
from dlt.destinations.sql_client import SqlClientBase

from analytics_assets.ingest.endpoint import Endpoint
from analytics_assets.ingest.settings import Settings
from analytics_assets.ingest.warehouse.coverage import days_within, windows_within
from analytics_assets.ingest.warehouse.numbers_of import NumbersOf
from analytics_assets.ingest.warehouse.restated import RESTATEMENTS
from analytics_assets.ingest.warehouse.view import Tables
from analytics_assets.ingest.window import Window, midnight

_DAY = dt.timedelta(days=1)
# of a day's numbers: where no more than this moved, they stand still
_STILL = 0.01
# days that were read again at an age, from which something is said of that age
_DAYS_THAT_TELL = 3


@dataclass(frozen=True, kw_only=True)
class Age:
    """What was seen of those days that were read again so many days after they had ended."""

    age: int
    days: int
    """How many days were."""
    numbers: int
    """How many numbers they have."""
    moved: int
    """How many of these were others than when they had been read before."""

    @property
    def share(self) -> float:
        """The share of the numbers that moved, from 0 to 1."""
        return min(self.moved / self.numbers, 1.0) if self.numbers else 0.0


@dataclass(frozen=True, kw_only=True)
class SettleCurve:
    """How the numbers of an endpoint's days settle: all of them, or those of one metric."""

    endpoint: str
    metric: str | None = None
    ages: Sequence[Age] = ()
    """From the youngest to the oldest; an age at which no day was read again is not among them."""


@dataclass(frozen=True, kw_only=True)
class Lookback:
    """How many days before yesterday are worth reading again."""

    endpoint: str
    now: int
    """What ``lookback_days`` is."""
    days: int | None
    """What it could be; ``None`` where that is not known yet."""
    reason: str
    """A sentence for a person."""


@dataclass
class _Tally:
    days: set[dt.date] = field(default_factory=set)
    numbers: int = 0
    moved: int = 0


def restated_since(client: SqlClientBase[Any], since: dt.datetime, until: dt.datetime) -> dict[str, int]:
    """Return by endpoint how many numbers were seen to have changed, ``since <= seen_at < until``."""
    query = f"SELECT endpoint, COUNT(*) FROM {RESTATEMENTS} WHERE seen_at >= %s AND seen_at < %s GROUP BY endpoint"
    try:
        return {endpoint: int(count) for endpoint, count in client.execute_sql(query, since, until) or []}
    except DatabaseUndefinedRelation:
        return {}


def settle_curves(
    client: SqlClientBase[Any], settings: Settings, today: dt.date, days: int = 90
) -> Sequence[SettleCurve]:
    """Return the curve of each endpoint whose rows have a day, and behind it those of its metrics, by name.

    They are made of the ``days`` before ``today``, which is a day in the time zone of the settings. A day counts at an
    age only where a window with all of it in it was loaded at that age, as the ledger says. Without restatements, or
    without a warehouse, a curve has no ages.
    """
    tables = Tables(client, settings)
    first = today - days * _DAY
    read = _read_again(client, settings, first, today)
    moved = _moved(tables, first)
    curves: list[SettleCurve] = []
    for endpoint in settings.resolved_endpoints:
        if endpoint.cursor is not None:
            curves += _curves(endpoint.name, read[endpoint.name], _numbers(tables, endpoint, first), moved)
    return curves


def lookbacks(client: SqlClientBase[Any], settings: Settings, today: dt.date) -> Sequence[Lookback]:
    """Return for each endpoint whose rows have a day what ``lookback_days`` could be, and why."""
    now = {endpoint.name: settings.of(endpoint).lookback_days for endpoint in settings.resolved_endpoints}
    curves = settle_curves(client, settings, today)
    return [lookback(curve, now[curve.endpoint]) for curve in curves if curve.metric is None]


def lookback(curve: SettleCurve, now: int) -> Lookback:
    """Return what ``lookback_days`` could be, as a curve has it; ``now`` is what it is."""
    known = [age for age in curve.ages if age.days >= _DAYS_THAT_TELL]
    if not known:
        few = f"fewer than {_DAYS_THAT_TELL} days of {curve.endpoint} were read again after they had ended"
        more = "" if now else "; lookback_days = 7 for two weeks would tell"
        return Lookback(endpoint=curve.endpoint, now=now, days=None, reason=f"not enough known yet: {few}{more}")
    moving = [age for age in known if age.share > _STILL]
    if moving and moving[-1] == known[-1]:
        last = moving[-1]
        what = f"{_percent(last.share)} of the numbers of {curve.endpoint} still moved {_after(last.age)}"
        reason = f"not enough known yet: {what}, and older days were not read again: lookback_days = {last.age} or more"
        return Lookback(endpoint=curve.endpoint, now=now, days=None, reason=f"{reason}; it is {now} now")
    days = moving[-1].age if moving else 0
    worst = max(age.share for age in known if age.age > days)
    what = f"{_percent(1 - worst)} of the numbers of {curve.endpoint} stand still {_after(days)}"
    reason = f"{what}: lookback_days = {days}; it is {now} now{_so(now, days)}"
    return Lookback(endpoint=curve.endpoint, now=now, days=days, reason=reason)


def _percent(share: float) -> str:
    """Write a share so that it never says more than there is."""
    return f"{math.floor(share * 1000 + 1e-9) / 10:g} %"


def _after(days: int) -> str:
    return f"after {days} day{'s' * (days > 1)}" if days else "once the day has ended"


def _so(now: int, days: int) -> str:
    if now < days:
        return ", so what changes later than that is not seen"
    return ", so more is read again than changes" if now > days else ""


def _read_again(
    client: SqlClientBase[Any], settings: Settings, first: dt.date, today: dt.date
) -> Mapping[str, Mapping[dt.date, set[int]]]:
    """Return, by endpoint and day, at which ages it was read as a whole, when it had been read so before."""
    zone = zoneinfo.ZoneInfo(settings.timezone)
    days = [first + number * _DAY for number in range((today - first).days)]
    found: dict[str, dict[dt.date, set[int]]] = defaultdict(dict)
    span = Window(midnight(first, zone), midnight(today, zone))
    for asked in windows_within(client, span):
        if asked.outcome == "loaded":
            on, of_endpoint = asked.began.astimezone(zone).date(), found[asked.endpoint]
            for day in days if asked.window is None else days_within(asked.window, days, zone):
                ages = of_endpoint.get(day)
                of_endpoint[day] = set() if ages is None else ages | {(on - day).days - 1}
    return found


def _numbers(tables: Tables, endpoint: Endpoint, first: dt.date) -> Mapping[dt.date, Mapping[str, int]]:
    """Return, by day and metric, how many numbers the table has."""
    if not tables.has(endpoint.name):
        return {}
    numbers = NumbersOf(tables, endpoint, tables.data_types(endpoint.name))
    zone = zoneinfo.ZoneInfo(tables.settings.timezone)
    counted = " UNION ALL ".join(
        f"SELECT {numbers.day_of('held')} AS day, {numbers.metric_of('held', column)} AS metric, "
        f"COUNT({numbers.value_of('held', column)}) AS numbers FROM {tables.table(endpoint.name)} AS held "
        f"WHERE {numbers.moment_of('held')} >= %s GROUP BY 1, 2 "
        f"HAVING COUNT({numbers.value_of('held', column)}) > 0"
        for column in numbers.measured
    )
    found: dict[dt.date, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    if counted:
        since = [midnight(first, zone)] * len(numbers.measured)
        for day, metric, count in tables.client.execute_sql(counted, *since) or []:
            found[day][metric] += int(count)
    return found


def _moved(tables: Tables, first: dt.date) -> Mapping[tuple[str, dt.date, str, int], int]:
    """Return, by endpoint, day, metric and age, how many numbers were seen to have changed."""
    seen_on = f"CAST(seen_at AT TIME ZONE {tables.text(tables.settings.timezone)} AS DATE)"
    query = (
        f"SELECT endpoint, day, metric, {seen_on} - day - 1, COUNT(DISTINCT (id, column_name)) FROM {RESTATEMENTS} "
        "WHERE day >= %s GROUP BY 1, 2, 3, 4"
    )
    try:
        rows = tables.client.execute_sql(query, first) or []
    except DatabaseUndefinedRelation:
        return {}
    return {(endpoint, day, metric, int(age)): int(count) for endpoint, day, metric, age, count in rows}


def _curves(
    endpoint: str,
    read: Mapping[dt.date, set[int]],
    numbers: Mapping[dt.date, Mapping[str, int]],
    moved: Mapping[tuple[str, dt.date, str, int], int],
) -> list[SettleCurve]:
    tallies: dict[str | None, dict[int, _Tally]] = defaultdict(lambda: defaultdict(_Tally))
    for day, of_day in numbers.items():
        for age in (age for age in read.get(day, ()) if age > 0):
            for metric, count in of_day.items():
                for whose in (None, metric):
                    tally = tallies[whose][age]
                    tally.days.add(day)
                    tally.numbers += count
                    tally.moved += moved.get((endpoint, day, metric, age), 0)
    all_of_it = tallies.pop(None, {})
    metrics = sorted((metric, ages) for metric, ages in tallies.items() if metric is not None)
    return [
        SettleCurve(endpoint=endpoint, metric=metric, ages=_ages(ages))
        for metric, ages in [(None, all_of_it), *metrics]
    ]


def _ages(tallies: Mapping[int, _Tally]) -> tuple[Age, ...]:
    return tuple(
        Age(age=age, days=len(tally.days), numbers=tally.numbers, moved=tally.moved)
        for age, tally in sorted(tallies.items())
    )
