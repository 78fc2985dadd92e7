"""What became of the rows of one pass over a window."""

from collections import Counter
from dataclasses import dataclass, field

from analytics_assets.ingest.table.layout import Layout


@dataclass
class RowsKept:
    """Figures of a pass, in rows. ``PageRows`` fills them and makes them anew for each pass."""

    layout: Layout | None = None
    """The table's columns; ``None`` before the first page."""
    kept: int = 0
    outside: int = 0
    """Dropped, because their cursor is outside of the window."""
    without_cursor: int = 0
    by_day: Counter[str] = field(default_factory=Counter)
    """Rows kept that have a cursor, by its day in the partitions' time zone: ``2025-03-01``."""
    rejected: Counter[str] = field(default_factory=Counter)
    """Set aside, by reason."""
    fields: set[str] = field(default_factory=set)
    """Every field that a row had."""
    preview: list[dict[str, object]] = field(default_factory=list)
    """The first rows, as they go to the table."""
