"""What is known of a window once it was read: what was asked, what came, what was kept."""

import datetime as dt
import threading
import time
from dataclasses import dataclass, field
from typing import Self


@dataclass
class WindowReport:
    """Figures of one endpoint and one window. Counts are rows unless named otherwise; ``total`` is what the API says."""

    endpoint: str
    window: str
    asked: dict[str, str | int] = field(default_factory=dict)
    pages: int = 0
    requests: int = 0
    retries: int = 0
    rereads: int = 0
    total: int | None = None
    rows_read: int = 0
    distinct_ids: int = 0
    rows_outside: int = 0
    rows_without_cursor: int = 0
    rows_rejected: int = 0
    rows_kept: int = 0
    preview: list[dict[str, object]] = field(default_factory=list)
    new_columns: set[str] = field(default_factory=set)
    started_at: dt.datetime = field(default_factory=lambda: dt.datetime.now(dt.UTC))
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
        """Forget what an abandoned pass over the window counted; requests and retries were made all the same."""
        self.pages = self.rows_read = self.distinct_ids = self.rows_outside = 0
        self.rows_without_cursor = self.rows_rejected = self.rows_kept = 0
        self.total = None

    @property
    def seconds(self) -> float:
        """Seconds since the report was begun."""
        return time.monotonic() - self._clock

    @property
    def progress(self) -> str:
        """Pages of how many, rows of how many, rows a second."""
        rows = f"{self.rows_read:,}" + (f" of {self.total:,}" if self.total is not None else "")
        return f"{self.pages:,} pages, {rows} rows, {self.rows_read / max(self.seconds, 1e-3):,.0f} rows/s"

    @property
    def why_empty(self) -> str | None:
        """Say why no row was kept; ``None`` when some were."""
        if self.rows_kept:
            return None
        if self.rows_read:
            return f"the API returned {self.rows_read} rows, none of them inside the window"
        return "the API said total 0" if self.total == 0 else "the first page was empty and the API gave no total"
