"""The one place where pages are fetched, when dlt asks for them or ahead of that.

What belongs here: which requests are under way. What a page means, and which one comes next, stands in ``walk.py``.
"""

import copy
import functools
import itertools
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from typing import Any
from urllib.parse import quote_plus

import requests

from analytics_assets.ingest.api.adapter import ApiResponse
from analytics_assets.ingest.api.chain import Ask
from analytics_assets.ingest.api.workers import Workers
from analytics_assets.ingest.cancelling import waiting
from analytics_assets.ingest.errors import ApiError
from analytics_assets.ingest.settings import Settings

Send = Callable[..., requests.Response]
# takes an answer, its request and the arguments it was sent with
Mend = Callable[[requests.Response, requests.PreparedRequest, dict[str, Any]], requests.Response]
# Pages that may wait for dlt, in multiples of the requests in flight. With fewer, one page that is retried, or one
# table that is written, would leave the connections idle.
PAGES_WAITING = 8
_NO_SUCH_PAGE = frozenset({204, 400, 404, 416})


class PageSession(requests.Session):
    """Gives dlt's ``RESTClient`` the pages of one window, which differ in nothing but their offset, or number.

    ``max_concurrent_requests`` bounds what is in flight; 1 means that each page is fetched when it is asked for. A page
    that was fetched ahead is handed over when dlt asks for it, and so is its failure: an error surfaces at its page.
    """

    def __init__(self, settings: Settings, send: Send, mend: Mend, stop: threading.Event) -> None:
        super().__init__()
        self._send = send
        self._mend = mend
        self._stop = stop
        self._place_param = settings.page_param if settings.pagination == "page" else settings.offset_param
        self._place_name = quote_plus(self._place_param)
        in_flight = settings.max_concurrent_requests
        self._pool = Workers(in_flight, "analytics-page")
        self._most_ahead = PAGES_WAITING * in_flight if in_flight > 1 else 0
        self.is_behind_the_end = False
        """Whether the next page may be none, and a refusal says so."""
        self.place = Ask()
        """Which page is asked for, where each says where the next one is."""
        # by URL
        self._ahead: dict[str, Future[requests.Response]] = {}
        self._first: requests.PreparedRequest | None = None
        self._send_arguments: dict[str, Any] = {}
        # Proxies and certificates of the environment: looked up once, where requests does it for every request.
        self._environment = super().merge_environment_settings(settings.base_url, {}, None, None, None)

    def prepare_request(self, request: requests.Request) -> requests.PreparedRequest:
        """Return the request for the page whose offset or number ``request`` names; a page may have none.

        requests prepares the first one, without that: address, key, headers. The others are copies of it.
        """
        params = dict(request.params)
        place = params.pop(self._place_param, None)
        if self._first is None:
            without_place = copy.copy(request)
            without_place.params = params
            self._first = self._prepared(without_place)
        return self._page_request(self._first, place)

    def merge_environment_settings(self, *_: object) -> dict[str, Any]:  # type: ignore[override] # the same for every page, whatever is passed
        """Return the environment's settings."""
        return dict(self._environment)

    def send(self, request: requests.PreparedRequest, **kwargs: Any) -> requests.Response:  # noqa: ANN401 (requests' signature)
        """Return the answer, which may have come already; raises what sending the request raises."""
        self._send_arguments = kwargs
        try:
            with waiting():
                return self._page(request)
        except BaseException:
            self.give_up()
            raise

    def ask(self, request: requests.Request) -> requests.Response:
        """Return the answer to a request that is no page of a window; raises what sending it raises."""
        return self.send(super().prepare_request(request), **self.merge_environment_settings())

    def fetch_ahead(self, places: Iterable[Any]) -> None:
        """Begin to fetch the pages at these offsets, or of these numbers: the next ones, as far as they may wait."""
        if (first := self._first) is None:
            return
        for place in itertools.islice(places, self._most_ahead):
            if (url := self._url(first, place)) not in self._ahead:
                send = functools.partial(self._send, self._page_request(first, place), **self._send_arguments)
                self._ahead[url] = self._pool.submit(send)

    def begin(self) -> None:
        """Begin with the first page: what is under way is forgotten, and what all pages have in common.

        After a failure, what is under way makes its last attempt first.
        """
        if self._stop.is_set():
            with waiting():
                self._pool.settle()
            self._stop.clear()
        self.is_behind_the_end = False
        self.place = Ask()
        self._first = None
        self.drop_ahead()

    def give_up(self) -> None:
        """Have no further page fetched. A request that waits for its next attempt makes it now, and no other."""
        self.drop_ahead()
        self._stop.set()

    def drop_ahead(self) -> None:
        """Forget the pages that nobody will take, and make none of the requests that have not begun."""
        for page in self._ahead.values():
            page.cancel()
        self._ahead.clear()

    def _page(self, request: requests.PreparedRequest) -> requests.Response:
        """Return the answer to a request that dlt has come to."""
        page = self._ahead.pop(str(request.url), None)
        if page is None:
            # The page before was shorter than expected: what is under way begins at places that nobody will ask for.
            self.drop_ahead()
            page = self._pool.submit(functools.partial(self._send, request, **self._send_arguments))
        if self.is_behind_the_end:
            return _or_nothing(page)
        return self._mend(page.result(), request, self._send_arguments)

    def _prepared(self, request: requests.Request) -> requests.PreparedRequest:
        return super().prepare_request(request)

    def _page_request(self, first: requests.PreparedRequest, place: int | None) -> requests.PreparedRequest:
        request = first.copy()
        request.url = self._url(first, place)
        return request

    def _url(self, first: requests.PreparedRequest, place: int | None) -> str:
        url = str(first.url)
        return url if place is None else f"{url}{'&' if '?' in url else '?'}{self._place_name}={place}"


def _or_nothing(page: Future[requests.Response]) -> requests.Response:
    """Return the answer to a page behind the last row; where it is none, or a refusal of that offset, without rows.

    Servers say in many ways that there is no such page. What a failing server says (500, no answer, a refused key) is
    no answer to the question, and is raised.
    """
    try:
        response = page.result()
    except requests.HTTPError as error:
        if not isinstance(error.response, ApiResponse) or error.response.status_code not in _NO_SUCH_PAGE:
            raise
        response = error.response
    if isinstance(response, ApiResponse):
        try:
            response.json()
        except ApiError:
            response.take_as_nothing()
        if response.status_code in _NO_SUCH_PAGE:
            response.take_as_nothing()
    return response
