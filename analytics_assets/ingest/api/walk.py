"""The walk over a window, offset by offset: a state machine over (offset, rows, total) that knows no HTTP.

What belongs here: where the next page begins, and whether what came is whole. How pages are fetched stands in
``pages.py``, what an answer looks like in ``pagination.py``.
"""

import itertools
import time
from array import array
from collections.abc import Iterable
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc


class RowsMovedError(Exception):
    """Rows moved while the window was walked through; the message says what shows it."""


class OffsetWalk:
    """One pass over a window. ``advance`` takes each page and says where the next one begins, or that all is there.

    It advances by what came, not by what was asked, for a server may cap the page. With a total the window is whole
    when as many rows came as the total says, the total stayed the same, and the ids are as many. Without a total each
    page begins with the last row of the page before, which shows a shift; where nothing else comes, the page behind it
    has to be empty.
    """

    def __init__(self, page_size: int, id_field: str) -> None:
        self.offset = 0
        """Where the next page begins."""
        self.overlap = 0
        """Rows at the head of the last page that had come with the page before."""
        self.is_whole = False
        """Whether all rows of the window have come."""
        self.pages = 0
        self.rows_read = 0
        self.total: int | None = None
        self._page_size = page_size
        self._id_field = id_field
        self._began = time.monotonic()
        # Ids of millions of rows are too much to keep; 64 bits of each are not.
        self._id_hashes = array("q")
        self._counted = (0, 0)
        # hashes of the ids that pages begin with
        self._firsts: set[int] = set()
        # without a total: the row that the next page has to begin with
        self._anchor: Any = None
        # rows of the last page, the overlap included
        self._came = 0

    def advance(self, rows: list[Any], total: int | None) -> None:
        """Take the page at ``offset``: its rows, and the total that it states (``None``: none).

        Raises ``RowsMovedError`` when the pages do not fit together.
        """
        self.pages += 1
        if self.pages == 1:
            self.total = total
        elif total != self.total:
            raise RowsMovedError(f"the total was {self.total} and became {total}")
        self._came = len(rows)
        self.overlap = 0 if self._anchor is None else 1
        if self.overlap:
            self._check_anchor(rows)
        new = rows[self.overlap :]
        ids = _id_hashes(new, self._id_field, self.rows_read)
        if ids and self._repeats(ids, is_vouched_for=total is not None or self.overlap > 0):
            raise RowsMovedError(f"the page at offset {self.offset} repeats rows that came before")
        self._id_hashes.extend(ids)
        self.rows_read += len(new)
        if total is None:
            # A page without a total begins with the last row of the page before. When it brings nothing else, that row
            # is probably the last of the window; a page behind it is asked for, and is empty if so.
            self.is_whole = not new and not self.overlap
            self._anchor = new[-1] if new else None
            self.offset = self.rows_read - (self._anchor is not None)
        else:
            self.is_whole = not self._goes_on(total, new)
            self.offset = self.rows_read

    def ahead(self) -> Iterable[int]:
        """Return the offsets at which the next pages begin if each brings as many rows as the last one did."""
        if self.is_whole:
            return ()
        if self.total is not None:
            return range(self.offset, self.total, max(self._came, 1))
        if self._came == self._page_size > 1:
            # A guess. No more of them than pages have come, so that a short window wastes few requests.
            return itertools.islice(itertools.count(self.offset, self._came - 1), self.pages)
        return ()

    @property
    def distinct_ids(self) -> int:
        """Different ids among the rows that came."""
        rows = len(self._id_hashes)
        if self._counted[0] != rows:
            hashes = pa.Array.from_buffers(pa.int64(), rows, [None, pa.py_buffer(self._id_hashes)])
            # sorted and compared with their neighbours: a hash table of them takes ten times the memory
            ordered = hashes.sort()
            self._counted = (rows, rows - int(pc.sum(pc.equal(ordered[1:], ordered[:-1])).as_py() or 0))
        return self._counted[1]

    @property
    def progress(self) -> str:
        """Pages, rows of how many, rows a second."""
        rows = f"{self.rows_read:,}" + (f" of {self.total:,}" if self.total is not None else "")
        seconds = max(time.monotonic() - self._began, 1e-3)
        return f"{self.pages:,} pages, {rows} rows, {self.rows_read / seconds:,.0f} rows/s"

    def _repeats(self, ids: list[int], *, is_vouched_for: bool) -> bool:
        """Say whether a page holds only rows that came before, as from a server that ignores the offset.

        To compare a page with all that came takes longer the more has come. So it is done only for a page of which
        nothing else would tell: that has no total, no row of the page before at its head (which is checked), or that
        begins with the same row as another page.
        """
        is_suspect = not is_vouched_for or ids[0] in self._firsts
        self._firsts.add(ids[0])
        return is_suspect and not set(ids).difference(self._id_hashes)

    def _goes_on(self, total: int, rows: list[Any]) -> bool:
        if self.rows_read < total:
            if not rows:
                raise RowsMovedError(f"the API says total {total}, but its pages end after {self.rows_read} rows")
            return True
        if self.rows_read > total or self.distinct_ids != total:
            raise RowsMovedError(
                f"the API says total {total}, but {self.rows_read} rows with {self.distinct_ids} ids came"
            )
        # A first page that is full and all there is: some APIs give the page's own count as the total, so that what
        # follows shows only when it is asked for.
        return self.pages == 1 and len(rows) >= self._page_size

    def _check_anchor(self, rows: list[Any]) -> None:
        if not rows or rows[0] != self._anchor:
            raise RowsMovedError(f"the page at offset {self.offset} does not begin with the row it should")


def _id_hashes(rows: list[Any], field: str, position: int) -> list[int]:
    """Return what tells rows from each other, 64 bits each; a row without a usable id counts as itself."""
    ids = [row.get(field) if isinstance(row, dict) else None for row in rows]
    return [hash(str(one)) if isinstance(one, str | int) else hash((position + i,)) for i, one in enumerate(ids)]
