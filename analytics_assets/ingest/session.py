"""The HTTP session: retries as the API's rules say, each one told, and the key redacted from whatever goes wrong."""

import functools
import html
import json
import logging
import re
import threading
import time
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote, quote_plus, urljoin, urlsplit

import orjson
import requests
import urllib3
from dlt.sources.helpers.requests import Client
from requests.adapters import HTTPAdapter
from tenacity import RetryCallState, stop_any, stop_when_event_set, wait_exponential
from tenacity.wait import wait_base

from analytics_assets.ingest import exact_json
from analytics_assets.ingest.ahead import ReadAhead, Send
from analytics_assets.ingest.budget import RateBudget
from analytics_assets.ingest.errors import RETRIED_STATUSES, ApiError
from analytics_assets.ingest.settings import Settings

REDACTED = "***"
_MAX_REDIRECTS = 5
_CHUNK = 2**16
_KEY_IN_BODIES = 8
_REDIRECTS = requests.sessions.SessionRedirectMixin()
_WIRE_LOG = logging.getLogger("urllib3.connectionpool")


class Redactor:
    """Replaces the key by ``***``: plain, URL-encoded, and as JSON or HTML writes it."""

    def __init__(self, key: str) -> None:
        encoded = {key, quote(key, safe=""), quote(key), quote_plus(key)}
        lower = {re.sub("%..", lambda code: code[0].lower(), form) for form in encoded}
        written = {json.dumps(key)[1:-1], key.replace("/", "\\/"), key.replace("&", "\\u0026"), html.escape(key)}
        self._forms = sorted(encoded | lower | written, key=len, reverse=True)
        # a short key could be a word of the data
        self._in_bodies = [form.encode() for form in self._forms] if len(key) >= _KEY_IN_BODIES else []

    def __call__(self, text: str) -> str:
        """Return the text without the key."""
        for form in self._forms:
            text = text.replace(form, REDACTED)
        return text

    def body(self, content: bytes) -> bytes:
        """Return a response's body without the key: an API may echo the address, in an error or in a row."""
        for form in self._in_bodies:
            content = content.replace(form, REDACTED.encode())
        return content

    def log_record(self, record: logging.LogRecord) -> bool:
        """Redact a log record, as a logger's filter."""
        record.msg, record.args = self(record.getMessage()), ()
        return True

    def error(self, error: requests.RequestException, url: str) -> requests.RequestException:
        """Return an error of the same type without the key, and without the request that carries it."""
        inner: Any = error.args[0] if error.args else error
        # urllib3's reason says `Connection refused`, where the outer text is three nested class names
        inner = getattr(inner, "reason", None) or inner
        if isinstance(inner, urllib3.exceptions.ProtocolError):
            inner = inner.args[-1]
        return type(error)(self(f"{url}: {inner}"))


@functools.cache
def _redactor(key: str) -> Redactor:
    """Return the key's redactor, the first time with a filter on urllib3's logger, which writes whole URLs at DEBUG."""
    redact = Redactor(key)
    _WIRE_LOG.addFilter(redact.log_record)
    return redact


class ApiResponse(requests.Response):
    """A response whose JSON is parsed once, and whose refusal to be JSON is told in words."""

    redact: Redactor
    _parsed: Any = ...

    def json(self, **_: Any) -> Any:  # noqa: ANN401 (requests' signature)
        """Return the parsed body; raises ``ApiError`` (wrong shape) when it is not JSON."""
        if self._parsed is ...:
            try:
                self._parsed = exact_json.read(self.content)
            except orjson.JSONDecodeError as error:
                start = self.redact(self.content[:_CHUNK].decode("utf-8", "replace"))[:80]
                msg = f"wrong shape: {self.url} answered {self.status_code} with no valid JSON ({error.msg}): {start!r}"
                raise ApiError("wrong shape", msg) from None
        return self._parsed


class ApiAdapter(HTTPAdapter):
    """Sends one request and reads the whole answer; what comes back, answer or exception, no longer knows the key."""

    def __init__(
        self, settings: Settings, redact: Redactor, aheads: Mapping[str, ReadAhead], budget: RateBudget
    ) -> None:
        super().__init__(pool_maxsize=settings.max_concurrent_requests)
        self._settings = settings
        self._redact = redact
        self._aheads = aheads
        self._budget = budget

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:  # noqa: ANN401
        """Send the request and count it; raises requests' errors redacted, and ``ApiError`` for too large an answer."""
        self._budget.wait()
        if ahead := self._aheads.get(urlsplit(str(request.url)).path):
            ahead.report.count_request()
        try:
            response = super().send(request, *args, **kwargs | {"stream": True})
            self._read_within_bounds(response)
            if response.status_code != requests.codes.too_many_requests:
                self._budget.passed()
        except requests.RequestException as error:
            redacted = self._redact.error(error, str(request.url))
        else:
            return response
        # Outside of the `except`: raised inside, it would carry the original, key and all, as its context
        raise redacted

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
        response._content = self._redact.body(bytes(body))  # noqa: SLF001 (what `Response.content` does, without a bound)

    def build_response(self, req: requests.PreparedRequest, resp: Any) -> requests.Response:  # noqa: ANN401
        """Build the response with its URL, reason and headers redacted, for error messages and the log quote them."""
        response = super().build_response(req, resp)
        response.__class__ = ApiResponse
        response.redact = self._redact  # type: ignore[attr-defined]
        response.url = self._redact(response.url)
        response.reason = self._redact(response.reason or "")
        for name, value in response.headers.items():
            # a redirect on the same host has to arrive there with the key
            if name.lower() != "location" and (redacted := self._redact(value)) != value:
                response.headers[name] = redacted
        return response


def _arriving(response: requests.Response) -> Iterator[bytes]:
    """Yield the body as it arrives; ``iter_content``, whose errors these are, waits until a whole chunk has."""
    try:
        while piece := response.raw.read1(_CHUNK, decode_content=True):
            yield piece
    except urllib3.exceptions.DecodeError as error:
        raise requests.exceptions.ContentDecodingError(error) from None
    except urllib3.exceptions.HTTPError as error:
        raise requests.exceptions.ChunkedEncodingError(error) from None


class ApiSession(requests.Session):
    """The session that dlt's ``RESTClient`` talks to: known endpoints' pages come by way of their ``ReadAhead``."""

    def __init__(self, base_url: str, send: Send, aheads: Mapping[str, ReadAhead], stop: threading.Event) -> None:
        super().__init__()
        self._send = send
        self._aheads = aheads
        self._stop = stop
        # proxies and certificates of the environment: looked up once, where requests does it for each request
        self._environment = super().merge_environment_settings(base_url, {}, None, None, None)

    def prepare_request(self, request: requests.Request) -> requests.PreparedRequest:
        """Prepare the first page's request as requests does; the others take it over, with their own offset."""
        ahead = self._aheads.get(urlsplit(request.url).path)
        return (ahead.prepared(request) if ahead else None) or super().prepare_request(request)

    def merge_environment_settings(self, *_: object) -> dict[str, Any]:  # type: ignore[override]
        """Return the environment's settings, the same for every page."""
        return dict(self._environment)

    def send(self, request: requests.PreparedRequest, **kwargs: Any) -> requests.Response:  # noqa: ANN401
        """Return the answer, retried and perhaps read ahead; raises what requests raises, redacted."""
        ahead = self._aheads.get(urlsplit(str(request.url)).path)
        try:
            return ahead.take(self._send, request, **kwargs) if ahead else self._send(request, **kwargs)
        except BaseException:
            # wakes the pages under way that wait for their next attempt: nobody will take them
            self._stop.set()
            raise


def open_session(
    settings: Settings,
    key: str,
    aheads: Mapping[str, ReadAhead],
    log: logging.Logger,
) -> requests.Session:
    """Return a session that retries 429, 500, 502, 503, 504 and broken connections, and says so in the log.

    Waits ``backoff_factor`` seconds, doubled each time, or what ``Retry-After`` asks (seconds or HTTP date);
    ``Retry-After: 0`` and dates gone by count as not given, so that they do not burn the attempts. ``aheads`` are
    looked up by URL path. When a page has failed for good, the others under way give up.
    """
    redact = _redactor(key)
    session = Client(
        raise_for_status=False,
        status_codes=RETRIED_STATUSES,
        request_max_attempts=settings.max_retries + 1,
        request_backoff_factor=settings.backoff_factor,
        request_timeout=(settings.connect_timeout, settings.read_timeout),
        session_attrs={"max_redirects": _MAX_REDIRECTS, "get_redirect_target": _redirect_target},
    ).session
    stop = threading.Event()
    budget = RateBudget(settings.base_url, settings.max_requests_per_second, stop.wait)
    adapter = ApiAdapter(settings, redact, aheads, budget)
    session.mount("http://", adapter)
    session.mount("https://", adapter)

    def tell(state: RetryCallState) -> None:
        path = urlsplit(state.args[0].url).path
        if ahead := aheads.get(path):
            ahead.report.count_retry()
        wait = state.next_action.sleep if state.next_action else 0
        response = _response_of(state)
        if response is not None and response.status_code == requests.codes.too_many_requests:
            budget.refused(wait)
        log.warning(
            "%s: retry %d of %d in %.1f s, for %s",
            path,
            state.attempt_number,
            settings.max_retries,
            wait,
            _what_came(state),
        )

    # dlt's Client takes none of these; tenacity hangs its settings on the function it wraps
    retry = session.send.retry  # type: ignore[attr-defined]
    retry.before_sleep = tell
    retry.wait = functools.partial(_wait, retry.wait, wait_exponential(multiplier=settings.backoff_factor))
    retry.sleep = functools.partial(nap, stop)
    retry.stop = stop_any(retry.stop, stop_when_event_set(stop))
    return ApiSession(settings.base_url, session.send, aheads, stop)


def _redirect_target(response: requests.Response) -> str | None:
    """Follow redirects on the same host alone: the key must not travel to another."""
    target = _REDIRECTS.get_redirect_target(response)
    if target is None:
        return None
    here, there = urlsplit(response.url), urlsplit(urljoin(response.url, target))
    if (here.scheme, here.netloc) != (there.scheme, there.netloc):
        raise ApiError(
            "request refused",
            f"request refused: {response.url} redirects to another host, {there.scheme}://{there.netloc}; "
            "the key was not sent there. If that is where the API stands, set base_url to it",
        )
    return target


def _wait(asked: wait_base, usual: wait_base, state: RetryCallState) -> float:
    """Return the seconds before the next attempt; a ``Retry-After`` beyond the calendar counts as not given."""
    try:
        return asked(state)
    except (ValueError, OverflowError):
        return usual(state)


def nap(stop: threading.Event, seconds: float) -> None:
    """Wait before the next attempt, unless the run has failed meanwhile."""
    stop.wait(seconds)


def _response_of(state: RetryCallState) -> requests.Response | None:
    """Return the answer that leads to another attempt; ``None`` where an exception without one does."""
    if state.outcome is None:
        return None
    error = state.outcome.exception()
    response = getattr(error, "response", None) if error else state.outcome.result()
    return response if isinstance(response, requests.Response) else None


def _what_came(state: RetryCallState) -> str:
    """Say why a request is made again: status and reason, or the exception."""
    response = _response_of(state)
    if response is None:
        error = state.outcome.exception() if state.outcome else None
        return f"{type(error).__name__}: {error}"
    after = response.headers.get("Retry-After")
    return f"{response.status_code} {response.reason}" + (f" (Retry-After: {after})" if after else "")
