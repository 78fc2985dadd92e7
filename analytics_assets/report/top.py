"""The subjects of an endpoint that stand out: its posts or stories with the highest numbers."""

import datetime as dt
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from analytics_assets.ingest.endpoint import Endpoint
from analytics_assets.report.points import Points
from analytics_assets.report.series import MOST_LINES, Series
from analytics_assets.report.subjects import describing, parent_of

DAYS = 30
_MOST = 10
_MOST_METRICS = 5


@dataclass(frozen=True, kw_only=True)
class Subject:
    """One of them: its name in the table, what describes it, and its numbers by metric."""

    name: str
    texts: dict[str, str]
    numbers: dict[str, float]


@dataclass(frozen=True, kw_only=True)
class Top:
    """The first subjects of an endpoint by one of its metrics, over the days from ``first`` to ``last``."""

    endpoint: str
    parent: str | None
    """The endpoint whose rows they are, where that is another one."""
    subject: str
    ranked_by: Series
    metrics: tuple[Series, ...]
    first: dt.date
    last: dt.date
    subjects: tuple[Subject, ...]


def top_of(points: Points, series: Sequence[Series]) -> Top | None:
    """Return the subjects with the highest numbers; ``None`` where there are few of them, or nothing ranks them."""
    first = points.last - dt.timedelta(days=DAYS - 1)
    latest = Points(points.tables, points.endpoint, first, points.last)
    ours = [one for one in series if not one.lines and one.over(first, points.last) is not None]
    many = [one for one in ours if max(day.subjects for day in one.days.values()) > MOST_LINES or not one.is_sum]
    ranking = sorted(
        (one for one in ours if one.adds_up), key=lambda one: (not one.is_sum, -(one.over(first, points.last) or 0))
    )
    if not (many and ranking and latest.query and points.subject_columns):
        return None
    ranked_by = ranking[0]
    # a metric that does not add up is worth a column too
    others = sorted(ranking[1:], key=lambda one: one.is_sum)
    metrics = [ranked_by, *others[: _MOST_METRICS - 1]]
    best = _best(latest, ranked_by)
    numbers: dict[str, dict[str, float]] = defaultdict(dict)
    for subject, metric, total, last, highest in points.tables.client.execute_sql(_numbers(latest, best)) or []:
        kind = points.adds_up(metric)
        numbers[subject][metric] = total if kind == "sum" else last if kind == "snapshot" else highest
    parent, texts = parent_of(points.endpoint, points.tables.settings), _texts(latest, best)
    found = [Subject(name=name, texts=texts.get(name, {}), numbers=numbers[name]) for name in numbers]
    found.sort(key=lambda one: (-one.numbers.get(ranked_by.metric, 0), one.name))
    return Top(
        endpoint=points.endpoint.name,
        parent=parent.name if parent else None,
        subject=", ".join(points.subject_columns),
        ranked_by=ranked_by,
        metrics=tuple(metrics),
        first=first,
        last=points.last,
        subjects=tuple(found),
    )


def _best(points: Points, ranked_by: Series) -> str:
    """Return the query for the names of the first subjects."""
    value = {"sum": "SUM(number)", "snapshot": "MAX(CASE WHEN age = 1 THEN number END)"}
    metric = points.tables.text(ranked_by.metric)
    return (
        f"SELECT subject FROM ({points.query}) AS ranked WHERE metric = {metric} GROUP BY subject "
        f"ORDER BY {value.get(str(ranked_by.adds_up), 'MAX(number)')} DESC, subject LIMIT {_MOST}"
    )


def _numbers(points: Points, best: str) -> str:
    newest = "ROW_NUMBER() OVER (PARTITION BY metric, subject ORDER BY moment DESC, read_at DESC) AS last"
    return (
        "SELECT subject, metric, SUM(number), MAX(CASE WHEN last = 1 THEN number END), MAX(number) FROM "
        f"(SELECT subject, metric, number, {newest} FROM ({points.query}) AS these WHERE subject IN ({best})) AS kept "
        "GROUP BY subject, metric"
    )


def _texts(points: Points, best: str) -> dict[str, dict[str, str]]:
    """Return the texts of each subject's newest row, here and where the subjects are rows themselves."""
    found = _texts_in(points.endpoint, points.subject, points, best)
    if parent := parent_of(points.endpoint, points.tables.settings):
        key = f"COALESCE(CAST({points.tables.column(parent.merge_key[0])} AS TEXT), '')"
        for name, texts in _texts_in(parent, key, points, best).items():
            found[name] = found.get(name, {}) | texts
    return found


def _texts_in(endpoint: Endpoint, subject: str, points: Points, best: str) -> dict[str, dict[str, str]]:
    tables, order = points.tables, endpoint.cursor or endpoint.merge_key[0]
    names = [name for name in describing(endpoint, points.subject_columns) if tables.has(endpoint.name, name)]
    if not names or not tables.has(endpoint.name, order, *endpoint.merge_key):
        return {}
    columns = ", ".join(f"CAST({tables.column(name)} AS TEXT) AS text{number}" for number, name in enumerate(names))
    newest = f"ROW_NUMBER() OVER (PARTITION BY {subject} ORDER BY {tables.column(order)} DESC) AS age"
    rows: list[Sequence[Any]] = list(
        tables.client.execute_sql(
            f"SELECT * FROM (SELECT {subject} AS subject, {newest}, {columns} "
            f"FROM {tables.table(endpoint.name)}) AS held "
            f"WHERE age = 1 AND subject IN ({best})"
        )
        or []
    )
    return {
        subject: {name: text for name, text in zip(names, texts, strict=True) if text} for subject, _, *texts in rows
    }
