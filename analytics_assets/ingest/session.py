"""The HTTP session: retries as the API's rules say, each one told, and the key redacted from whatever goes wrong."""

import logging
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, quote_plus, urlsplit

import orjson
import requests
from dlt.sources.helpers.requests import Client
from requests.adapters import HTTPAdapter
from tenacity import RetryCallState

from analytics_assets.ingest.errors import ApiError
from analytics_assets.ingest.report import WindowReport
from analytics_assets.ingest.settings import Settings

RETRIED_STATUSES = (429, 500, 502, 503, 504)
REDACTED = "***"
_MAX_REDIRECTS = 5


class Redactor:
    """Replaces the key, plain or URL-encoded, by ``***``."""

    def __init__(self, key: str) -> None:
        self._forms = sorted({key, quote(key, safe=""), quote(key), quote_plus(key)}, key=len, reverse=True)

    def __call__(self, text: str) -> str:
        """Return the text without the key."""
        for form in self._forms:
            text = text.replace(form, REDACTED)
        return text

    def error(self, error: requests.RequestException) -> requests.RequestException:
        """Return an error of the same type without the key, and without the request that carries it."""
        inner = error.args[0] if error.args else error
        # urllib3's reason says `Connection refused`, where the outer text is three nested class names
        return type(error)(self(str(getattr(inner, "reason", None) or inner)))


class ApiResponse(requests.Response):
    """A response whose JSON is parsed once, and whose refusal to be JSON is told in words."""

    redact: Redactor
    _parsed: Any = ...

    def json(self, **_: Any) -> Any:  # noqa: ANN401 (requests' signature)
        """Return the parsed body; raises ``ApiError`` (wrong shape) when it is not JSON."""
        if self._parsed is ...:
            try:
                self._parsed = orjson.loads(self.content)
            except orjson.JSONDecodeError as error:
                start = self.redact(self.content[:80].decode("utf-8", "replace"))
                msg = f"wrong shape: {self.url} answered {self.status_code} with no valid JSON ({error.msg}): {start!r}"
                raise ApiError("wrong shape", msg) from None
        return self._parsed


class ApiAdapter(HTTPAdapter):
    """Sends one request; what comes back, answer or exception, no longer knows the key."""

    def __init__(self, redact: Redactor, reports: Mapping[str, WindowReport]) -> None:
        super().__init__()
        self._redact = redact
        self._reports = reports

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:  # noqa: ANN401
        """Send the request and count it; raises what requests raises, redacted."""
        if report := self._reports.get(urlsplit(request.url).path):
            report.count_request()
        try:
            return super().send(request, *args, **kwargs)
        except requests.RequestException as error:
            redacted = self._redact.error(error)
        # Outside of the `except`: raised inside, it would carry the original, key and all, as its context
        raise redacted

    def build_response(self, req: requests.PreparedRequest, resp: Any) -> requests.Response:  # noqa: ANN401
        """Build the response with a redacted URL, for every error message quotes it."""
        response = super().build_response(req, resp)
        response.__class__ = ApiResponse
        response.redact = self._redact  # type: ignore[attr-defined]
        response.url = self._redact(response.url)
        return response


def open_session(
    settings: Settings, key: str, reports: Mapping[str, WindowReport], log: logging.Logger
) -> requests.Session:
    """Return a session that retries 429, 500, 502, 503, 504 and broken connections, and says so in the log.

    Waits ``backoff_factor`` seconds, doubled each time, or what ``Retry-After`` asks (seconds or HTTP date); ``Retry-After: 0`` and
    dates gone by count as not given, so that they do not burn the attempts. ``reports`` are looked up by URL path.
    """
    session = Client(
        raise_for_status=False,
        status_codes=RETRIED_STATUSES,
        request_max_attempts=settings.max_retries + 1,
        request_backoff_factor=settings.backoff_factor,
        request_timeout=(settings.connect_timeout, settings.read_timeout),
        session_attrs={"max_redirects": _MAX_REDIRECTS},
    ).session
    adapter = ApiAdapter(Redactor(key), reports)
    session.mount("http://", adapter)
    session.mount("https://", adapter)

    def tell(state: RetryCallState) -> None:
        request = state.args[0]
        path = urlsplit(request.url).path
        if report := reports.get(path):
            report.count_retry()
        wait = state.next_action.sleep if state.next_action else 0
        log.warning(
            "%s: retry %d of %d in %.1f s, for %s", path, state.attempt_number, settings.max_retries, wait, _what_came(state)
        )

    # dlt's Client takes no callback; tenacity hangs its settings on the function it wraps
    session.send.retry.before_sleep = tell  # type: ignore[attr-defined]
    return session


def _what_came(state: RetryCallState) -> str:
    """Say why a request is made again: status and reason, or the exception."""
    error = state.outcome.exception() if state.outcome else None
    response = getattr(error, "response", None) if error or not state.outcome else state.outcome.result()
    if response is None:
        return f"{type(error).__name__}: {error}"
    after = response.headers.get("Retry-After")
    return f"{response.status_code} {response.reason}" + (f" (Retry-After: {after})" if after else "")
