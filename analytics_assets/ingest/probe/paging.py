"""How a list is paged: names of parameters are tried many at once, each with a value that shows in what comes.

``limit=2&per_page=4&take=5``: the number of rows says which of them the API knows. ``offset=1&skip=3&page=2``: so does
the place, among the rows of the first page, at which the answer begins.
"""

import re
from collections.abc import Mapping

from analytics_assets.ingest.fields import Row
from analytics_assets.ingest.probe.answers import (
    FirstPage,
    echoed_names,
    names_in_link,
    next_cursors,
    next_links,
    page_totals,
    rows_at,
)
from analytics_assets.ingest.probe.findings import Finding, Known
from analytics_assets.ingest.probe.names import CURSORS, LIMITS, OFFSETS, PAGES
from analytics_assets.ingest.probe.questions import Answer, Questions

_SMALL = 2
_SIZES = (1000, 500, 200, 100)
_USUAL_SIZE = 100
_NUMBER = re.compile(r"\b[1-9][0-9]{1,3}\b", re.ASCII)
_REFUSED = frozenset({400, 404, 413, 422})

Params = Mapping[str, str | int]


class Paging:
    """Finds out how the pages of one endpoint are asked for, and keeps what came for those who look at rows."""

    def __init__(self, questions: Questions, known: Known, finding: Finding, first: FirstPage) -> None:
        self._questions = questions
        self._known = known
        self._finding = finding
        self._first = first.answer
        self._rows = first.list.rows
        self._selector = first.list.selector
        # the API's own names go before those that are usual
        echoed = echoed_names(first.answer, len(self._rows))
        in_link = names_in_link(first.answer)
        is_demanded = first.params.keys() != {known.limit_param, known.offset_param}
        demanded = first.params if is_demanded else {}
        self._hinted: dict[str, object] = {**in_link, **demanded, **echoed, **first.params}
        self.names = frozenset(in_link)
        """Parameters in the address of the next page: they ask for pages, and not for a time."""
        # an API may demand what it was asked with
        self._base: dict[str, str | int] = {name: 0 for name in first.params if name in OFFSETS}
        self._is_sized = False
        self.limit_param: str | None = None
        self.offset_param: str | None = None
        self.small: tuple[Answer, int] | None = None
        """A page that was asked for with fewer rows, and how many came."""
        self.largest = first.list.rows
        """The longest page that came."""

    def find_out(self) -> None:
        """Ask for small pages, and say in the finding which parameters do that."""
        if len(self._rows) <= _SMALL:
            self._finding.remarks.append(
                f"not sure: {len(self._rows)} rows came, too few to see how pages are asked for"
            )
            self._base = {self._known.limit_param: _USUAL_SIZE, self._known.offset_param: 0}
            return
        self._confirm()
        if self.limit_param is None:
            self._find_limit()
        if self.offset_param is None:
            self._find_offset()
        if self.offset_param:
            self._finding.say("pagination", "offset")
            self._finding.say("offset_param", self.offset_param, f"with {self.offset_param} the page begins further on")
        elif "pagination" not in self._finding.settings:
            self._find_cursor()
        self._say_limit()

    @property
    def params(self) -> dict[str, str | int]:
        """What asks for the first page, with as many rows as have come in one."""
        return {**({} if self.offset_param else self._base), **self._page(len(self.largest))}

    def find_page_size(self, total: int | None) -> None:
        """Ask for a very large page, once, and say how many rows one has, where there are more than that."""
        if not self.limit_param or self._is_sized or not self._questions.left:
            return
        self._is_sized = True
        answer = self._questions.ask(self._page(_SIZES[0]))
        rows = self._rows_of(answer)
        if rows is None:
            # the most that there may be is mostly named
            most = max((int(one) for one in _NUMBER.findall(answer.said) if int(one) < _SIZES[0]), default=0)
            note = f"{_SIZES[0]} are refused ({answer.status})"
            self._finding.say("page_size", max(most, min(_USUAL_SIZE, len(self._rows))), note, is_sure=False)
            return
        if len(rows) > len(self.largest):
            self.largest = rows
        if len(rows) >= _SIZES[0]:
            self._finding.say("page_size", _SIZES[0], f"{_SIZES[0]} rows came at once")
        elif (total or 0) > len(rows) or next_links(answer) or next_cursors(answer):
            size = max([size for size in _SIZES if size <= len(rows)], default=len(rows))
            self._finding.say("page_size", size, f"{len(rows)} rows are the most that come at once")

    def _confirm(self) -> None:
        """Ask with the names that are likeliest, alone: the link's, the defaults, or those of the endpoint before."""
        limit = next((name for name in self._hinted if name in LIMITS), self._known.limit_param)
        offset = next((name for name in self._hinted if name in OFFSETS), self._known.offset_param)
        rows = self._try({limit: _SMALL, offset: 1}, or_else={limit: _SMALL})
        if rows is None:
            return
        if len(rows) == _SMALL:
            self.limit_param = limit
        if self._place_of(rows) == 1:
            self.offset_param = offset

    def _find_limit(self) -> None:
        names = [*(name for name in self._hinted if name in LIMITS), *LIMITS]
        values = dict(zip(dict.fromkeys(names), range(_SMALL, len(self._rows)), strict=False))
        rows = self._try({**self._base, **values})
        if rows is not None and len(rows) < len(self._rows):
            self.limit_param = next((name for name, value in values.items() if value == len(rows)), None)
        elif rows is None:
            for name in [*values][:_SMALL]:
                rows = self._try({**self._base, name: _SMALL})
                if rows is not None and len(rows) == _SMALL:
                    self.limit_param = name
                    return

    def _find_offset(self) -> None:
        """Even numbers are left to pages of two rows."""
        taken = {self.limit_param}
        offsets = [name for name in dict.fromkeys([*self._hinted, *OFFSETS]) if name in OFFSETS and name not in taken]
        pages = [name for name in dict.fromkeys([*self._hinted, *PAGES]) if name in PAGES]
        # `page` and `page[number]` in one question are an error to many servers
        has_brackets = "[" in f"{self.limit_param}{''.join(self._hinted)}"
        offsets = [name for name in offsets if ("[" in name) is has_brackets] or offsets
        pages = [name for name in pages if ("[" in name) is has_brackets]
        places: dict[str, int] = dict(zip(offsets, range(1, len(self._rows), 2), strict=False))
        numbers = dict(zip(pages, range(2, len(self._rows), 2), strict=False))
        size = self._small_page()
        # an API may take `from` for a time
        fewer = {name: value for name, value in places.items() if name != "from"}
        rows = self._try({**size, **places, **numbers}, or_else={**size, **fewer, **numbers})
        rows = rows or self._try({**size, **self._base, pages[0]: 2})
        if not rows:
            return
        place = self._place_of(rows)
        self.offset_param = next((name for name, value in places.items() if value == place), None)
        if self.offset_param or place == 0:
            return
        for name, number in numbers.items():
            for first_page in (1, 0):
                # without a parameter for the size, the second page has none of the first one's rows
                if place == (number - first_page) * _SMALL if self.limit_param else place is None and number == _SMALL:
                    self._say_page(name, first_page, is_sure=place is not None)
                    return

    def _say_page(self, name: str, first_page: int, *, is_sure: bool) -> None:
        self._finding.say("pagination", "page", f"{name} asks for the next page", is_sure=is_sure)
        self._finding.say("page_param", name)
        self._finding.say("first_page", first_page, f"the first page is {first_page}", is_sure=is_sure)
        for selector, number in page_totals(self._first).items():
            self._finding.say("total_pages_selector", selector, f"it said {number:,}")
            break

    def _find_cursor(self) -> None:
        """Go on behind the first rows with the cursor that came, if one did."""
        answer, _ = self.small or (self._first, 0)
        for selector, cursor in next_cursors(answer).items():
            in_link = [name for name, value in self._hinted.items() if value == next_cursors(self._first).get(selector)]
            alike = [name for name in CURSORS if name in selector.lower().rpartition("next_")[2]]
            names = list(dict.fromkeys([*in_link, *alike, *CURSORS]))
            for tried in (names[:1], names[1:]):
                rows = self._try({**self._small_page(), **dict.fromkeys(tried, cursor)})
                if rows and self._place_of(rows) != 0 and rows != self._rows[: len(rows)]:
                    is_sure = len(tried) == 1
                    note = f"rows go on behind it with {tried[0]}" if is_sure else f"one of {', '.join(tried)}"
                    self._finding.say("pagination", "cursor", "each page names the next one by a cursor")
                    self._finding.say("cursor_selector", selector)
                    self._finding.say("cursor_param", tried[0], note, is_sure=is_sure)
                    return
        for selector in next_links(answer):
            self._finding.say("pagination", "link", "each page has the address of the next one")
            self._finding.say("next_link_selector", selector)
            return
        tried_names = ", ".join([*OFFSETS, *PAGES])
        self._finding.remarks.append(
            f"not sure: none of {tried_names} led to another page, and no cursor or link to the next one came"
        )

    def _say_limit(self) -> None:
        if self.limit_param:
            note = f"with {self.limit_param}={_SMALL} fewer rows came"
            self._finding.say("limit_param", self.limit_param, note)
        else:
            tried = ", ".join(LIMITS)
            note = f"{len(self._rows)} rows came whatever was asked for, with each of {tried}"
            self._finding.say("limit_param", "", note, is_sure=False)

    def _small_page(self) -> dict[str, str | int]:
        return {self.limit_param: _SMALL} if self.limit_param else {}

    def _page(self, size: int) -> dict[str, str | int]:
        offset: dict[str, str | int] = {self.offset_param: 0} if self.offset_param else {}
        return {self.limit_param: size, **offset} if self.limit_param else offset

    def _try(self, params: Params, or_else: Params | None = None) -> list[Row] | None:
        """Return the rows that come; ``None`` where the API refuses both questions, or none is left."""
        if not self._questions.left:
            return None
        answer = self._questions.ask(params)
        if answer.status in _REFUSED and or_else and self._questions.left:
            answer = self._questions.ask(or_else)
        rows = self._rows_of(answer)
        if rows and len(rows) < len(self._rows):
            self.small = answer, len(rows)
        return rows

    def _rows_of(self, answer: Answer) -> list[Row] | None:
        return rows_at(answer, self._selector)

    def _place_of(self, rows: list[Row]) -> int | None:
        """Return the place in the first page at which these rows begin; ``None`` where they are others."""
        places = (place for place, row in enumerate(self._rows) if row == rows[0]) if rows else iter(())
        return next((place for place in places if self._continues(place, rows)), None)

    def _continues(self, place: int, rows: list[Row]) -> bool:
        there = self._rows[place : place + len(rows)]
        return there == rows[: len(there)]
