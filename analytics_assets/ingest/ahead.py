"""Reading ahead: the pages that the paginator will ask for next are on their way while it looks at this one."""

import re
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Self
from urllib.parse import quote_plus

import requests

from analytics_assets.ingest.report import WindowReport
from analytics_assets.ingest.settings import Settings

Send = Callable[..., requests.Response]
# in multiples of the requests in flight, for a retry at the head must not stall the pages behind it
_DEPTH = 4


class ReadAhead:
    """The pages of one endpoint's window that were asked for and not yet taken, by offset.

    A page is handed over when the paginator asks for it, so that a failure surfaces at its page. The pool bounds what
    is in flight; all endpoints of a source share it.
    """

    def __init__(self, pool: ThreadPoolExecutor, settings: Settings, report: WindowReport) -> None:
        self.report = report
        self._pool = pool
        self._offset = re.compile(f"(?<=[?&]{re.escape(quote_plus(settings.offset_param))}=)[0-9]+")
        self._depth = _DEPTH * settings.max_concurrent_requests if settings.max_concurrent_requests > 1 else 0
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
        for offset in map(str, offsets):
            if len(self._pages) >= self._depth:
                break
            if offset not in self._pages:
                ahead = request.copy()
                ahead.url = self._offset.sub(offset, str(request.url), count=1)
                self._pages[offset] = self._pool.submit(send, ahead, **kwargs)

    def drop(self) -> None:
        """Forget the pages that nobody will take, and make none of the requests that have not begun."""
        for page in self._pages.values():
            page.cancel()
        self._pages.clear()
