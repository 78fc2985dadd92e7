"""The walk along a chain of pages: each says where the next one is, by a cursor or a link. It knows no HTTP."""

import sys
from collections.abc import Iterable
from typing import Any, NamedTuple

from analytics_assets.ingest.api.walk import OffsetWalk, RowsMovedError

# Some vendors send pages without rows in the middle, where they filter after cutting the pages: a few at a time. One
# that always has a further cursor, and no total, would otherwise be asked for ever.
_MOST_EMPTY = 20
# Page sizes that servers have of their own, whatever was asked, are multiples of these.
_USUAL_SIZES = (10, 25)


class BrokenChainError(Exception):
    """The pages do not lead to an end, and asking again would not change that."""


class Ask(NamedTuple):
    """Which page is asked for."""

    part: int | None = None
    """Of which part of the window; ``None``: of the whole."""
    following: str | None = None
    """Its cursor, or its address; ``None``: the first one."""
    limit: int | None = None
    """Rows asked for, where that is not the page size."""


class Chain(OffsetWalk):
    """One pass over a window, from its first page to one that names no next page.

    With a total as many rows have come, with as many ids. Without one no id came twice, and what else can be missing is
    not seen. A page that names the page itself or one before it is refused. A page without rows is the end where it
    names no other page, or where all rows of the total have come; else it is followed, up to so many in a row.

    Where the first page names no next one although it may be full, fewer rows are asked for, which shows whether a next
    page would be named: else a wrong selector would read one page of each window. ``page_size`` is 0 where the API has
    a page size of its own, and then this cannot be shown.
    """

    def __init__(self, page_size: int, merge_key: tuple[str, ...], restated_by: str | None = None) -> None:
        super().__init__(page_size, merge_key, restated_by)
        self.following: str | None = None
        """The page that is asked for, by its cursor or address; ``None``: the first one."""
        self.limit: int | None = None
        """Rows that are asked for, where it is less than the page size, to see whether a next page is named."""
        self._followed: set[int] = set()
        self._empty_in_a_row = 0

    @property
    def place(self) -> Ask:
        """Which page is asked for."""
        return Ask(None, self.following, self.limit)

    @property
    def where(self) -> str:
        """Which page came last, in words."""
        return f"page {self.pages}"

    def ahead(self) -> Iterable[Any]:
        """Return nothing: where the next page is, only this one says."""
        return ()

    def advance(self, rows: list[Any], total: int | None, following: str | None = None) -> None:
        """Take a page: its rows, the total that it states, and what it names as the next page.

        Raises ``RowsMovedError`` when the pages do not fit together, and ``BrokenChainError``.
        """
        self.pages += 1
        if self.limit is not None:
            self._end_trial(rows, following)
            return
        if self.pages == 1:
            self.total = total
        elif total != self.total:
            raise RowsMovedError(f"the total was {self.total} and became {total}", is_change=True)
        has_all = total is not None and self.rows_read + len(rows) == total
        is_end = not following or (not rows and (has_all or following == self.following))
        if not is_end:
            self._follow(str(following))
        self._note_ids(rows, is_vouched_for=True)
        self.rows_read += len(rows)
        self._empty_in_a_row = 0 if rows else self._empty_in_a_row + 1
        if total is not None and self.rows_read > total:
            raise RowsMovedError(
                f"the API says total {total}, but {self.rows_read} rows had come by then. If its total is capped, or "
                'counts one page only, total_selector = "" reads to the end without it'
            )
        if self._empty_in_a_row > _MOST_EMPTY:
            raise BrokenChainError(f"{_MOST_EMPTY + 1} pages in a row had no rows, and each named another next page")
        if is_end:
            self._check_all()
            self.limit = self._less(len(rows)) if self.pages == 1 else None
            self.is_whole = self.limit is None

    def _follow(self, following: str) -> None:
        known = hash(following)
        if known in self._followed:
            raise BrokenChainError(f"{self.where} names a page as the next that had been named before")
        self._followed.add(known)
        self.following = following

    def _check_all(self) -> None:
        """Refuse an end at which not all rows have come."""
        if self.total is None:
            self._check_ids_without_total()
        elif self.rows_read < self.total:
            raise RowsMovedError(
                f"the API says total {self.total}, but its pages end after {self.rows_read} rows: where its total is "
                'that of all history, or counts rows that it does not return, total_selector = "" reads without it'
            )
        elif self.distinct_ids != self.total:
            raise RowsMovedError(
                f"the API says total {self.total}, but {self.rows_read} rows with {self.distinct_ids} ids came"
            )

    def _less(self, came: int) -> int | None:
        """Return how many rows to ask for, to see whether the first page would name a next one; ``None``: no need."""
        is_usual = self.total is None and any(came % size == 0 for size in _USUAL_SIZES)
        return came - 1 if self._page_size and came > 1 and (came >= self._page_size or is_usual) else None

    def _end_trial(self, rows: list[Any], following: str | None) -> None:
        self.overlap = sys.maxsize
        if not following:
            raise BrokenChainError(
                f"the only page had {self.rows_read} rows and named no next one; asked for {self.limit} rows, the API "
                f"returns {len(rows)} and names none either, so nothing shows that it ever does"
            )
        self.is_whole = True
