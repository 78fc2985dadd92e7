"""Reading ahead: the pages that the paginator will ask for next are on their way while it looks at this one."""

import itertools
import re
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Self
from urllib.parse import quote_plus

import requests

from analytics_assets.ingest.report import WindowReport
from analytics_assets.ingest.settings import Settings

Send = Callable[..., requests.Response]
# in multiples of the requests in flight: neither a retry at the head nor the writing of a table may stall the pages
_DEPTH = 8


class ReadAhead:
    """The pages of one endpoint's window that were asked for and not yet taken, by offset.

    A page is handed over when the paginator asks for it, so that a failure surfaces at its page. The pool bounds what
    is in flight; all endpoints of a source share it.
    """

    def __init__(self, pool: ThreadPoolExecutor, settings: Settings, report: WindowReport, sharing: int = 1) -> None:
        self.report = report
        self._pool = pool
        self._offset_param = settings.offset_param
        self._offset = re.compile(f"(?<=[?&]{re.escape(quote_plus(settings.offset_param))}=)[0-9]+")
        in_flight = settings.max_concurrent_requests
        # the first page leaves room for those of the others, which stand in the same line
        self._first_depth = max(0, in_flight - sharing + 1) if in_flight > 1 else 0
        self._depth = _DEPTH * in_flight // sharing if in_flight > 1 else 0
        self._pages: dict[str, Future[requests.Response]] = {}
        self._last: tuple[Send, requests.PreparedRequest, dict[str, Any]] | None = None

    def __deepcopy__(self, memo: dict[int, object]) -> Self:
        """Return itself: dlt copies a source's config, and paginator and session have to share it."""
        return self

    def take(self, send: Send, request: requests.PreparedRequest, **kwargs: Any) -> requests.Response:  # noqa: ANN401
        """Return the answer to a request, which may be under way already; raises what sending it raises."""
        self._last = send, request, kwargs
        offset = self._offset.search(str(request.url))
        page = self._pages.pop(offset.group(), None) if offset else None
        if page is None:
            # a page was shorter than those before: what lies ahead is not where it was expected
            self.drop()
        try:
            return (page or self._pool.submit(send, request, **kwargs)).result()
        except BaseException:
            self.drop()
            raise

    def expect(self, offsets: Iterable[int]) -> None:
        """Ask for the pages at these offsets, the next that will be wanted, as far as the depth allows."""
        if self._last is None:
            return
        send, request, kwargs = self._last
        depth = self._depth if self.report.pages > 1 else self._first_depth
        # the first of them are under way
        for offset in map(str, itertools.islice(offsets, len(self._pages), depth)):
            self._pages[offset] = self._pool.submit(send, self._at(offset, request), **kwargs)

    def prepared(self, request: requests.Request) -> requests.PreparedRequest | None:
        """Return the request for a page, made from the one for an earlier page; ``None`` when there was none."""
        return self._at(str(request.params[self._offset_param]), self._last[1]) if self._last else None

    def _at(self, offset: str, other: requests.PreparedRequest) -> requests.PreparedRequest:
        """Return another page's request with this offset, all that differs between them."""
        request = other.copy()
        request.url = self._offset.sub(offset, str(other.url), count=1)
        return request

    def drop(self) -> None:
        """Forget the pages that nobody will take, and make none of the requests that have not begun."""
        for page in self._pages.values():
            page.cancel()
        self._pages.clear()
