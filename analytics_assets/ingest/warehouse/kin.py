"""Rows that belong together and stand in two tables: insights without what they measure, and the other way round."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, replace

from dlt.destinations.exceptions import DatabaseUndefinedRelation

from analytics_assets.ingest.endpoint import READ_AT, Column, Endpoint
from analytics_assets.ingest.settings import Settings
from analytics_assets.ingest.warehouse.day_counts import TableRows, day_of


@dataclass(frozen=True)
class Alone:
    """Rows of a day that have no counterpart: how many, and the id of one."""

    rows: int
    example: str


AloneByDay = Mapping[dt.date | None, Alone]


@dataclass(frozen=True, kw_only=True)
class Kin:
    """What a column refers to, and what of it stands alone."""

    column: str
    parent: str
    orphans: AloneByDay
    """Rows of the table that refer to none of the parent's, by their day."""
    childless: AloneByDay
    """Rows of the parent that none of the table refers to, by their day, where they are old enough."""


def kin(rows: TableRows, settings: Settings, now: dt.datetime) -> list[Kin]:
    """Return what stands alone in the window, for each reference to an endpoint that is loaded and has a plain id."""
    parents = {endpoint.name: endpoint for endpoint in settings.resolved_endpoints}
    found = []
    for column in rows.endpoint.columns:
        parent = parents.get(column.references)
        if parent and len(parent.merge_key) == 1 and not column.is_hashed:
            try:
                found.append(_kin(rows, column, parent, now - dt.timedelta(hours=settings.insights_after_hours)))
            except DatabaseUndefinedRelation:
                # none of the parent's was ever loaded, and the day's state says so
                found.append(Kin(column=column.name, parent=parent.name, orphans={}, childless={}))
    return found


def _kin(rows: TableRows, column: Column, parent: Endpoint, before: dt.datetime) -> Kin:
    of_parent = replace(rows, endpoint=parent)
    refers, key = rows.tables.column(column.name), of_parent.tables.column(parent.merge_key[0])
    known_since = of_parent.tables.column(parent.cursor or READ_AT.name)
    return Kin(
        column=column.name,
        parent=parent.name,
        orphans=_alone(rows, refers, (parent.name, key), f"{refers} IS NOT NULL"),
        childless=_alone(of_parent, key, (rows.endpoint.name, refers), f"{known_since} < %s", before),
    )


def _alone(rows: TableRows, name: str, other: tuple[str, str], condition: str, *values: object) -> AloneByDay:
    """Return the rows whose column ``name`` has a value that the ``other`` table's column does not have."""
    inside, edges = rows.condition
    table, key = other
    # as text, for one API sends its ids as numbers in one list and as text in another
    query = (
        f"SELECT {rows.day}, COUNT(*), MIN(CAST(one.{name} AS VARCHAR)) FROM {rows.endpoint.name} AS one "
        f"WHERE {inside} AND {condition} AND NOT EXISTS "
        f"(SELECT 1 FROM {table} AS other WHERE CAST(other.{key} AS VARCHAR) = CAST(one.{name} AS VARCHAR)) GROUP BY 1"
    )
    found = rows.tables.client.execute_sql(query, *edges, *values) or []
    return {day_of(day): Alone(count, example) for day, count, example in found}
