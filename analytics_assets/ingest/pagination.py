"""The offset paginator that proves what it read: complete, or an error that says what is missing."""

import itertools
from typing import Any

from dlt.common import jsonpath
from dlt.sources.helpers.rest_client.paginators import BasePaginator
from requests import Request, Response

from analytics_assets.ingest.ahead import ReadAhead
from analytics_assets.ingest.endpoints import Endpoint
from analytics_assets.ingest.errors import ApiError, WindowMovedError
from analytics_assets.ingest.session import ApiResponse
from analytics_assets.ingest.settings import Settings

_BRIEF = 120
# some APIs send an error object with every answer
_WELL = {"ok", "0", "200", "success"}


class ProvenOffsetPaginator(BasePaginator):
    """Walks the pages of a window by offset and ends only where the window is proven whole.

    It advances by what came, not by what was asked, for a server may cap the page. With a total it ends when as many
    rows came as the total says, the total stayed the same, and the ids are as many. Without a total each page begins
    with the last row of the page before, which shows a shift; where nothing else comes, the page behind it has to be
    empty.

    Raises ``WindowMovedError`` when rows moved, ``ApiError`` (wrong shape) when the answer is not as the settings
    say.
    """

    def __init__(self, endpoint: Endpoint, settings: Settings, ahead: ReadAhead) -> None:
        super().__init__()
        self._name = endpoint.name
        self._settings = settings
        self._id_field = endpoint.id
        self._report = ahead.report
        self._ahead = ahead
        self._rows_path = jsonpath.compile_path(settings.data_selector)
        self._total_path = jsonpath.compile_path(settings.total_selector) if settings.total_selector else None

    def init_request(self, request: Request) -> None:
        """Begin a pass over the window at offset 0."""
        self._has_next_page = True
        self._offset = 0
        # hashes of the ids that pages begin with
        self._firsts: set[int] = set()
        # without a total: the row that the next page has to begin with
        self._anchor: Any = None
        self._ahead.drop()
        self._report.begin_pass()
        self.update_request(request)

    def update_request(self, request: Request) -> None:
        """Ask for the page at the current offset."""
        page = {self._settings.offset_param: self._offset, self._settings.limit_param: self._settings.page_size}
        request.params = dict(request.params or {}) | page

    def update_state(self, response: Response, data: list[Any] | None = None) -> None:  # noqa: ARG002 (dlt's signature)
        """Check the page that came, count it, and decide where the next one begins or that the window is whole."""
        body = response.json()
        rows = self._rows(response, body)
        total = self._total(response, body)
        report = self._report
        report.pages += 1
        if report.pages == 1:
            report.total = total
        elif total != report.total:
            raise self._moved(f"the total was {report.total} and became {total}")
        came = len(rows)
        is_vouched_for = total is not None or self._anchor is not None
        if self._anchor is not None:
            self._take_anchor(rows)
        ids = _id_hashes(rows, self._id_field, report.rows_read)
        if ids and self._repeats(ids, is_vouched_for=is_vouched_for):
            raise self._moved(f"the page at {self._settings.offset_param}={self._offset} repeats rows that came before")
        report.id_hashes.extend(ids)
        report.rows_read += len(rows)
        if total is None:
            # only the anchor came: the end, if the page behind it is empty
            self._has_next_page = bool(rows) or self._anchor is not None
            self._anchor = rows[-1] if rows else None
            self._offset = report.rows_read - (self._anchor is not None)
            if came == self._settings.page_size > 1:
                # a guess: no more of them than pages have come, so that a short window wastes few requests
                self._ahead.expect(itertools.islice(itertools.count(self._offset, came - 1), report.pages))
        else:
            self._has_next_page = self._is_short_of(total, rows)
            self._offset = report.rows_read
            self._ahead.expect(range(self._offset, total, max(came, 1)))
        if not self._has_next_page:
            self._ahead.drop()

    def _repeats(self, ids: list[int], *, is_vouched_for: bool) -> bool:
        """Say whether a page holds nothing new.

        All that came is searched only when neither a total nor the row before vouches for the page, or when it begins
        like a page before: for each page, it would be slow.
        """
        is_suspect = not is_vouched_for or ids[0] in self._firsts
        self._firsts.add(ids[0])
        return is_suspect and not set(ids).difference(self._report.id_hashes)

    def _is_short_of(self, total: int, rows: list[Any]) -> bool:
        report = self._report
        if report.rows_read < total:
            if not rows:
                raise self._moved(f"the API says total {total}, but its pages end after {report.rows_read} rows")
            return True
        if report.rows_read > total or report.distinct_ids != total:
            raise self._moved(
                f"the API says total {total}, but {report.rows_read} rows with {report.distinct_ids} ids came"
            )
        # a first page that is full and all there is: its total may be no more than the page's own count
        return report.pages == 1 and len(rows) >= self._settings.page_size

    def _take_anchor(self, rows: list[Any]) -> None:
        """Take the row that came before off the page; dlt passes on what stays in the list."""
        if not rows or rows[0] != self._anchor:
            raise self._moved(
                f"the page at {self._settings.offset_param}={self._offset} does not begin with the row it should"
            )
        del rows[0]

    def _moved(self, what: str) -> WindowMovedError:
        return WindowMovedError(
            f"incomplete: {self._name}: {what} (page {self._report.pages}, asked {self._report.asked or 'all'}). "
            f"Rows moved while they were read, or the API does not honour {self._settings.offset_param}"
        )

    def _rows(self, response: Response, body: Any) -> list[Any]:  # noqa: ANN401 (JSON)
        found = jsonpath.find_values(self._rows_path, body)
        error = _error(body)
        if found and isinstance(found[0], list) and error is None:
            return found[0]
        what = (
            f"its {self._settings.data_selector!r} is {_brief(response, found[0])}"
            if found
            else f"it has no {self._settings.data_selector!r}"
        )
        if error is not None:
            what = f"it says error {_brief(response, error)}"
        raise self._wrong_shape(response, f"{what}, where a list of rows should be (setting data_selector)")

    def _total(self, response: Response, body: Any) -> int | None:  # noqa: ANN401 (JSON)
        """Return the total; ``None`` where the settings or the API give none."""
        if self._total_path is None:
            return None
        found = jsonpath.find_values(self._total_path, body)
        total = found[0] if found else None
        if isinstance(total, str) and total.strip().isdecimal():
            total = int(total)
        if total is None or (isinstance(total, int) and not isinstance(total, bool) and total >= 0):
            return total
        raise self._wrong_shape(
            response,
            f"its {self._settings.total_selector!r} is {_brief(response, total)}, where a number of rows should be",
        )

    def _wrong_shape(self, response: Response, what: str) -> ApiError:
        return ApiError("wrong shape", f"wrong shape: {response.url} answered {response.status_code}, but {what}")


def _error(body: Any) -> Any:  # noqa: ANN401 (JSON)
    """Return what the answer says of an error; ``None`` where it says none, or that all is well."""
    error = (body.get("error") or body.get("errors") or None) if isinstance(body, dict) else None
    code = error.get("code") if isinstance(error, dict) else None
    return None if str(code).lower() in _WELL else error


def _id_hashes(rows: list[Any], field: str, position: int) -> list[int]:
    """Return what tells rows from each other, 64 bits each; a row without a usable id counts as itself."""
    keys = [row.get(field) if isinstance(row, dict) else None for row in rows]
    return [hash(str(key)) if isinstance(key, str | int) else hash((position + i,)) for i, key in enumerate(keys)]


def _brief(response: Response, value: object) -> str:
    """Show a piece of an answer, which may repeat our request; redacted before it is cut, or half a key could stay."""
    text = repr(value)
    text = response.redact(text) if isinstance(response, ApiResponse) else text
    return text if len(text) <= _BRIEF else text[: _BRIEF - 1] + "…"
