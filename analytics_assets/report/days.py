"""Which days are there: of each endpoint and day whether it is proven, its rows, what was restated and set aside."""

import datetime as dt
import zoneinfo
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import groupby

from analytics_assets.ingest.warehouse.coverage import DayOfEndpoint, coverage, days_within
from analytics_assets.ingest.warehouse.ledger import LEDGER
from analytics_assets.ingest.warehouse.restated import RESTATEMENTS
from analytics_assets.ingest.warehouse.view import Tables
from analytics_assets.ingest.window import Window
from analytics_assets.report.points import Points

_DAY = dt.timedelta(days=1)


@dataclass(frozen=True, kw_only=True)
class Day:
    """A day of an endpoint. Of rows that were set aside it is known in which window they were, not on which day."""

    known: DayOfEndpoint
    rows: int
    restated: int
    rejected: int
    is_over: bool

    @property
    def words(self) -> str:
        """Say what is known of it."""
        figures = {"restated": self.restated, "rejected in its window": self.rejected}
        told = [self.known.state, *(f"{count:,} {what}" for what, count in figures.items() if count)]
        if self.rows or self.known.state == "proven":
            told.insert(1, f"{self.rows:,} {'row' if self.rows == 1 else 'rows'}")
        return ", ".join(told if self.is_over else [*told, "not over yet"])


@dataclass(frozen=True)
class Calendar:
    """The days of each endpoint, from the first that anything is known of until today, which is not over."""

    days: Mapping[str, tuple[Day, ...]]
    today: dt.date
    restated: int
    """Numbers that were changed, whatever day they are of."""
    rejected: int
    """Rows in the tables of those that were set aside."""

    @property
    def first(self) -> dt.date | None:
        """The first day; ``None`` where nothing is known of any."""
        return next((one[0].known.day for one in self.days.values() if one), None)

    @property
    def over(self) -> list[Day]:
        """The days that are over, of all endpoints."""
        return [day for days in self.days.values() for day in days if day.known.day < self.today]

    @property
    def proven(self) -> int:
        """How many of these are proven whole."""
        return sum(day.known.state == "proven" for day in self.over)

    def gaps(self) -> list[tuple[str, str, dt.date, dt.date]]:
        """Return endpoint, state, first and last day of each row of days that are over and not proven, newest first."""
        found = []
        for name, days in self.days.items():
            for state, together in groupby(
                (day for day in days if day.known.day < self.today), lambda day: day.known.state
            ):
                span = list(together)
                if state != "proven":
                    found.append((name, state, span[0].known.day, span[-1].known.day))
        return sorted(found, key=lambda gap: gap[3], reverse=True)

    def months(self) -> list[tuple[dt.date, dict[str, dict[int, Day]]]]:
        """Return the first day of each month, newest first, with the days of each endpoint by their number."""
        found: dict[dt.date, dict[str, dict[int, Day]]] = {}
        for name, days in self.days.items():
            for one in days:
                month = found.setdefault(one.known.day.replace(day=1), {endpoint: {} for endpoint in self.days})
                month[name][one.known.day.day] = one
        return sorted(found.items(), reverse=True)


def calendar_of(tables: Tables, first: dt.date, today: dt.date, points: Iterable[Points]) -> Calendar:
    """Return what is known of the days from ``first`` on; those before anything was loaded are left out."""
    covered = coverage(tables.client, tables.settings, first, today)
    rows = {one.endpoint.name: _rows(one) for one in points}
    restated, rejected = _restated(tables), _rejected(tables, first, today)
    known = [day for days in covered.values() for day, one in days.items() if one.state != "missing"]
    begins = min([*known, *(day for of_day in rows.values() for day in of_day)], default=None)
    return Calendar(
        {
            name: tuple(
                Day(
                    known=one,
                    rows=rows.get(name, {}).get(day, 0),
                    restated=restated[name, day],
                    rejected=rejected[name, day],
                    is_over=day < today,
                )
                for day, one in days.items()
                if begins and day >= begins
            )
            for name, days in covered.items()
        },
        today,
        restated=_count(tables, RESTATEMENTS),
        rejected=sum(_count(tables, f"{name}__rejected") for name in covered),
    )


def _count(tables: Tables, table: str) -> int:
    if table not in tables.types:
        return 0
    [(count,)] = tables.client.execute_sql(f"SELECT COUNT(*) FROM {tables.table(table)}") or [(0,)]
    return int(count)


def _rows(points: Points) -> dict[dt.date, int]:
    if not points.is_there:
        return {}
    table = points.tables.table(points.endpoint.name)
    query = f"SELECT {points.day} AS day, COUNT(*) FROM {table} WHERE {points.within} GROUP BY 1"
    return {day: int(count) for day, count in points.tables.client.execute_sql(query) or []}


def _restated(tables: Tables) -> Counter[tuple[str, dt.date]]:
    if not tables.has(RESTATEMENTS, "endpoint", "day"):
        return Counter()
    query = f"SELECT endpoint, day, COUNT(*) FROM {tables.table(RESTATEMENTS)} WHERE day IS NOT NULL GROUP BY 1, 2"
    return Counter({(name, day): count for name, day, count in tables.client.execute_sql(query) or []})


def _rejected(tables: Tables, first: dt.date, last: dt.date) -> Counter[tuple[str, dt.date]]:
    """Return the rows set aside in the newest window of each day, where it is known which days that had."""
    if not tables.has(LEDGER, "rows_rejected"):
        return Counter()
    zone = zoneinfo.ZoneInfo(tables.settings.timezone)
    days = [first + number * _DAY for number in range((last - first).days + 1)]
    found: Counter[tuple[str, dt.date]] = Counter()
    query = (
        f"SELECT endpoint, window_start, window_end, COALESCE(rows_rejected, 0) FROM {tables.table(LEDGER)} "
        "WHERE outcome = 'loaded' AND window_start IS NOT NULL ORDER BY started_at"
    )
    for name, start, end, count in tables.client.execute_sql(query) or []:
        for day in days_within(Window(start, end), days, zone):
            found[name, day] = count
    return found
