"""The walk over a window, offset by offset: a state machine over (offset, rows, total) that knows no HTTP.

What belongs here: where the next page begins, and whether what came is whole. How pages are fetched stands in
``pages.py``, what an answer looks like in ``pagination.py``.
"""

import sys
import time
from array import array
from collections.abc import Iterable
from typing import Any

from analytics_assets.ingest.api.identity import count_different, id_hashes, is_same
from analytics_assets.ingest.fields import value_at

# Totals that are probably the API's limit, and not how many rows there are, are multiples of it.
_ROUND = 100


class RowsMovedError(Exception):
    """The pages of a window do not fit together, as where rows move meanwhile; the message says what shows it."""

    def __init__(self, message: str, *, is_change: bool = False) -> None:
        super().__init__(message)
        self.is_change = is_change
        """Whether something changed for certain, so that it says nothing if it happens again."""


class OffsetWalk:
    """One pass over a window. ``advance`` takes each page and says where the next one begins, or that all have come.

    It advances by what came, not by what was asked, because a server may cap the page. With a total the window is whole
    when as many rows came as the total says, the total stayed the same, and the ids are as many. Without a total each
    page begins with the last row of the page before, which shows a shift; where nothing else comes, the page behind it
    has to be empty, and an id that came twice shows rows that moved.

    ``restated_by`` is the field that tells two states of one row from each other, where rows have one.
    """

    def __init__(self, page_size: int, merge_key: tuple[str, ...], restated_by: str | None = None) -> None:
        self.offset = 0
        """Where the next page begins."""
        self.overlap = 0
        """Rows at the head of the last page that are not to be taken, for they had come before."""
        self.is_whole = False
        """Whether all rows of the window have come."""
        self.asks_behind = False
        """Whether the next page is asked for only to confirm the end; all known rows have come."""
        self.pages = 0
        self.rows_read = 0
        self.total: int | None = None
        self._page_size = page_size
        self._merge_key = merge_key
        self._restated_by = restated_by
        self._began = time.monotonic()
        # Ids of millions of rows are too much to keep; 64 bits of each are not.
        self._id_hashes = array("q")
        self._state_hashes = array("q")
        self._counted = (0, 0)
        # hashes of the ids that pages begin with
        self._firsts: set[int] = set()
        # without a total: the row that the next page has to begin with
        self._anchor: Any = None
        # rows of the last page, the overlap included, and of the first one; without a total, of the shortest before it
        self._came = self._came_first = 0

    def advance(self, rows: list[Any], total: int | None) -> None:
        """Take the page at ``offset``: its rows, and the total that it states (``None``: none).

        Raises ``RowsMovedError`` when the pages do not fit together.
        """
        # beyond the end some servers say total 0, or give the count of that page
        if self.asks_behind and not self._is_news(rows) and total in {self.total, 0, len(rows), None}:
            self.nothing_behind()
            return
        self.pages += 1
        if self.pages == 1:
            self.total, self._came_first = total, len(rows)
        elif total != self.total:
            raise RowsMovedError(f"the total was {self.total} and became {total}", is_change=True)
        elif total is None:
            self._came_first = min(self._came_first, self._came)
        self._came = len(rows)
        self.overlap = 0 if self._anchor is None else 1
        if self.overlap:
            self._check_anchor(rows)
        new = rows[self.overlap :]
        self._note_ids(new, is_vouched_for=total is not None or self.overlap > 0)
        self.rows_read += len(new)
        if total is None:
            self._go_on_without_total(new)
        else:
            self._go_on(total, new)

    def nothing_behind(self) -> None:
        """Take the answer to a page behind the last one, in which is nothing that had not come: all is there."""
        self.pages += 1
        self.overlap = sys.maxsize
        self.is_whole = True

    @property
    def may_end(self) -> bool:
        """Whether a refusal of the page that is asked for says that there is none."""
        return self.asks_behind

    @property
    def is_guessing(self) -> bool:
        """Whether nothing says how many pages there are."""
        return self.total is None

    def ahead(self) -> Iterable[Any]:
        """Return the offsets at which the next pages begin if each brings as many rows as the last one did."""
        if self.is_whole or self.asks_behind:
            return range(self.offset, self.offset + self.asks_behind)
        is_short = self._came < (self._page_size if self.pages == 1 else self._came_first)
        if self.total is not None:
            offsets = range(self.offset, self.total, max(self._came, 1))
            # A server may cap its pages; or the total is not the window's, and there is no further page.
            return offsets[:1] if self.pages == 1 and is_short else offsets
        if is_short or self._came == 1:
            # the window's last row once more, and the empty page behind it
            return range(self.offset, self.offset + 2)
        # A guess. No more than twice as many as have come, so that a short window wastes few requests.
        step = self._came - 1
        return range(self.offset, self.offset + step * 2 * self.pages, step)

    def new_of(self, rows: list[Any]) -> list[Any]:
        """Return those rows of the page that has just come that are to be taken."""
        return rows[self.overlap :]

    @property
    def where(self) -> str:
        """Which page is asked for, in words."""
        return f"the page at offset {self.offset}"

    @property
    def figures(self) -> tuple[int | None, int, int]:
        """The total, the number of rows that came, and a hash of their ids in order."""
        return self.total, self.rows_read, hash(self._id_hashes.tobytes())

    @property
    def distinct_ids(self) -> int:
        """Different ids among the rows that came."""
        rows = len(self._id_hashes)
        if self._counted[0] != rows:
            self._counted = (rows, count_different(self._id_hashes))
        return self._counted[1]

    @property
    def progress(self) -> str:
        """Pages, rows of how many, rows a second."""
        rows = f"{self.rows_read:,}" + (f" of {self.total:,}" if self.total is not None else "")
        seconds = max(time.monotonic() - self._began, 1e-3)
        return f"{self.pages:,} pages, {rows} rows, {self.rows_read / seconds:,.0f} rows/s"

    def _note_ids(self, rows: list[Any], *, is_vouched_for: bool) -> None:
        ids = id_hashes(rows, self._merge_key, self.rows_read)
        if ids and self._repeats(ids, is_vouched_for=is_vouched_for):
            raise RowsMovedError(f"{self.where} repeats rows that came before")
        self._id_hashes.extend(ids)
        if self.total is None and self._restated_by:
            states = (value_at(self._restated_by, row) if isinstance(row, dict) else None for row in rows)
            self._state_hashes.extend(hash((one, str(state))) for one, state in zip(ids, states, strict=True))

    def _repeats(self, ids: list[int], *, is_vouched_for: bool) -> bool:
        """Say whether a page holds only rows that came before, as from a server that ignores the offset.

        To compare a page with all that came takes longer the more has come. So it is done only for a page of which
        nothing else would tell: that has no total, no row of the page before at its head (which is checked), or that
        begins with the same row as another page.
        """
        is_suspect = not is_vouched_for or ids[0] in self._firsts
        self._firsts.add(ids[0])
        return is_suspect and not set(ids).difference(self._id_hashes)

    def _is_news(self, rows: list[Any]) -> bool:
        """Say whether one of these rows has not come yet; beyond its end a server may send its last page again."""
        if not rows:
            return False
        ids = id_hashes(rows, self._merge_key, self.rows_read)
        return bool(set(ids).difference(self._id_hashes))

    def _go_on_without_total(self, new: list[Any]) -> None:
        if not new and not self.overlap:
            # the first page
            self.is_whole = True
            return
        # A page without a total begins with the last row of the page before. When it brings nothing else, that row is
        # probably the last of the window; a page behind it is asked for, and is empty if so.
        self.asks_behind = not new
        self._anchor = new[-1] if new else None
        self.offset = self.rows_read - (self._anchor is not None)
        if self.asks_behind:
            self._check_ids_without_total()

    def _check_ids_without_total(self) -> None:
        """Refuse a row that came twice: where the order is not stable, another one has not come at all."""
        different = count_different(self._state_hashes) if self._restated_by else self.distinct_ids
        if different < self.rows_read:
            raise RowsMovedError(
                f"{self.rows_read} rows came, and only {different} different ones; there is no total to compare with"
            )

    def _go_on(self, total: int, new: list[Any]) -> None:
        self.offset = self.rows_read
        if self.asks_behind:
            raise RowsMovedError(
                f"the API says total {total}, but {self.rows_read} rows had come by then. If its total is capped, or "
                'counts one page only, total_selector = "" reads to the end without it'
            )
        if self.rows_read < total:
            if not new:
                raise RowsMovedError(
                    f"the API says total {total}, but its pages end after {self.rows_read} rows: where its total is "
                    'that of all history, or counts rows that it does not return, total_selector = "" reads without it'
                )
            return
        if self.rows_read > total or self.distinct_ids != total:
            raise RowsMovedError(
                f"the API says total {total}, but {self.rows_read} rows with {self.distinct_ids} ids came"
            )
        self.asks_behind = self._may_be_capped(total)
        self.is_whole = not self.asks_behind

    def _may_be_capped(self, total: int) -> bool:
        """Say whether more rows may follow than the total says, which shows only when they are asked for.

        Some APIs give the page's own count as the total, and search engines state no more than 10,000, others 1,000 or
        200. In both cases the last page is full.
        """
        if self.pages == 1:
            return self._came >= self._page_size
        return total % _ROUND == 0 and self._came >= self._came_first

    def _check_anchor(self, rows: list[Any]) -> None:
        if not rows or not is_same(rows[0], self._anchor, self._merge_key):
            raise RowsMovedError(f"{self.where} does not begin with the row it should")
