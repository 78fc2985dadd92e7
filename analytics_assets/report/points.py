"""The numbers of an endpoint as one relation: day, moment, metric, subject, number; whatever its columns are called."""

import datetime as dt
import zoneinfo
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from analytics_assets.ingest.endpoint import READ_AT, Endpoint
from analytics_assets.ingest.upkeep_settings import AddsUp
from analytics_assets.ingest.warehouse.view import Tables
from analytics_assets.ingest.window import Window, midnight
from analytics_assets.report.subjects import subject_of


@dataclass(frozen=True)
class Points:
    """The numbers that an endpoint's table has in a span of days, both ends included, in the settings' time zone."""

    tables: Tables
    endpoint: Endpoint
    first: dt.date
    last: dt.date

    @property
    def is_there(self) -> bool:
        """Whether there is a table whose rows have a day."""
        cursor = self.endpoint.cursor
        return cursor is not None and self.tables.has(self.endpoint.name, cursor)

    @property
    def zone(self) -> zoneinfo.ZoneInfo:
        """The time zone that a day begins and ends in."""
        return zoneinfo.ZoneInfo(self.tables.settings.timezone)

    @property
    def window(self) -> Window:
        """The span, in UTC."""
        return Window(midnight(self.first, self.zone), midnight(self.last + dt.timedelta(days=1), self.zone))

    @property
    def cursor(self) -> str:
        """The cursor, as a query names it."""
        return self.tables.column(str(self.endpoint.cursor))

    @property
    def day(self) -> str:
        """The day of a row, as a query says it."""
        return f"CAST({self.cursor} AT TIME ZONE {self.tables.text(self.tables.settings.timezone)} AS DATE)"

    @cached_property
    def subject_columns(self) -> tuple[str, ...]:
        """The columns that say what a number is about; empty where the table has none."""
        columns = subject_of(self.endpoint, self.tables.settings)
        return columns if self.tables.has(self.endpoint.name, *columns) else ()

    @property
    def subject(self) -> str:
        """What a number is about, as a query says it: that, or each row by itself."""
        columns = self.subject_columns or self.endpoint.merge_key
        texts = [f"COALESCE(CAST({self.tables.column(name)} AS TEXT), '')" for name in columns]
        return " || ' ' || ".join(texts)

    def adds_up(self, metric: str) -> AddsUp | None:
        """Return how the numbers of a metric add up; ``None`` where that is not declared."""
        return self.tables.settings.metrics.get(metric)

    @property
    def within(self) -> str:
        """The condition on a row to be of these days.

        The moments stand in it, and not as parameters: the two databases' drivers disagree on a ``%`` beside those.
        """
        start, end = (
            f"TIMESTAMPTZ {self.tables.text(edge.isoformat())}" for edge in (self.window.start, self.window.end)
        )
        return f"{self.cursor} >= {start} AND {self.cursor} < {end}"

    @cached_property
    def query(self) -> str | None:
        """The relation; ``None`` where the table has no numbers."""
        parts = [*self._of_metric(), *self._of_columns()] if self.is_there else []
        if not parts:
            return None
        return (
            "SELECT day, metric, subject, number, moment, read_at, ROW_NUMBER() OVER "
            "(PARTITION BY day, metric, subject ORDER BY moment DESC, read_at DESC) AS age "
            f"FROM ({' UNION ALL '.join(parts)}) AS found"
        )

    @property
    def value(self) -> str:
        """What a day has of a metric and a subject, from rows of one day: the sum, the last, or else the highest."""
        kinds = self.tables.settings.metrics.items()
        sums, lasts = (
            ", ".join(self.tables.text(name) for name, kind in kinds if kind == wanted)
            for wanted in ("sum", "snapshot")
        )
        return (
            f"CASE WHEN metric IN ({sums or 'NULL'}) THEN SUM(number) WHEN metric IN ({lasts or 'NULL'}) "
            "THEN MAX(CASE WHEN age = 1 THEN number END) ELSE MAX(number) END"
        )

    def _of_metric(self) -> Iterator[str]:
        """Yield the rows that name their metric."""
        number = next((column.name for column in self.endpoint.columns if column.number_in), None)
        metric = self.endpoint.metric
        if number and metric and self.tables.has(self.endpoint.name, number, metric):
            named = f"COALESCE(CAST({self.tables.column(metric)} AS TEXT), '')"
            yield self._part(named, self.tables.column(number))

    def _of_columns(self) -> Iterator[str]:
        """Yield the columns that are a metric themselves, and no metric that rows name.

        Rows that name a metric repeat them, once for each metric: of a day and a subject they count once.
        """
        computed_from = {column.number_in.field for column in self.endpoint.columns if column.number_in}
        for column in self.endpoint.measured:
            if column.name in computed_from or not self.tables.has(self.endpoint.name, column.name):
                continue
            named, number = self.tables.text(column.name), self.tables.column(column.name)
            if self.endpoint.metric is None:
                yield self._part(named, number)
            elif self.subject_columns:
                metric = self.tables.column(self.endpoint.metric)
                is_one = f"SELECT 1 FROM {self.tables.table(self.endpoint.name)} WHERE {metric} = {named}"
                yield (
                    "SELECT day, MAX(moment) AS moment, MAX(read_at) AS read_at, metric, subject, "
                    f"MAX(number) AS number FROM ({self._part(named, number)}) AS repeated WHERE NOT EXISTS ({is_one}) "
                    "GROUP BY day, metric, subject"
                )

    def _part(self, metric: str, number: str) -> str:
        read_at = READ_AT.name if self.tables.has(self.endpoint.name, READ_AT.name) else "CAST(NULL AS TIMESTAMPTZ)"
        return (
            f"SELECT {self.day} AS day, {self.cursor} AS moment, {read_at} AS read_at, {metric} AS metric, "
            f"{self.subject} AS subject, CAST({number} AS DOUBLE PRECISION) AS number "
            f"FROM {self.tables.table(self.endpoint.name)} "
            f"WHERE {self.within} AND {number} IS NOT NULL"
        )
