"""How many rows of which metric a table holds of each day, and how large their numbers are: one query."""

import datetime as dt
import zoneinfo
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from dlt.destinations.exceptions import DatabaseUndefinedRelation

from analytics_assets.ingest.endpoint import Endpoint
from analytics_assets.ingest.warehouse.view import Tables
from analytics_assets.ingest.window import Window

_DAY = dt.timedelta(days=1)
_QUARTER = dt.timedelta(minutes=15)
_EPOCH = dt.date(1970, 1, 1)
# what is named of a fault that a thousand rows have
_MOST_NAMED = 1_000


@dataclass(frozen=True, kw_only=True)
class DayCount:
    """The rows of one day and one metric; ``None`` where rows have no such thing, or their days were not asked for."""

    day: dt.date | None
    metric: str | None
    rows: int
    extent: dict[str, tuple[float, float]] = field(default_factory=dict)
    """The least and the largest number of each column that was asked for and has any."""
    filled: dict[str, int] = field(default_factory=dict)
    """How many rows have a value, of each column that was asked for."""


@dataclass(frozen=True)
class Repeated:
    """An id that more than one row has, or that is null in part: its values, the rows, and the first one's day."""

    values: tuple[Any, ...]
    rows: int
    day: dt.date | None


@dataclass(frozen=True)
class TableRows:
    """A table's rows of a window, or all of them; days are those of ``zone``. A table that is not there has none."""

    tables: Tables
    endpoint: Endpoint
    zone: zoneinfo.ZoneInfo
    window: Window | None

    @property
    def condition(self) -> tuple[str, list[dt.datetime]]:
        """The condition that a row is in the window, and its parameters."""
        if self.window is None or self.endpoint.cursor is None:
            return "1 = 1", []
        cursor = self.tables.column(self.endpoint.cursor)
        return f"({cursor} >= %s AND {cursor} < %s)", [self.window.start, self.window.end]

    @property
    def day(self) -> str:
        """The number of a row's day, in SQL that DuckDB and PostgreSQL read alike, or null without a window.

        Neither is asked for the zone: DuckDB knows zones by an extension that it may have to download.
        """
        if self.window is None or self.endpoint.cursor is None:
            return "CAST(NULL AS BIGINT)"
        seconds = f"EXTRACT(EPOCH FROM {self.tables.column(self.endpoint.cursor)})"
        *changes, (_, last) = _offsets(self.zone, self.window)
        cases = " ".join(f"WHEN {seconds} < {until} THEN {offset}" for until, offset in changes)
        offset = f"CASE {cases} ELSE {last} END" if cases else f"{last}"
        return f"CAST(FLOOR(({seconds} + {offset}) / 86400) AS BIGINT)"

    def count(self, numbers: Sequence[str], filled: Sequence[str]) -> list[DayCount]:
        """Return the rows by day and metric, with the extent of ``numbers`` and the values of ``filled``, columns."""
        metric = (
            f"CAST({self.tables.column(self.endpoint.metric)} AS VARCHAR)"
            if self.endpoint.metric
            else "CAST(NULL AS VARCHAR)"
        )
        extents = [f"{edge}({self.tables.column(name)})" for name in numbers for edge in ("MIN", "MAX")]
        counted = [f"COUNT({self.tables.column(name)})" for name in filled]
        condition, values = self.condition
        query = (
            f"SELECT {', '.join([self.day, metric, 'COUNT(*)', *extents, *counted])} "
            f"FROM {self.endpoint.name} WHERE {condition} GROUP BY 1, 2"
        )
        return [_day_count(row, numbers, filled) for row in self.ask(query, *values)]

    def repeated(self) -> list[Repeated]:
        """Return the ids that are no ids."""
        keys = [self.tables.column(name) for name in self.endpoint.merge_key]
        none = " OR ".join(f"{key} IS NULL" for key in keys)
        condition, values = self.condition
        query = (
            f"SELECT COUNT(*), MIN({self.day}), {', '.join(keys)} FROM {self.endpoint.name} WHERE {condition} "
            f"GROUP BY {', '.join(keys)} HAVING COUNT(*) > 1 OR {none} ORDER BY 1 DESC LIMIT {_MOST_NAMED}"
        )
        return [Repeated(tuple(row[2:]), row[0], day_of(row[1])) for row in self.ask(query, *values)]

    def ask(self, query: str, *values: object) -> Sequence[Any]:
        """Return the rows of a query; none where the table is not there."""
        try:
            return self.tables.client.execute_sql(query, *values) or []
        except DatabaseUndefinedRelation:
            return []


def day_of(number: int | None) -> dt.date | None:
    """Return the day that the SQL of ``TableRows.day`` has given the number of."""
    return None if number is None else _EPOCH + int(number) * _DAY


def _day_count(row: Sequence[Any], numbers: Sequence[str], filled: Sequence[str]) -> DayCount:
    day, metric, rows, *rest = row
    edges = {name: (rest[2 * place], rest[2 * place + 1]) for place, name in enumerate(numbers)}
    return DayCount(
        day=day_of(day),
        metric=metric,
        rows=rows,
        extent={name: (least, most) for name, (least, most) in edges.items() if least is not None},
        filled=dict(zip(filled, rest[2 * len(numbers) :], strict=True)),
    )


def _offsets(zone: zoneinfo.ZoneInfo, window: Window) -> list[tuple[int, int]]:
    """Return the zone's offsets in the window, in seconds, each with the second of 1970's until which it stands."""
    found, moment = [], window.start - _DAY
    while moment < window.end + _DAY:
        offset, after = _offset(zone, moment), moment + _DAY
        if _offset(zone, after) != offset:
            change = next(t for t in (moment + n * _QUARTER for n in range(1, 97)) if _offset(zone, t) != offset)
            # clocks change at whole quarters of an hour, and a window may begin between them
            found.append((int(change.timestamp()) // 900 * 900, offset))
        moment = after
    return [*found, (0, _offset(zone, moment))]


def _offset(zone: zoneinfo.ZoneInfo, moment: dt.datetime) -> int:
    return int((moment.astimezone(zone).utcoffset() or dt.timedelta()).total_seconds())
