"""What the vendor answers while a load reads it, kept as it came: the answers, and what came in the place of some."""

import functools
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal, Self

import requests

from analytics_assets.ingest.api.adapter import ApiAdapter
from analytics_assets.ingest.api.redaction import Redactor
from analytics_assets.ingest.api.retry_after import retry_after
from analytics_assets.ingest.api.session import ADAPTER
from analytics_assets.ingest.errors import ApiError

Broken = Literal["no answer", "timeout", "cut", "undecodable", "too large"]

MOST_REQUESTS = 30
"""Requests of one endpoint that are recorded."""
MOST_BYTES = 750_000
"""Bytes of all answers that are recorded; the file has a third more."""
# The others may name an account, or are of no use to whoever plays the file.
_HEADERS = ("Content-Type", "Link", "Location", "X-Total-Count", "X-Next-Page", "X-Page", "X-Per-Page", "X-Total")
_RATE_LIMITS = ("ratelimit-", "x-ratelimit-", "x-rate-limit-", "x-total-")


class RecordFullError(Exception):
    """As much has been recorded of an endpoint as a capture may hold; the message says of what, and what to do."""


@dataclass(frozen=True, kw_only=True)
class Exchange:
    """A request and what came, as it was: with the key, and with the data. It is not to be written or logged."""

    endpoint: str
    method: str
    url: str
    status: int | None = None
    headers: dict[str, str]
    content: bytes = b""
    broken: Broken | None = None
    """What came in the place of an answer."""


class Recorder:
    """Keeps the exchanges of one endpoint after the other, and ends the reading of one where its share is used up."""

    def __init__(self, endpoints: int) -> None:
        self.exchanges: list[Exchange] = []
        self._redactors: dict[Redactor, None] = dict[Redactor, None]()
        self._most_bytes = MOST_BYTES // max(endpoints, 1)
        self._endpoint = ""
        self._bytes = 0
        self._begun: Counter[str] = Counter()
        self._lock = threading.Lock()

    @contextmanager
    def of(self, endpoint: str) -> Iterator[None]:
        """Record the sessions that are opened in the block as those of an endpoint."""
        self._endpoint, self._bytes = endpoint, 0
        before = ADAPTER.set(lambda *given, **named: RecordingAdapter(*given, **named).telling(self))
        try:
            yield
        finally:
            ADAPTER.reset(before)

    def begin(self) -> None:
        """Count a request; raises ``RecordFullError`` where it would be one too many."""
        with self._lock:
            if self._begun[self._endpoint] >= MOST_REQUESTS:
                raise RecordFullError(
                    f"it takes more than {MOST_REQUESTS} requests, of which no more are recorded: take a day with "
                    "fewer rows, or larger pages (PAGE_SIZE)"
                )
            self._begun[self._endpoint] += 1

    def keep(self, exchange: Exchange) -> None:
        """Keep an exchange; raises ``RecordFullError`` where the file would become too large."""
        with self._lock:
            self._bytes += len(exchange.content)
            if self._bytes > self._most_bytes:
                raise RecordFullError(
                    f"its answers have more than {self._most_bytes // 1000} kB, of which no more are recorded: take a "
                    "day with fewer rows, or one endpoint (ENDPOINT)"
                )
            self.exchanges.append(exchange)

    def watch(self, redactor: Redactor) -> None:
        """Note what finds a key that is sent."""
        self._redactors[redactor] = None

    def redact(self, text: str) -> str:
        """Return a text without any key that was sent."""
        return functools.reduce(lambda rest, redactor: redactor(rest), self._redactors, text)

    def holds_key(self, body: bytes) -> bool:
        """Say whether one of them stands in a body."""
        return any(redactor.is_in(body) for redactor in self._redactors)

    @property
    def endpoint(self) -> str:
        """The endpoint whose exchanges come."""
        return self._endpoint


class RecordingAdapter(ApiAdapter):
    """Sends a request as a load does, and keeps what came of it, every attempt by itself."""

    _recorder: Recorder

    def telling(self, recorder: Recorder) -> Self:
        """Return the adapter, which tells the recorder of what comes, and what cuts its key out."""
        self._recorder = recorder
        recorder.watch(self._redact)
        return self

    def send(self, request: requests.PreparedRequest, *args: object, **kwargs: object) -> requests.Response:
        """Send the request; raises what sending it raises, and ``RecordFullError``."""
        self._recorder.begin()
        try:
            response = super().send(request, *args, **kwargs)
        except (requests.RequestException, ApiError) as error:
            if broken := _broken(error):
                self._keep(request, None, broken)
            raise
        self._keep(request, response, None)
        return response

    def _keep(
        self, request: requests.PreparedRequest, response: requests.Response | None, broken: Broken | None
    ) -> None:
        self._recorder.keep(
            Exchange(
                endpoint=self._recorder.endpoint,
                method=str(request.method),
                url=str(request.url),
                status=response.status_code if response is not None else None,
                headers=_telling(response) if response is not None else {},
                content=response.content if response is not None else b"",
                broken=broken,
            )
        )


def _broken(error: Exception) -> Broken | None:
    """Say what came; ``None`` where nothing was sent, because another page has failed or the API refuses for long."""
    if isinstance(error, ApiError):
        return "too large" if error.problem.kind == "wrong shape" else None
    if type(error) is requests.RequestException:
        return None
    if isinstance(error, requests.exceptions.ContentDecodingError):
        return "undecodable"
    if isinstance(error, requests.exceptions.ChunkedEncodingError):
        return "cut"
    return "timeout" if isinstance(error, requests.Timeout) else "no answer"


def _telling(response: requests.Response) -> dict[str, str]:
    """Return the headers that say what the answer is, how to go on and when; a date of ``Retry-After`` as seconds."""
    headers = {name: response.headers[name] for name in _HEADERS if name in response.headers}
    limits = {name: value for name, value in response.headers.items() if name.lower().startswith(_RATE_LIMITS)}
    after = {"Retry-After": f"{retry_after(response):.0f}"} if retry_after(response) else {}
    return headers | limits | after
