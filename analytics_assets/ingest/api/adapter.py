"""One request on the wire and its whole answer: counted, paced, bounded, and redacted in logs and errors."""

import codecs
import threading
import time
from collections.abc import Iterator, Mapping
from typing import Any

import orjson
import requests
import urllib3
from requests.adapters import HTTPAdapter

from analytics_assets.ingest import exact_json
from analytics_assets.ingest.api.budget import RateBudget
from analytics_assets.ingest.api.early_hints import read_past_hints
from analytics_assets.ingest.api.redaction import Redactor
from analytics_assets.ingest.api.retry_after import retry_after
from analytics_assets.ingest.errors import ApiError
from analytics_assets.ingest.settings import Settings

_CHUNK = 2**16
# as it may be written, each character as an escape of an escape
_LONGEST_KEY = 2**13
_SHOWN = 80


class WireCounts:
    """Requests that were made, and those of them that were made again. Threads count; anybody may read."""

    def __init__(self) -> None:
        self.requests = 0
        self.retries = 0
        self.seconds = 0.0
        """From the sending of each request that was answered to the answer's last byte, added up."""
        self.headers: Mapping[str, str] = {}
        """Of the answer that came last."""
        self._lock = threading.Lock()

    def request(self) -> None:
        """Count one request."""
        with self._lock:
            self.requests += 1

    def answer(self, seconds: float, headers: Mapping[str, str]) -> None:
        """Note an answer that took so long."""
        with self._lock:
            self.seconds += seconds
            self.headers = headers

    def include(self, other: "WireCounts") -> None:
        """Count what another question for the same window took."""
        with self._lock:
            self.requests += other.requests
            self.retries += other.retries
            self.seconds += other.seconds
            self.headers = other.headers or self.headers

    def retry(self) -> None:
        """Count one request that is about to be made again."""
        with self._lock:
            self.retries += 1


class ApiResponse(requests.Response):
    """A response whose JSON is parsed once, with an error in words if it is not JSON.

    Its body is as it came, and has the key where the API repeats it; whatever quotes it has to go through ``redact``.
    """

    def __init__(self, redact: Redactor) -> None:
        super().__init__()
        self.redact = redact
        self.came_at = time.time()
        """When the whole of it had come (epoch seconds)."""
        self.repeats_key = False
        """Whether the key stands anywhere in the body."""
        self.has_nothing = False
        """Whether it stands for an answer without rows, whatever it was."""
        self.pause = 0.0
        """After a ``429``: the seconds until a request may be made again."""
        self._parsed: Any = ...

    def json(self, **_: Any) -> Any:  # noqa: ANN401 (requests' signature)
        """Return the parsed body; raises ``ApiError`` (wrong shape) when it is not JSON."""
        if self._parsed is ...:
            try:
                self._parsed = exact_json.read(self.content.removeprefix(codecs.BOM_UTF8))
            except orjson.JSONDecodeError as error:
                start = self.redact(self.content[:_CHUNK].decode("utf-8", "replace"))[:_SHOWN]
                raise ApiError(
                    "wrong shape",
                    f"wrong shape: {self.url} answered {self.status_code} with no valid JSON ({error.msg}): {start!r}",
                ) from None
        return self._parsed

    @property
    def text(self) -> str:
        """The beginning of the body, redacted, for error messages to quote.

        It is decoded as UTF-8: to guess the encoding takes long for a large body. What is cut off may have been half a
        key, so a part of the rest goes with it.
        """
        text = self.redact(self.content[:_CHUNK].decode("utf-8", "replace"))
        return text if len(self.content) <= _CHUNK else text[:-_LONGEST_KEY]

    def forget(self) -> None:
        """Keep the body alone, which takes a fraction of the memory, until ``json`` is called again."""
        if not self.has_nothing:
            self._parsed = ...

    def take_as_nothing(self) -> None:
        """Have it stand for an answer without rows."""
        self.has_nothing, self._parsed = True, {}


class ApiAdapter(HTTPAdapter):
    """Sends one request and reads the whole answer. Only an answer's body may hold the key; exceptions do not."""

    def __init__(self, settings: Settings, redact: Redactor, counts: WireCounts, budget: RateBudget) -> None:
        super().__init__(pool_maxsize=settings.max_concurrent_requests)
        self._settings = settings
        self._redact = redact
        self._counts = counts
        self._budget = budget

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:  # noqa: ANN401 (requests' signature)
        """Send the request and count it; raises requests' errors redacted, and ``ApiError`` for too large an answer."""
        started = self._budget.wait()
        self._counts.request()
        response = None
        try:
            response = super().send(request, *args, **kwargs | {"stream": True})
            self._read_within_bounds(response)
        except requests.RequestException as error:
            redacted = self._redact.error(error, str(request.url))
        else:
            self._counts.answer(time.monotonic() - started, response.headers)
            return response
        finally:
            self._tell_budget(started, response)
        # Raised outside of the `except`: inside, it would carry the original, key and all, as its context.
        raise redacted

    def get_connection_with_tls_context(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 (requests' signature)
        """Return the pool of connections to a host; what they read is the final answer."""
        pool: Any = super().get_connection_with_tls_context(*args, **kwargs)
        return read_past_hints(pool)

    def build_response(self, req: requests.PreparedRequest, resp: Any) -> ApiResponse:  # noqa: ANN401 (requests' signature)
        """Build the response with its URL, reason and headers redacted, for error messages and the log quote them."""
        response = ApiResponse(self._redact)
        vars(response).update(vars(super().build_response(req, resp)))
        response.url = self._redact(response.url)
        response.reason = self._redact(response.reason or "")
        for name, value in response.headers.items():
            # a redirect on the same host has to arrive there with the key
            if name.lower() != "location" and (redacted := self._redact(value)) != value:
                response.headers[name] = redacted
        return response

    def _tell_budget(self, started: float, response: requests.Response | None) -> None:
        if response is None:
            self._budget.unanswered(started)
        elif response.status_code != requests.codes.too_many_requests:
            self._budget.passed(started)
        elif isinstance(response, ApiResponse):
            response.pause = self._budget.refused(started, retry_after(response))

    def _read_within_bounds(self, response: requests.Response) -> None:
        """Read the body here, where errors are redacted, and no further than the settings allow."""
        deadline = time.monotonic() + self._settings.response_timeout
        limit = self._settings.max_response_mb * 2**20
        body = bytearray()
        for piece in _arriving(response):
            body += piece
            if len(body) > limit:
                response.close()
                raise ApiError(
                    "wrong shape",
                    f"wrong shape: {response.url} answered more than {self._settings.max_response_mb} MiB "
                    "(setting max_response_mb); ask for smaller pages (page_size)",
                )
            if time.monotonic() > deadline:
                response.close()
                msg = f"it took more than {self._settings.response_timeout:g} s to answer (response_timeout)"
                raise requests.ReadTimeout(msg)
        response._content = bytes(body)  # noqa: SLF001 (what `Response.content` does, without a bound)
        if isinstance(response, ApiResponse):
            response.came_at = time.time()
            response.repeats_key = self._redact.is_in(response.content)


def _arriving(response: requests.Response) -> Iterator[bytes]:
    """Yield the body as it arrives; ``iter_content``, whose errors these are, waits until a whole chunk has."""
    try:
        while piece := response.raw.read1(_CHUNK, decode_content=True):
            yield piece
    except urllib3.exceptions.DecodeError as error:
        raise requests.exceptions.ContentDecodingError(error) from None
    except urllib3.exceptions.HTTPError as error:
        raise requests.exceptions.ChunkedEncodingError(error) from None
