"""Changes of the schema: columns and metrics that came late, or have come no more."""

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from analytics_assets.report.points import Points

SLACK_DAYS = 2
"""Days by which a column or metric may begin after its table, or end before it, and be no change."""

_OURS = ("_dlt", "_analytics")


@dataclass(frozen=True, kw_only=True)
class Change:
    """A column or a metric that is new, gone or never came, and the first and the last day with a value of it."""

    endpoint: str
    kind: Literal["column", "metric"]
    name: str
    what: Literal["new", "gone", "new and gone", "never came"]
    first: dt.date | None = None
    last: dt.date | None = None


def changes_of(points: Points) -> list[Change]:
    """Return what has changed in an endpoint's table, over all of its days; columns first."""
    if not points.is_there:
        return []
    tables, name = points.tables, points.endpoint.name
    columns = [column for column in tables.types[name] if not column.startswith(_OURS)]
    edges = ", ".join(
        f"MIN({one}), MAX({one})"
        for column in columns
        for one in [f"CASE WHEN {tables.client.escape_column_name(column)} IS NOT NULL THEN {points.cursor} END"]
    )
    day = f"SELECT MIN({points.cursor}), MAX({points.cursor}), {edges} FROM {tables.table(name)}"
    [row] = tables.client.execute_sql(day) or [()]
    if not row or row[0] is None:
        return []
    found = [("column", column, *row[2 + 2 * number : 4 + 2 * number]) for number, column in enumerate(columns)]
    if (metric := points.endpoint.metric) and tables.has(name, metric):
        named = tables.column(metric)
        by_metric = (
            f"SELECT {named}, MIN({points.cursor}), MAX({points.cursor}) FROM {tables.table(name)} "
            f"WHERE {named} IS NOT NULL GROUP BY {named} ORDER BY {named}"
        )
        found += [("metric", *one) for one in tables.client.execute_sql(by_metric) or []]
    return list(_changed(points, found, row[0], row[1]))


def _changed(points: Points, found: list[tuple[Any, ...]], begins: dt.datetime, ends: dt.datetime) -> Iterator[Change]:
    slack = dt.timedelta(days=SLACK_DAYS)
    # who nobody declared came by itself, so it cannot be missing
    declared = {points.tables.naming.normalize_identifier(column.name) for column in points.endpoint.sent_columns}
    for kind, name, first, last in found:
        if first is None:
            if name in declared:
                yield Change(endpoint=points.endpoint.name, kind=kind, name=name, what="never came")
            continue
        is_new, is_gone = first - begins > slack, ends - last > slack
        if is_new or is_gone:
            what: Any = " and ".join(word for word, is_so in (("new", is_new), ("gone", is_gone)) if is_so)
            days = (moment.astimezone(points.zone).date() for moment in (first, last))
            yield Change(
                endpoint=points.endpoint.name,
                kind=kind,
                name=name,
                what=what,
                **dict(zip(("first", "last"), days, strict=True)),
            )
