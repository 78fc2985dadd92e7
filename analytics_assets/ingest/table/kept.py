"""What became of the rows of one pass over a window."""

import datetime as dt
from collections import Counter
from dataclasses import dataclass, field

from analytics_assets.ingest.table.layout import Layout


@dataclass
class Strays:
    """Rows outside of what was asked for: how many before its start and behind its end, and the outermost of them."""

    before: int = 0
    after: int = 0
    earliest: dt.datetime | None = None
    latest: dt.datetime | None = None

    @property
    def count(self) -> int:
        """How many there are."""
        return self.before + self.after

    def __str__(self) -> str:
        earliest, latest = (f"{moment:%Y-%m-%dT%H:%M:%SZ}" if moment else "" for moment in (self.earliest, self.latest))
        before = [f"{self.before} rows before its start, the earliest of {earliest}"] if self.before else []
        after = [f"{self.after} rows behind its end, the latest of {latest}"] if self.after else []
        return " and ".join(before + after)


@dataclass
class RowsKept:
    """Figures of a pass, in rows. ``PageRows`` fills them and makes them anew for each pass."""

    layout: Layout | None = None
    """The table's columns; ``None`` before the first page."""
    kept: int = 0
    unnested: int = 0
    """Of items that have a list of rows each: the rows."""
    outside: int = 0
    """Dropped, because their cursor is outside of the window."""
    strays: Strays = field(default_factory=Strays)
    """Those of them that nobody had asked for; others stand between the window and what its format can say."""
    latest: dt.datetime | None = None
    """The latest cursor of a row inside the window."""
    without_cursor: int = 0
    by_day: Counter[str] = field(default_factory=Counter)
    """Rows kept that have a cursor, by its day in the partitions' time zone: ``2025-03-01``."""
    rejected: Counter[str] = field(default_factory=Counter)
    """Set aside, by reason."""
    fields: set[str] = field(default_factory=set)
    """Every field that a row had."""
    preview: list[dict[str, object]] = field(default_factory=list)
    """The first rows, as they go to the table."""
