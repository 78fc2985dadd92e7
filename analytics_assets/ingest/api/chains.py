"""Chains of pages fetched side by side: of each, the next page once the page before has said where that is.

What belongs here: which requests are under way. What a page means, and whether all have come, stands in ``chain.py``
and ``parts.py``.
"""

import copy
import functools
import threading
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import requests

from analytics_assets.ingest.api.adapter import ApiResponse
from analytics_assets.ingest.api.pages import PAGES_WAITING, Mend, PageSession, Send
from analytics_assets.ingest.api.references import References, with_parameter_of
from analytics_assets.ingest.api.workers import Workers
from analytics_assets.ingest.errors import ApiError
from analytics_assets.ingest.settings import Settings

Fetched = tuple[requests.Response, requests.PreparedRequest | None]
"""A page, and the request for the one behind it."""
# takes a chain's first request, and the one to send
Fetch = Callable[[requests.PreparedRequest, requests.PreparedRequest], Fetched]


@dataclass
class _Link:
    """One chain: its pages that wait to be taken, and the request for the next one, where that is known."""

    first: requests.PreparedRequest
    request: requests.PreparedRequest | None
    pages: deque[requests.Response] = field(default_factory=deque)
    is_under_way: bool = False


class Chains:
    """Fetches chains in threads, those that stand first before the others, and no more pages than may wait.

    A failure of any of them is raised by the next ``take``, whichever that asks for.
    """

    def __init__(self, firsts: Iterable[requests.PreparedRequest], fetch: Fetch, pool: Workers, most: int) -> None:
        self._chains = [_Link(first, first) for first in firsts]
        self._fetch = fetch
        self._pool = pool
        self._most = most
        self._current = 0
        self._failure: BaseException | None = None
        self._changed = threading.Condition()
        self._begin_next()

    def take(self, number: int) -> requests.Response:
        """Return the next page of a chain; the chains before it are done with. Raises what a chain has met."""
        with self._changed:
            self._current = number
            self._begin_next()
            while self._failure is None and not self._chains[number].pages:
                self._changed.wait()
            if self._failure is not None:
                raise self._failure
            page = self._chains[number].pages.popleft()
            self._begin_next()
        return page

    def drop(self) -> None:
        """Begin no further request, and forget the pages that wait."""
        with self._changed:
            self._chains.clear()

    def _begin_next(self) -> None:
        """Begin the requests that are known and may be made; those of the first chains come first."""
        chains = self._chains[self._current :]
        under_way = sum(chain.is_under_way for chain in self._chains)
        waiting_pages = sum(len(chain.pages) for chain in chains)
        for chain in chains:
            if under_way >= self._most:
                return
            # the page that is asked for next has to come, however many others wait
            is_needed = chain is chains[0] and not chain.pages
            if chain.request is None or chain.is_under_way:
                continue
            if under_way + waiting_pages >= PAGES_WAITING * self._most and not is_needed:
                return
            under_way += 1
            chain.is_under_way = True
            future = self._pool.submit(functools.partial(self._fetch, chain.first, chain.request))
            future.add_done_callback(functools.partial(self._note, chain))

    def _note(self, chain: _Link, fetched: Future[Fetched]) -> None:
        """Take a page that has come, in the thread that has fetched it, and begin what can be begun now."""
        failure = fetched.exception()
        with self._changed:
            chain.is_under_way = False
            if failure is not None:
                self._failure = self._failure or failure
                self._chains.clear()
            else:
                page, chain.request = fetched.result()
                chain.pages.append(page)
                self._begin_next()
            self._changed.notify()


class ChainSession(PageSession):
    """Gives dlt's ``RESTClient`` the pages of one window, each of which says where the next one is.

    Page by page where the window is one chain; where it is cut into parts, these are fetched side by side.
    """

    def __init__(self, settings: Settings, send: Send, mend: Mend, stop: threading.Event) -> None:
        super().__init__(settings, send, mend, stop)
        self._settings = settings
        self._references = References(settings)
        self._chains: Chains | None = None
        self._firsts: list[requests.PreparedRequest] = []
        self._request: requests.Request

    def prepare_request(self, request: requests.Request) -> requests.PreparedRequest:
        """Return the request for the page ``place``."""
        self._request = request
        part, following, limit = self.place
        first = (
            self._firsts[part]
            if part is not None
            else self._prepared_with({self._settings.limit_param: limit} if limit else {})
        )
        return first if following is None else self._next_request(first, following)

    def fetch_ahead(self, places: Iterable[Any]) -> None:
        """Begin to fetch the parts of the window, given by their parameters, unless they are begun."""
        parts = list(places) if self._chains is None else []
        if parts:
            self._firsts = [self._prepared_with(part) for part in parts]
            in_flight = self._settings.max_concurrent_requests
            self._chains = Chains(self._firsts, self._fetch, self._pool, in_flight)

    def drop_ahead(self) -> None:
        """Forget the pages that nobody will take, and make none of the requests that have not begun."""
        super().drop_ahead()
        if self._chains is not None:
            self._chains.drop()
            self._chains = None

    def _page(self, request: requests.PreparedRequest) -> requests.Response:
        """Return the answer, which may have come already; raises what another part has met as well."""
        if self.place.part is None or self._chains is None:
            return super()._page(request)
        return self._chains.take(self.place.part)

    def _prepared_with(self, params: Mapping[str, str | int]) -> requests.PreparedRequest:
        request = copy.copy(self._request)
        request.params = {**dict(request.params), **params}
        return self._prepared(request)

    def _fetch(self, first: requests.PreparedRequest, request: requests.PreparedRequest) -> Fetched:
        """Fetch a page of a chain. What is wrong with the page that it names is said when dlt comes to it."""
        page = self._mend(self._send(request, **self._send_arguments), request, self._send_arguments)
        try:
            following = self._references.following(page)
        except ApiError:
            following = None
        if isinstance(page, ApiResponse):
            page.forget()
        return page, None if following is None else self._next_request(first, following)

    def _next_request(self, first: requests.PreparedRequest, following: str) -> requests.PreparedRequest:
        request, url = first.copy(), str(first.url)
        if self._settings.pagination == "cursor":
            name, value = (quote(text, safe="") for text in (self._settings.cursor_param, following))
            request.url = f"{url}{'&' if '?' in url else '?'}{name}={value}"
        elif self._settings.key_location == "query":
            request.url = with_parameter_of(following, url, self._settings.key_name)
        else:
            request.url = following
        return request
