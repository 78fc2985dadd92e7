"""What is known of a window once it was read: what was asked, what came, what was kept.

While it is read, each figure has one writer: the session counts requests, the walk counts what came, the rows' step
what was kept. ``Reading`` knows where they stand, and freezes them into a ``WindowReport``.
"""

import datetime as dt
import time
import uuid
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from analytics_assets.ingest.api.adapter import WireCounts
from analytics_assets.ingest.api.pagination import WindowPages
from analytics_assets.ingest.endpoint import Endpoint
from analytics_assets.ingest.portion import Portion
from analytics_assets.ingest.settings import Settings
from analytics_assets.ingest.table.extra import ExtraColumn
from analytics_assets.ingest.table.kept import Strays
from analytics_assets.ingest.table.rows import PageRows
from analytics_assets.ingest.window import Window


@dataclass(frozen=True, kw_only=True)
class WindowReport:
    """Figures of one endpoint and one window (``None``: all history). Counts are rows unless named otherwise."""

    id: str
    run_id: str
    endpoint: str
    window: Window | None
    asked: Mapping[str, str | int]
    started_at: dt.datetime
    seconds: float
    pages: int
    requests: int
    retries: int
    rereads: int
    portion: Portion
    total: int | None
    rows_read: int
    is_unnested: bool
    """Whether the rows were in lists inside of the items that ``total`` and ``distinct_ids`` count."""
    distinct_ids: int
    rows_outside: int
    strays: Strays
    latest: dt.datetime | None
    """The latest cursor inside the window."""
    rows_without_cursor: int
    rows_kept: int
    rows_by_day: Mapping[str, int]
    """Rows kept that have a cursor, by its day in the partitions' time zone."""
    rejected: Mapping[str, int]
    fields: frozenset[str]
    """Every field that a row had."""
    columns: tuple[ExtraColumn, ...]
    """The undeclared columns of the table, with the number of values that came for each."""
    ignored: Mapping[str, int]
    """Values of fields that ``new_columns`` keeps out of the table, by field."""
    preview: tuple[Mapping[str, object], ...] = field(repr=False)
    rows_beside: tuple[int, int] | None = None
    """Of an empty window: rows that the table holds of the day before it, and of the day after it."""
    rows_loaded: int | None = None
    """Rows of this load found in the table afterwards; ``None`` before it was looked for."""
    restated: int | None = None
    """Numbers in the table that this load has changed; ``None`` before it was looked for, and where none are noted."""

    @property
    def rows_rejected(self) -> int:
        """Rows that could not be loaded as their columns are declared."""
        return sum(self.rejected.values())

    @property
    def unique_rows_kept(self) -> int | None:
        """Different ids among the rows kept; ``None`` where this is not known, for the API repeated or nested some."""
        is_known = self.distinct_ids == self.rows_read and not self.is_unnested
        return self.rows_kept if is_known else None

    @property
    def is_empty(self) -> bool:
        """Whether the API returned nothing of the window, or a full refresh has nothing to put into the table."""
        return not (self.rows_read - self.rows_outside if self.window else self.rows_kept)

    @property
    def why_empty(self) -> str | None:
        """Say why no row was kept; ``None`` when some were, or when nothing was read to the end."""
        if self.rows_kept or not self.pages:
            return None
        if self.rows_read:
            return f"the API returned {self.rows_read} rows, none of them both loadable and inside the window"
        return "the API said total 0" if self.total == 0 else "the first page was empty and the API gave no total"


@dataclass(frozen=True, kw_only=True)
class Reading:
    """A window that is being read: the parts that count, and the identity that it has in the ledger."""

    endpoint: Endpoint
    settings: Settings
    window: Window | None
    asked: Mapping[str, str | int]
    """Parameters of every request, without key, offset and limit."""
    counts: WireCounts
    pages: WindowPages
    rows: PageRows
    run_id: str = ""
    accepts_empty: bool = False
    """Whether nothing is a result although the table holds rows."""
    can_be_cut: bool = False
    """Whether whoever loads it can load shorter windows in its place."""
    id: str = field(default_factory=lambda: uuid.uuid4().hex)
    started_at: dt.datetime = field(default_factory=lambda: dt.datetime.now(dt.UTC))
    clock: float = field(default_factory=time.monotonic)
    """When it was begun, on the clock that only goes forward."""

    @property
    def replaces_all(self) -> bool:
        """Whether rows that do not come are gone: all history is read, and the API forgets none of it."""
        return self.window is None and not self.endpoint.expires_by

    def report(self) -> WindowReport:
        """Return the figures as they are now."""
        walk, kept = self.pages.walk, self.rows.kept
        return WindowReport(
            id=self.id,
            run_id=self.run_id,
            endpoint=self.endpoint.name,
            window=self.window,
            asked=self.asked,
            started_at=self.started_at,
            seconds=time.monotonic() - self.clock,
            pages=walk.pages,
            requests=self.counts.requests,
            retries=self.counts.retries,
            rereads=max(self.pages.passes - 1 - self.pages.portion.halvings, 0),
            portion=replace(self.pages.portion),
            total=walk.total,
            rows_read=kept.unnested if self.endpoint.unnest else walk.rows_read,
            is_unnested=bool(self.endpoint.unnest),
            distinct_ids=walk.distinct_ids,
            rows_outside=kept.outside,
            strays=replace(kept.strays),
            latest=kept.latest,
            rows_without_cursor=kept.without_cursor,
            rows_kept=kept.kept,
            rows_by_day=dict(kept.by_day),
            rejected=dict(kept.rejected),
            fields=frozenset(kept.fields),
            columns=tuple(replace(column) for column in kept.layout.columns) if kept.layout else (),
            ignored=dict(kept.layout.ignored) if kept.layout else {},
            preview=tuple(kept.preview),
        )


def undeclared_columns(reports: list[WindowReport]) -> list[tuple[ExtraColumn, int]]:
    """Return the undeclared columns of the windows' table, each with the number of values that came in all of them."""
    values: Counter[str] = Counter()
    for report in reports:
        values.update({column.name: column.values for column in report.columns})
    columns = {column.name: column for report in reports for column in report.columns}
    return [(column, values[name]) for name, column in columns.items()]
