"""What an answer of the API looks like: the rows and the total in it, or the reason, in words, why it cannot be used.

``WindowPages`` reads each answer, walks on by it (``walk.py``, ``page_walk.py``, ``chain.py``, ``parts.py``), and has
the next pages fetched (``pages.py``, ``chains.py``).
"""

import itertools
import logging
import re
import time
from collections.abc import Iterable, Mapping
from typing import Any

from dlt.common import jsonpath
from requests import Request, Response

from analytics_assets.ingest.api.adapter import ApiResponse
from analytics_assets.ingest.api.chain import BrokenChainError, Chain
from analytics_assets.ingest.api.page_walk import PageWalk
from analytics_assets.ingest.api.pages import PageSession
from analytics_assets.ingest.api.parts import Cutting, NotInPartsError, PartsWalk
from analytics_assets.ingest.api.references import References, Selector
from analytics_assets.ingest.api.walk import OffsetWalk, RowsMovedError
from analytics_assets.ingest.endpoint import Endpoint
from analytics_assets.ingest.errors import ApiError, TooMuchError, WindowMovedError
from analytics_assets.ingest.portion import Portion
from analytics_assets.ingest.settings import Settings

_SHOWN = 120
# of a piece of an answer, which may have many megabytes
_LOOKED_AT = 2**16
_SAY_EVERY_SECONDS = 2.0
# Pages behind the first that are asked for before the second has come: few in vain, and hardly a pause.
_UNTRIED = 7
# as JSON writers of languages without whole numbers write it: 250.0
_WHOLE_NUMBER = re.compile(r"\s*[0-9]+(\.0*)?\s*", re.ASCII)
# Some APIs send an error object with every answer; one with such a code says that all is well.
_CODES_OF_SUCCESS = {"ok", "0", "200", "success"}


class WindowPages:
    """The pages of one endpoint's window, read from the first to its proven end, and again where rows moved meanwhile.

    Raises ``WindowMovedError`` when rows moved, ``ApiError`` (wrong shape) when an answer is not as the settings say.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        settings: Settings,
        asked: Mapping[str, str | int],
        session: PageSession,
        log: logging.Logger,
    ) -> None:
        self.passes = 0
        """How often the window was begun."""
        self.cutting: Cutting | None = None
        """How a window whose pages cannot be read ahead is cut into parts; ``None``: it is read as one chain."""
        self.portion = Portion.of(settings)
        """How much is asked for at once."""
        self._endpoint = endpoint
        self._settings = settings
        self.walk = self._new_walk()
        """The pass that is under way, or the last one."""
        self._asked = asked
        self._session = session
        self._log = log
        self._said_at = time.monotonic()
        self.was_cut_in_vain = False
        """Whether it was, and the parts did not show that they were the window."""
        # what did not fit together in the pass before
        self._misfit: object = None
        # compiled once, here and for dlt, which compiles a text anew on every page
        self.rows_path = jsonpath.compile_path(settings.data_selector)
        self._total_at = Selector(settings.total_selector)
        self._total_pages_at = Selector(settings.total_pages_selector)
        self._references = References(settings)

    def begin_pass(self) -> None:
        """Begin at the first page; what an abandoned pass has read, and what it has under way, is forgotten."""
        self._session.begin()
        self.passes += 1
        self.walk = self._new_walk()

    @property
    def is_first_reading(self) -> bool:
        """Whether nothing else has been seen of the window: this pass is the first, or the first as one chain."""
        return self.passes - self.portion.halvings == 1 + self.was_cut_in_vain

    def give_up(self) -> None:
        """Have no further page fetched; the window was not read to its end."""
        self._session.give_up()

    def take(self, response: Response) -> None:
        """Walk on by the page that came, and have the next ones fetched."""
        try:
            self._advance(response)
        except NotInPartsError as moved:
            self.cutting = None
            self.was_cut_in_vain = True
            raise WindowMovedError(f"incomplete: {moved}") from None
        except RowsMovedError as moved:
            raise self._in_words(moved) from None
        except BrokenChainError as broken:
            what = f"incomplete: {broken} (page {self.walk.pages}, asked {self._asked or 'all'})"
            raise ApiError("incomplete", f"{what}: {how_it_answers(self._settings)}", is_lasting=True) from None
        self._session.is_behind_the_end = self.walk.may_end
        if self.walk.is_whole:
            self._session.drop_ahead()
        else:
            self._session.fetch_ahead(self._ahead())
        if time.monotonic() - self._said_at > _SAY_EVERY_SECONDS:
            self._said_at = time.monotonic()
            self._log.info("%s: %s", self._endpoint.name, self.walk.progress)

    def ask(self, request: Request) -> None:
        """Have the request ask for the page at which the walk stands."""
        params, settings, walk = dict(request.params or {}), self._settings, self.walk
        if settings.limit_param:
            params[settings.limit_param] = self.portion.page_size
        if isinstance(walk, Chain):
            self._session.place = walk.place
        elif isinstance(walk, PageWalk):
            params.pop(settings.page_param, None)
            params |= {} if walk.place is None else {settings.page_param: walk.place}
        else:
            params[settings.offset_param] = walk.offset
        request.params = params

    def _ahead(self) -> Iterable[Any]:
        """Return which pages to fetch ahead: few until the second one has shown that the API honours what is asked."""
        if isinstance(self.walk, Chain):
            return self.walk.ahead()
        most = self._settings.max_concurrent_requests if self.walk.is_guessing else None
        if self.walk.pages == 1:
            # what did not fit before may not fit again
            most = _UNTRIED if self.is_first_reading else 1
        return itertools.islice(self.walk.ahead(), most)

    def _new_walk(self) -> OffsetWalk:
        settings, merge_key, restated_by = self._settings, self._endpoint.item_key, self._endpoint.item_state
        page_size = self.portion.page_size or 0
        if settings.pagination == "offset":
            return OffsetWalk(page_size or settings.page_size, merge_key, restated_by)
        if settings.pagination == "page":
            return PageWalk(page_size, merge_key, restated_by, first_page=settings.first_page)
        if self.cutting is not None:
            return PartsWalk(page_size, merge_key, restated_by, cutting=self.cutting)
        return Chain(page_size, merge_key, restated_by)

    def _in_words(self, moved: RowsMovedError) -> ApiError:
        """Return the error for pages that do not fit together; where they did so before, row for row, a lasting one."""
        what = f"incomplete: {moved} (page {self.walk.pages}, asked {self._asked or 'all'})"
        why = how_it_answers(self._settings)
        seen, self._misfit = self._misfit, (str(moved), self.walk.figures)
        if seen == self._misfit and not moved.is_change:
            again = "It was the same, row for row, when the window was read again, so the rows are not moving: "
            return ApiError("incomplete", f"{what}. {again}{why}", is_lasting=True)
        return WindowMovedError(f"{what}. Rows moved while they were read, or {why}")

    def _advance(self, response: Response) -> None:
        if self.walk.may_end and isinstance(response, ApiResponse) and response.has_nothing:
            self.walk.nothing_behind()
            return
        body = response.json()
        try:
            rows, total = self._rows(response, body), self._total(response, body)
        except ApiError:
            if not self.walk.may_end:
                raise
            # Behind the last row, `data: null` and its like say what an empty list says.
            self.walk.nothing_behind()
            return
        if rows and total is None and self.portion.is_single_row and not isinstance(self.walk, PageWalk):
            what = f"{response.url} gives no total, and pages of a single row are no proof without one"
            raise TooMuchError("request refused", what)
        if isinstance(self.walk, PageWalk):
            self.walk.advance(rows, total, self._number(response, body, self._total_pages_at, "pages"))
        elif isinstance(self.walk, Chain):
            self.walk.advance(rows, total, self._references.following(response))
        else:
            self.walk.advance(rows, total)

    def _rows(self, response: Response, body: Any) -> list[Any]:  # noqa: ANN401 (parsed JSON)
        found = jsonpath.find_values(self.rows_path, body)
        error = _error(body)
        if len(found) == 1 and isinstance(found[0], list) and error is None:
            return found[0]
        selector = self._settings.data_selector
        what = f"its {selector!r} is {_brief(response, found[0])}" if found else f"it has no {selector!r}"
        if len(found) > 1:
            what = f"it has {len(found)} values at {selector!r}"
        if error is not None:
            what = f"it says error {_brief(response, error)}"
        raise _wrong_shape(response, f"{what}, where a list of rows should be (setting data_selector)")

    def _total(self, response: Response, body: Any) -> int | None:  # noqa: ANN401 (parsed JSON)
        """Return the total; ``None`` where the settings or the API give none."""
        return self._number(response, body, self._total_at, "rows")

    def _number(self, response: Response, body: object, selector: Selector, of: str) -> int | None:
        number = selector.find(response, body)
        if isinstance(number, str) and _WHOLE_NUMBER.fullmatch(number):
            number = float(number)
        if isinstance(number, float) and number.is_integer():
            number = int(number)
        if number is None or (isinstance(number, int) and not isinstance(number, bool) and number >= 0):
            return number
        shown = _brief(response, number)
        raise _wrong_shape(response, f"its {selector.text!r} is {shown}, where a number of {of} should be")


def how_it_answers(settings: Settings) -> str:
    """Say what may be wrong, in the API or the settings, where pages do not fit together."""
    order = "orders rows differently for each page (extra_params can ask for an order)"
    total = "its total is not the window's (total_selector)"
    match settings.pagination:
        case "offset":
            return f"the API does not honour {settings.offset_param} (offset_param), {order}, or {total}"
        case "page":
            first = f"its first page is not page {settings.first_page} (first_page)"
            total = "its totals are not the window's (total_selector, total_pages_selector)"
            return f"the API does not honour {settings.page_param} (page_param), {first}, {order}, or {total}"
        case "cursor":
            where = f"its cursor is not at {settings.cursor_selector} (cursor_selector)"
            honours = f"the API does not honour {settings.cursor_param} (cursor_param)"
            return f"{honours} or {settings.limit_param or 'a page size'} (limit_param), {where}, {order}, or {total}"
        case "link":
            where = f"its next link is not at {settings.next_link_selector} (next_link_selector)"
            return f"{where}, the API does not honour {settings.limit_param} (limit_param), {order}, or {total}"


def _wrong_shape(response: Response, what: str) -> ApiError:
    return ApiError("wrong shape", f"wrong shape: {response.url} answered {response.status_code}, but {what}")


def _error(body: Any) -> Any:  # noqa: ANN401 (parsed JSON)
    """Return what the answer says of an error; ``None`` where it says none, or that all is well."""
    error = (body.get("error") or body.get("errors") or None) if isinstance(body, dict) else None
    code = error.get("code") if isinstance(error, dict) else None
    return None if str(code).lower() in _CODES_OF_SUCCESS else error


def _brief(response: Response, value: object) -> str:
    """Show a piece of an answer, which may repeat our request; redacted before it is cut, or half a key could stay."""
    text = repr(value)[:_LOOKED_AT]
    text = response.redact(text) if isinstance(response, ApiResponse) else text
    return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"
