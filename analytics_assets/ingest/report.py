"""What is known of a window once it was read: what was asked, what came, what was kept."""

import datetime as dt
import logging
import threading
import time
import uuid
from array import array
from collections import Counter
from dataclasses import dataclass, field
from typing import Self

import pyarrow as pa
import pyarrow.compute as pc

from analytics_assets.ingest.table.extra import ExtraColumn
from analytics_assets.ingest.table.layout import Layout
from analytics_assets.ingest.window import Window


@dataclass
class Journal:
    """What the parts of one run share to say what they do: its id, its log, and a report of each endpoint's window."""

    run_id: str = ""
    log: logging.Logger = field(default_factory=lambda: logging.getLogger("analytics_assets"))
    reports: dict[str, "WindowReport"] = field(default_factory=dict)


@dataclass
class WindowReport:
    """Figures of one endpoint and one window (``None``: all history). Counts are rows unless named otherwise."""

    endpoint: str
    key: str
    window: Window | None
    asked: dict[str, str | int]
    pages: int = 0
    requests: int = 0
    retries: int = 0
    rereads: int = -1
    total: int | None = None
    rows_read: int = 0
    rows_outside: int = 0
    rows_without_cursor: int = 0
    rows_kept: int = 0
    rows_loaded: int | None = None
    is_read: bool = False
    is_in_ledger: bool = False
    rejected: Counter[str] = field(default_factory=Counter)
    id_hashes: "array[int]" = field(default_factory=lambda: array("q"), repr=False)
    seen_columns: set[str] = field(default_factory=set)
    layout: Layout | None = field(default=None, repr=False)
    preview: list[dict[str, object]] = field(default_factory=list)
    id: str = field(default_factory=lambda: uuid.uuid4().hex)
    started_at: dt.datetime = field(default_factory=lambda: dt.datetime.now(dt.UTC))
    # how many hashes were counted, and the ids among them: each use of a million would sort them again
    _counted: tuple[int, int] = field(default=(0, 0), repr=False)
    _closed: float | None = field(default=None, repr=False)
    _clock: float = field(default_factory=time.monotonic, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def __deepcopy__(self, memo: dict[int, object]) -> Self:
        """Return itself: dlt copies a source's config, and the figures have to reach whoever asked for them."""
        return self

    def count_request(self) -> None:
        """Count one request on the wire; safe from any thread."""
        with self._lock:
            self.requests += 1

    def count_retry(self) -> None:
        """Count one request that is about to be made again; safe from any thread."""
        with self._lock:
            self.retries += 1

    def begin_pass(self) -> None:
        """Forget what an abandoned pass over the window counted; its requests and retries were made all the same."""
        self.rereads += 1
        self.pages = self.rows_read = 0
        self.rows_outside = self.rows_without_cursor = self.rows_kept = 0
        self.total = None
        self.is_read = self.is_in_ledger = False
        self.rejected.clear()
        del self.id_hashes[:]
        self._counted = (0, 0)
        self.seen_columns.clear()
        self.layout = None
        self.preview.clear()

    @property
    def distinct_ids(self) -> int:
        """Different ids among the rows that came, counted from their hashes: ids of millions are too much to keep."""
        rows = len(self.id_hashes)
        if self._counted[0] != rows:
            hashes = pa.Array.from_buffers(pa.int64(), rows, [None, pa.py_buffer(self.id_hashes)])
            # sorted and compared with their neighbours: a hash table of them takes ten times the memory
            ordered = hashes.sort()
            self._counted = (rows, rows - int(pc.sum(pc.equal(ordered[1:], ordered[:-1])).as_py() or 0))
        return self._counted[1]

    @property
    def rows_rejected(self) -> int:
        """Rows that could not be loaded as their columns are declared."""
        return self.rejected.total()

    @property
    def unique_rows_kept(self) -> int | None:
        """Different ids among the rows kept; ``None`` where the API repeated some, so that this is not known."""
        return self.rows_kept if self.distinct_ids == self.rows_read else None

    @property
    def seconds(self) -> float:
        """Seconds since the report was begun, until it was closed."""
        return (self._closed or time.monotonic()) - self._clock

    def close(self) -> None:
        """Stop the clock: the window is done."""
        self._closed = time.monotonic()

    @property
    def progress(self) -> str:
        """Pages, rows of how many, rows a second."""
        rows = f"{self.rows_read:,}" + (f" of {self.total:,}" if self.total is not None else "")
        return f"{self.pages:,} pages, {rows} rows, {self.rows_read / max(self.seconds, 1e-3):,.0f} rows/s"

    @property
    def why_empty(self) -> str | None:
        """Say why no row was kept; ``None`` when some were, or when nothing was read to the end."""
        if self.rows_kept or not self.pages:
            return None
        if self.rows_read:
            return f"the API returned {self.rows_read} rows, none of them both loadable and inside the window"
        return "the API said total 0" if self.total == 0 else "the first page was empty and the API gave no total"


def undeclared_columns(reports: list[WindowReport]) -> list[tuple[ExtraColumn, int]]:
    """Return the undeclared columns of the windows' table, each with the number of values that came in all of them."""
    layouts = [report.layout for report in reports if report.layout]
    values: Counter[str] = Counter()
    for layout in layouts:
        values.update({column.name: column.values for column in layout.columns})
    columns = {column.name: column for layout in layouts for column in layout.columns}
    return [(column, values[name]) for name, column in columns.items()]
