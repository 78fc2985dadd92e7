"""What an answer of the API looks like: the rows and the total in it, or the reason, in words, why it cannot be used.

``WindowPages`` reads each answer, walks on by it (``walk.py``), and has the next pages fetched (``pages.py``).
``ProvenOffsetPaginator`` is how dlt's ``RESTClient`` sees that.
"""

import logging
import re
import time
from collections.abc import Callable, Mapping
from typing import Any

from dlt.common import jsonpath
from dlt.sources.helpers.rest_client.paginators import BasePaginator
from requests import Request, Response

from analytics_assets.ingest.api.adapter import ApiResponse
from analytics_assets.ingest.api.pages import PageSession
from analytics_assets.ingest.api.walk import OffsetWalk, RowsMovedError
from analytics_assets.ingest.endpoints import Endpoint
from analytics_assets.ingest.errors import ApiError, WindowMovedError
from analytics_assets.ingest.settings import Settings

_SHOWN = 120
# of a piece of an answer, which may have many megabytes
_LOOKED_AT = 2**16
_SAY_EVERY_SECONDS = 2.0
# as JSON writers of languages without whole numbers write it: 250.0
_WHOLE_NUMBER = re.compile(r"\s*[0-9]+(\.0*)?\s*", re.ASCII)
# Some APIs send an error object with every answer; one with such a code says that all is well.
_CODES_OF_SUCCESS = {"ok", "0", "200", "success"}


class WindowPages:
    """The pages of one endpoint's window, read from offset 0 to its proven end, and again where rows moved meanwhile.

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
        self.walk = OffsetWalk(settings.page_size, endpoint.item_key, endpoint.item_state)
        """The pass that is under way, or the last one."""
        self._endpoint = endpoint
        self._settings = settings
        self._asked = asked
        self._session = session
        self._log = log
        self._said_at = time.monotonic()
        # what did not fit together in the pass before
        self._misfit: object = None
        # compiled once, here and for dlt, which compiles a text anew on every page
        self.rows_path = jsonpath.compile_path(settings.data_selector)
        self._total_path = jsonpath.compile_path(settings.total_selector) if settings.total_selector else None

    def begin_pass(self) -> None:
        """Begin at offset 0; what an abandoned pass has read, and what it has under way, is forgotten."""
        self._session.begin()
        self.passes += 1
        self.walk = OffsetWalk(self._settings.page_size, self._endpoint.item_key, self._endpoint.item_state)

    def give_up(self) -> None:
        """Have no further page fetched; the window was not read to its end."""
        self._session.give_up()

    def take(self, response: Response) -> None:
        """Walk on by the page that came, and have the next ones fetched."""
        try:
            self._advance(response)
        except RowsMovedError as moved:
            raise self._in_words(moved) from None
        self._session.is_behind_the_end = self.walk.asks_behind
        if self.walk.is_whole:
            self._session.drop_ahead()
        else:
            self._session.fetch_ahead(self.walk.ahead())
        if time.monotonic() - self._said_at > _SAY_EVERY_SECONDS:
            self._said_at = time.monotonic()
            self._log.info("%s: %s", self._endpoint.name, self.walk.progress)

    def _in_words(self, moved: RowsMovedError) -> ApiError:
        """Return the error for pages that do not fit together; where they did so before, row for row, a lasting one."""
        what = f"incomplete: {moved} (page {self.walk.pages}, asked {self._asked or 'all'})"
        how_it_answers = (
            f"the API does not honour {self._settings.offset_param} (offset_param), orders rows differently for each "
            "page (extra_params can ask for an order), or its total is not the window's (total_selector)"
        )
        seen, self._misfit = self._misfit, (str(moved), self.walk.figures)
        if seen == self._misfit and not moved.is_change:
            again = "It was the same, row for row, when the window was read again, so the rows are not moving: "
            return ApiError("incomplete", f"{what}. {again}{how_it_answers}", is_lasting=True)
        return WindowMovedError(f"{what}. Rows moved while they were read, or {how_it_answers}")

    def _advance(self, response: Response) -> None:
        if self.walk.asks_behind and isinstance(response, ApiResponse) and response.has_nothing:
            self.walk.nothing_behind()
            return
        body = response.json()
        try:
            rows, total = self._rows(response, body), self._total(response, body)
        except ApiError:
            if not self.walk.asks_behind:
                raise
            # Behind the last row, `data: null` and its like say what an empty list says.
            self.walk.nothing_behind()
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
        if self._total_path is None:
            return None
        found = jsonpath.find_values(self._total_path, body)
        total = found[0] if found else None
        if isinstance(total, str) and _WHOLE_NUMBER.fullmatch(total):
            total = float(total)
        if isinstance(total, float) and total.is_integer():
            total = int(total)
        if total is None or (isinstance(total, int) and not isinstance(total, bool) and total >= 0):
            return total
        shown = _brief(response, total)
        raise _wrong_shape(
            response, f"its {self._settings.total_selector!r} is {shown}, where a number of rows should be"
        )


class ProvenOffsetPaginator(BasePaginator):
    """dlt's view of ``WindowPages``: the offset of each request, and whether there is one more.

    ``pages`` is a function, because dlt copies a paginator each time it begins to read, and whoever asked for the
    window looks at the original's walk; a function is not copied.
    """

    def __init__(self, settings: Settings, pages: Callable[[], WindowPages]) -> None:
        super().__init__()
        self._offset_param = settings.offset_param
        self._page = {settings.limit_param: settings.page_size}
        self._pages = pages

    @property
    def walk(self) -> OffsetWalk:
        """The pass that is under way, as the page that has just come has left it."""
        return self._pages().walk

    def init_request(self, request: Request) -> None:
        """Begin a pass over the window."""
        self._has_next_page = True
        self._pages().begin_pass()
        self.update_request(request)

    def update_request(self, request: Request) -> None:
        """Ask for the page at which the walk stands."""
        request.params = dict(request.params or {}) | self._page | {self._offset_param: self.walk.offset}

    def update_state(self, response: Response, data: list[Any] | None = None) -> None:  # noqa: ARG002 (dlt's signature; `response` has the total as well)
        """Take the page that came; raises what ``WindowPages`` raises."""
        self._pages().take(response)
        self._has_next_page = not self.walk.is_whole


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
