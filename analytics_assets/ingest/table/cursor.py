"""What a row's cursor says: whether the row is inside the window, whether it was asked for, and of which day it is."""

import datetime as dt
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from analytics_assets.ingest.fields import values_at
from analytics_assets.ingest.settings import Settings
from analytics_assets.ingest.table.kept import RowsKept, Strays
from analytics_assets.ingest.table.values import ARROW_TYPES, RejectedError, moment
from analytics_assets.ingest.window import Window

_ONE = dt.timedelta(microseconds=1)


class Cursor:
    """Sorts rows by their cursor, a column of moments, and counts; without a window all of them are inside."""

    def __init__(self, settings: Settings, window: Window | None) -> None:
        self._timezone = settings.timezone
        self._window = window
        self._asked = window.asked(settings) if window else None
        if self._asked and settings.window_end == "inclusive" and settings.window_format != "date":
            self._asked = self._asked.widened(after=_ONE)

    def inside(self, column: pa.ChunkedArray, kept: RowsKept) -> pa.BooleanArray:
        """Return the mask of the rows inside the window, or without a cursor value."""
        moments = column.combine_chunks()
        kept.without_cursor += moments.null_count
        if self._window is None or self._asked is None:
            return pa.repeat(pa.scalar(value=True), len(moments))
        inside = pc.fill_null(_within(moments, self._window), fill_value=True)
        kept.outside += len(moments) - inside.true_count
        if inside.true_count < len(moments):
            self._note_strays(moments, self._asked, kept.strays)
            moments = moments.filter(inside)
        kept.latest = max(filter(None, (kept.latest, pc.max(moments).as_py())), default=None)
        return inside

    def days(self, column: pa.ChunkedArray) -> dict[str, int]:
        """Return how many of the rows are of which day."""
        days = pc.floor_temporal(column.cast(pa.timestamp("us", self._timezone)), unit="day")
        counted = pc.value_counts(days.combine_chunks().drop_null())
        return {f"{one['values']:%Y-%m-%d}": one["counts"] for one in counted.to_pylist()}

    def _note_strays(self, moments: pa.Array, asked: Window, strays: Strays) -> None:
        stray = moments.filter(pc.invert(_within(moments, asked)))
        edges = pc.min_max(stray).as_py()
        if edges["min"] is None:
            return
        before = pc.less(stray, pa.scalar(asked.start, ARROW_TYPES["timestamp"])).true_count
        strays.before += before
        strays.after += len(stray) - before
        strays.earliest = min(filter(None, (strays.earliest, edges["min"])))
        strays.latest = max(filter(None, (strays.latest, edges["max"])))


def moments_of(field: str, rows: list[Any]) -> list[dt.datetime | None]:
    """Return the rows' cursors; ``None`` where a row has none that can be read. For a page Arrow takes longer."""
    return list(map(_moment, values_at(field, [row if isinstance(row, dict) else {} for row in rows])))


def _moment(value: object) -> dt.datetime | None:
    try:
        return None if value is None else moment(value)
    except RejectedError:
        return None


def _within(moments: pa.Array, window: Window) -> pa.BooleanArray:
    start, end = (pa.scalar(edge, ARROW_TYPES["timestamp"]) for edge in (window.start, window.end))
    return pc.and_(pc.greater_equal(moments, start), pc.less(moments, end))
