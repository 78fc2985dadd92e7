"""Each metric day by day, put together as it adds up."""

import datetime as dt
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from analytics_assets.ingest.upkeep_settings import AddsUp
from analytics_assets.report.points import Points

MOST_LINES = 5
"""Subjects that are drawn by name; where there are more, it is their middle and their range."""


@dataclass(frozen=True, kw_only=True)
class DayOf:
    """A day of a metric: of the values that its subjects have, the lowest, the middle, the highest, and their sum."""

    low: float
    middle: float
    high: float
    total: float
    subjects: int


@dataclass(frozen=True, kw_only=True)
class Series:
    """A metric of an endpoint. Days without a number are left out."""

    endpoint: str
    metric: str
    adds_up: AddsUp | None
    """``None``: nobody has declared it, and it is not added up."""
    subject: str
    """What the numbers are about, in the table's words."""
    days: dict[dt.date, DayOf]
    lines: dict[str, dict[dt.date, float]] = field(default_factory=dict)
    """By subject and day, where there are few of them."""

    @property
    def is_sum(self) -> bool:
        """Whether the numbers of a day, and those of several days, may be added up."""
        return self.adds_up == "sum"

    @property
    def highest(self) -> float:
        """The highest value of all days."""
        return max(one.high for one in self.days.values())

    def over(self, first: dt.date, last: dt.date) -> float | None:
        """Return the sum of some days, or the highest value where they do not add up; ``None`` where there is none."""
        found = [one for day, one in self.days.items() if first <= day <= last]
        if not found:
            return None
        return sum(one.total for one in found) if self.is_sum else max(one.high for one in found)


def series_of(points: Points) -> list[Series]:
    """Return the metrics that an endpoint has numbers of; a column of the name of a metric in its rows is that one."""
    if points.query is None:
        return []
    by_day = (
        f"WITH points AS ({points.query}), of_day AS (SELECT day, metric, subject, {points.value} AS value "
        "FROM points GROUP BY day, metric, subject)"
    )
    rows = _asked(
        points,
        f"{by_day} SELECT metric, day, MIN(value), PERCENTILE_CONT(0.5) WITHIN GROUP (ORDER BY value), MAX(value), "
        "SUM(value), COUNT(*) FROM of_day GROUP BY metric, day ORDER BY metric, day",
    )
    days: dict[str, dict[dt.date, DayOf]] = defaultdict(dict)
    for metric, day, low, middle, high, total, count in rows:
        days[metric][day] = DayOf(low=low, middle=middle, high=high, total=total, subjects=count)
    few = _asked(
        points,
        f"{by_day}, few AS (SELECT metric FROM of_day GROUP BY metric HAVING COUNT(DISTINCT subject) <= {MOST_LINES}) "
        "SELECT metric, subject, day, value FROM of_day WHERE metric IN (SELECT metric FROM few) "
        "ORDER BY metric, subject, day",
    )
    lines: dict[str, dict[str, dict[dt.date, float]]] = defaultdict(lambda: defaultdict(dict))
    for metric, subject, day, value in few:
        lines[metric][subject][day] = value
    return [
        Series(
            endpoint=points.endpoint.name,
            metric=metric,
            adds_up=points.adds_up(metric),
            subject=", ".join(points.subject_columns or points.endpoint.merge_key),
            days=found,
            lines={} if points.adds_up(metric) == "sum" else {name: dict(one) for name, one in lines[metric].items()},
        )
        for metric, found in days.items()
    ]


def _asked(points: Points, query: str) -> list[Sequence[Any]]:
    return list(points.tables.client.execute_sql(query) or [])
