"""A window whose pages cannot be read ahead, cut into parts that can be read side by side, each a chain of its own."""

import bisect
import datetime as dt
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from analytics_assets.ingest.api.chain import Ask, Chain
from analytics_assets.ingest.api.identity import id_hashes
from analytics_assets.ingest.api.walk import RowsMovedError
from analytics_assets.ingest.settings import Settings
from analytics_assets.ingest.window import Window

Moments = Callable[[list[Any]], list[dt.datetime | None]]
"""Gives the cursors of rows; ``None`` where one has none that can be read."""

_SECOND = dt.timedelta(seconds=1)
_DAY = dt.timedelta(days=1)
# Enough that those that are done first leave no connection idle, and not one for each day of ten years.
_PARTS_PER_REQUEST = 4


class NotInPartsError(RowsMovedError):
    """The parts of a window do not show that they are the window; read as one chain it may be whole."""

    def __init__(self, message: str) -> None:
        super().__init__(f"{message}, so it is read as one chain of pages", is_change=True)


@dataclass(frozen=True)
class Cutting:
    """A window, and how it can be cut."""

    window: Window
    settings: Settings
    moments: Moments

    def parts(self, total: int | None, came: int) -> list[Window]:
        """Return the parts, in order; no more of them than the total has pages, of which the first has brought rows."""
        most = _PARTS_PER_REQUEST * self.settings.max_concurrent_requests
        pages = most if total is None else -(-total // came)
        return self.window.parts(self.settings, max(1, min(most, pages)))

    def params(self, parts: list[Window]) -> list[dict[str, str | int]]:
        """Return the parameters of each part. All but the last are asked for a second of the next part too.

        A row at the edge of two parts comes in both, then, and shows that none is lost there. A format of days cannot
        ask for a second.
        """
        more = dt.timedelta() if self.settings.window_format == "date" else _SECOND
        asked = [part.widened(after=more) for part in parts[:-1]]
        return [part.params(self.settings) for part in [*asked, parts[-1]]]

    def are_inside(self, moments: list[dt.datetime | None]) -> bool:
        """Say whether all cursors can be read, and stand within what is asked for, its end included."""
        asked = self.window.asked(self.settings)
        start, end = asked.start, asked.end
        return all(moment is not None and start <= moment <= end for moment in moments)

    @property
    def names_last_days(self) -> bool:
        """Whether the end is a day's name, which some APIs take for its first instant."""
        return self.settings.window_format == "date" and self.settings.window_end == "inclusive"


class PartsWalk(Chain):
    """One pass over a window, which is cut into parts once its first page has shown that another one follows.

    That page is a sample: its rows come again with their parts, and its total is that of all parts together. A row
    belongs to the part that its cursor is in. One that comes with the part before or after is not taken there, and has
    to come with its own. Raises ``NotInPartsError`` where a row is missing that came elsewhere, and where rows come
    that are of no part beside theirs, as from an API that does not honour the window.
    """

    def __init__(
        self, page_size: int, merge_key: tuple[str, ...], restated_by: str | None, *, cutting: Cutting
    ) -> None:
        super().__init__(page_size, merge_key, restated_by)
        self._cutting = cutting
        self._parts: list[Window] = []
        self._params: list[dict[str, str | int]] = []
        self._starts: list[dt.datetime] = []
        self._part = 0
        self._chain = self._new_chain()
        # ids that have to come with their own part: those of the sample, and of rows that came with another part
        self._owed: set[int] = set()
        self._new: list[Any] | None = None
        self._has_late_row = False

    @property
    def place(self) -> Ask:
        """Which page is asked for."""
        return Ask(self._part, self._chain.following) if self._parts else super().place

    @property
    def where(self) -> str:
        """Which page came last, in words."""
        return self._chain.where if self._parts else super().where

    def ahead(self) -> Iterable[dict[str, str | int]]:
        """Return the parameters of the parts, which can all be begun."""
        return self._params

    def new_of(self, rows: list[Any]) -> list[Any]:
        """Return those rows of the page that has just come that are to be taken."""
        return super().new_of(rows) if self._new is None else self._new

    def advance(self, rows: list[Any], total: int | None, following: str | None = None) -> None:
        """Take a page of the window, or of the part that is under way.

        Raises what ``Chain`` raises, and ``NotInPartsError``.
        """
        if self._parts:
            self._advance_part(rows, total, following)
            return
        super().advance(rows, total, following)
        if self.pages == 1 and rows and self.following is not None:
            self._cut(rows)

    def _cut(self, rows: list[Any]) -> None:
        """Cut the window, unless its first page shows that the API takes it for another one."""
        parts = self._cutting.parts(self.total, len(rows))
        if len(parts) > 1 and self._cutting.are_inside(self._cutting.moments(rows)):
            self._parts, self._params, self._new = parts, self._cutting.params(parts), []
            self._starts = [part.start for part in parts]
            self._owed.update(self._id_hashes)
            self.rows_read = 0
            self._id_hashes = self._id_hashes[:0]
            self._state_hashes = self._state_hashes[:0]
            self._firsts.clear()

    def _new_chain(self) -> Chain:
        # without a page size: the sample has shown that next pages are named
        return Chain(0, self._merge_key, self._restated_by)

    def _advance_part(self, rows: list[Any], total: int | None, following: str | None) -> None:
        if (total is None) != (self.total is None):
            raise NotInPartsError(f"the window has the total {self.total}, and a part of it {total}")
        self.pages += 1
        moments = self._cutting.moments(rows)
        owners = [self._owner(moment) for moment in moments]
        self._new = [row for row, owner in zip(rows, owners, strict=True) if owner == self._part]
        others = [row for row, owner in zip(rows, owners, strict=True) if owner != self._part]
        try:
            self._chain.advance(rows, total, following)
        except RowsMovedError as moved:
            part = self._parts[self._part]
            raise RowsMovedError(f"{moved} (of {part})", is_change=moved.is_change) from None
        self._owed.update(id_hashes(others, self._merge_key, -1 - self.pages * len(rows)))
        self._note_ids(self._new, is_vouched_for=True)
        self.rows_read += len(self._new)
        last_day = self._parts[self._part].end - _DAY
        self._has_late_row = self._has_late_row or any(moment > last_day for moment in moments if moment is not None)
        if self._chain.is_whole:
            self._part += 1
            self._chain = self._new_chain()
            if self._part == len(self._parts):
                self._part -= 1
                self._check_parts()
                self.is_whole = True

    def _owner(self, moment: dt.datetime | None) -> int:
        """Return the part that a row belongs to; those outside of the window belong to the first or last one."""
        if moment is None:
            raise NotInPartsError("a row came whose time cannot be read")
        owner = max(bisect.bisect_right(self._starts, moment) - 1, 0)
        if abs(owner - self._part) > 1:
            raise NotInPartsError(f"asked for {self._parts[self._part]}, the API returned rows of {self._parts[owner]}")
        return owner

    def _check_parts(self) -> None:
        """Refuse parts that have not brought what the window has."""
        if missing := self._owed.difference(self._id_hashes):
            raise NotInPartsError(f"{len(missing)} rows did not come with the part of the window that they belong to")
        if self.total is None:
            self._check_ids_without_total()
        elif self.rows_read != self.total:
            raise NotInPartsError(f"the window has the total {self.total}, and its parts have {self.rows_read} rows")
        if self.rows_read and self._cutting.names_last_days and not self._has_late_row:
            raise NotInPartsError("all rows stand at the beginning of a day, as if the end of a part were its midnight")
