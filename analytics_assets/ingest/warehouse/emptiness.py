"""A window that came empty: what the table holds of it, and of the days beside it."""

import datetime as dt
from dataclasses import dataclass

from dlt.destinations.exceptions import DatabaseUndefinedRelation

from analytics_assets.ingest.endpoint import READ_AT, Endpoint
from analytics_assets.ingest.errors import ApiError
from analytics_assets.ingest.report import WindowReport
from analytics_assets.ingest.warehouse.ledger import last_empty
from analytics_assets.ingest.warehouse.view import Tables
from analytics_assets.ingest.window import Window

_DAY = dt.timedelta(days=1)


@dataclass(frozen=True)
class HeldRows:
    """The rows of an endpoint that a table holds, by their cursor."""

    tables: Tables
    endpoint: Endpoint

    def refuse_sudden_emptiness(self, report: WindowReport) -> None:
        """Raise ``ApiError`` (incomplete) where nothing came of what the table holds rows of.

        Rows that the API says it stops returning by now do not count, nor do those of a window that has come empty
        since they were read.
        """
        window = report.window
        since = last_empty(self.tables.client, report.endpoint, window) if window else None
        if rows := self._count(window, valid_at=report.started_at, read_since=since):
            what = f"no rows came for {window or 'all history'}, asked for twice, and the table has {rows} rows of it"
            advice = "If they are really gone, run it with accept_empty: true in the run's config"
            raise ApiError("incomplete", f"incomplete: {what}. {advice}")

    def beside(self, report: WindowReport) -> tuple[int, int] | None:
        """Return how many rows of the day before an empty window and of the day after it the table holds.

        ``None`` where the window was not over, or is none.
        """
        window = report.window
        if window is None or window.end > report.started_at:
            return None
        before, after = Window(window.start - _DAY, window.start), Window(window.end, window.end + _DAY)
        return self._count(before), self._count(after)

    def _count(
        self, window: Window | None, valid_at: dt.datetime | None = None, read_since: dt.datetime | None = None
    ) -> int:
        wanted: dict[str, dt.datetime] = {}
        if window and self.endpoint.cursor:
            cursor = self.tables.column(self.endpoint.cursor)
            wanted |= {f"{cursor} >= %s": window.start, f"{cursor} < %s": window.end}
        if valid_at and self.endpoint.expires_by:
            expires = self.tables.column(self.endpoint.expires_by)
            wanted[f"({expires} IS NULL OR {expires} > %s)"] = valid_at
        if read_since:
            wanted[f"{READ_AT.name} > %s"] = read_since
        query = f"SELECT COUNT(*) FROM {self.tables.table(self.endpoint.name)} WHERE {' AND '.join(['1 = 1', *wanted])}"
        try:
            [(rows,)] = self.tables.client.execute_sql(query, *wanted.values()) or [(0,)]
        except DatabaseUndefinedRelation:
            return 0
        return int(rows)
