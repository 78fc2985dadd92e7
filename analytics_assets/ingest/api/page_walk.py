"""The walk over a window by page numbers, which cannot overlap by a row; like ``walk.py`` it knows no HTTP."""

import itertools
import sys
from collections.abc import Iterable
from typing import Any

from analytics_assets.ingest.api.identity import id_hashes
from analytics_assets.ingest.api.walk import OffsetWalk, RowsMovedError

# of the end, where rows are not counted; a single one may be a server that is not well
_SIGNS = 2


class PageWalk(OffsetWalk):
    """One pass over a window, page number by page number.

    With a total of rows it is proven as offsets are. With a total of pages every page but the last is as full as the
    first, and nothing is behind the last. Without either it goes on until two things say that it is the end: a page
    that is shorter than the first, and a page without anything new. Where rows are not counted, an id that came twice
    shows rows that moved, and a request without a page number shows whether a page stands before the first.

    ``page_size`` is 0 where the API has a page size of its own.
    """

    def __init__(
        self, page_size: int, merge_key: tuple[str, ...], restated_by: str | None = None, *, first_page: int = 1
    ) -> None:
        super().__init__(page_size, merge_key, restated_by)
        self.place: int | None = first_page
        """The page that is asked for; ``None`` for the request without a number."""
        self.total_pages: int | None = None
        self._first_page = first_page
        # what says that the end was reached: so many of the signs that are wanted
        self._signs = 0

    @property
    def may_end(self) -> bool:
        """Whether a refusal of the page that is asked for says that there is none."""
        return self.asks_behind or (self.pages > 0 and self.is_guessing)

    @property
    def is_guessing(self) -> bool:
        """Whether nothing says how many pages there are."""
        return self.total is None and self.total_pages is None

    @property
    def where(self) -> str:
        """Which page is asked for, in words."""
        return "the answer without a page number" if self.place is None else f"page {self.place}"

    def advance(self, rows: list[Any], total: int | None, total_pages: int | None = None) -> None:
        """Take the page ``place``: its rows, and the totals that it states (``None``: none).

        Raises ``RowsMovedError`` when the pages do not fit together.
        """
        if self.pages == 0:
            self.total_pages = total_pages
        if self.total is not None or (total is not None and self.pages == 0):
            super().advance(rows, total)
            self.place = self._first_page + self.pages
        elif self._is_nothing(rows):
            self.nothing_behind()
        else:
            self._take(rows, total, total_pages)

    def nothing_behind(self) -> None:
        """Take the answer to a page that has nothing which had not come."""
        if self.total is not None:
            super().nothing_behind()
            return
        self.pages += 1
        self.overlap = sys.maxsize
        self._note_sign()

    def ahead(self) -> Iterable[int]:
        """Return the numbers of the next pages, if each is as full as the first one."""
        if self.is_whole or self.asks_behind or not self._came_first:
            return ()
        next_page = self._first_page + self.pages
        if self.total is not None or self.total_pages is not None:
            last = self.total_pages if self.total is None else -(-self.total // self._came_first)
            numbers = range(next_page, self._first_page + (last or 0))
            # A server may cap its pages; or the total is not the window's, and there is no further page.
            return numbers[:1] if self.pages == 1 and self._came < self._page_size else numbers
        # A guess. No more of them than pages have come, so that a short window wastes few requests.
        return itertools.islice(itertools.count(next_page), self.pages) if self._came_first > 1 else ()

    def _is_nothing(self, rows: list[Any]) -> bool:
        """Say whether a page has no row that had not come; looked at closely where it begins like another one."""
        if rows and (self.asks_behind or id_hashes(rows[:1], self._merge_key, self.rows_read)[0] in self._firsts):
            is_news = self._is_news(rows)
        else:
            is_news = bool(rows)
        if is_news or self.pages == 0:
            return False
        if self.pages == 1 and rows and not self.asks_behind:
            raise RowsMovedError(f"{self.where} has nothing but rows of the first page")
        if not self.may_end:
            raise RowsMovedError(f"the API says {self.total_pages} pages, and {self.where} has nothing new")
        return True

    def _take(self, rows: list[Any], total: int | None, total_pages: int | None) -> None:
        if self.place is None:
            raise RowsMovedError(f"{self.where} has rows that no page had: its first one may have another number")
        if self.asks_behind:
            raise RowsMovedError(f"{self.where} has rows, and a page before it was the last one")
        for name, before, now in (("total", None, total), ("number of pages", self.total_pages, total_pages)):
            if before != now:
                raise RowsMovedError(f"the {name} was {before} and became {now}", is_change=True)
        self.pages += 1
        self.overlap, self._came = 0, len(rows)
        if self.pages == 1:
            self._came_first = len(rows)
        self._note_ids(rows, is_vouched_for=True)
        self.rows_read += len(rows)
        self._check_size(len(rows))
        self.place = self._first_page + self.pages
        if not rows:
            self._note_sign(_SIGNS)
        elif self.pages == self.total_pages or (self.total_pages is None and len(rows) < self._came_first):
            self._note_sign()

    def _check_size(self, came: int) -> None:
        """Refuse a page that is not as full as the first, unless it is the last."""
        if self.total_pages is not None and self.pages > max(self.total_pages, 1 if not came else 0):
            raise RowsMovedError(f"the API says {self.total_pages} pages, and {self.where} has {came} rows")
        is_short = came < max(self._came_first, 1) and self.pages < (self.total_pages or 0)
        if came > self._came_first or is_short:
            said = f"{self.where} has {came} rows, and the first page has {self._came_first}"
            raise RowsMovedError(f"{said}: all but the last of the pages have to be as full as the first")

    def _note_sign(self, signs: int = 1) -> None:
        """Note what says that the last row has come; where it says enough, see what comes without a page number."""
        self.asks_behind = True
        self._signs += signs
        # So many pages could not have come if the first one were missing.
        is_counted = self.total_pages is not None and self.rows_read > 0
        if self.place is None or (self._signs >= _SIGNS and is_counted):
            self._check_ids_without_total()
            self.is_whole = True
        self.place = None if self._signs >= _SIGNS else self._first_page + self.pages
