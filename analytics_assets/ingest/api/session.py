"""The session that dlt's ``RESTClient`` is given: dlt's own retries, this project's adapter, and pages read ahead."""

import logging
import re
import threading
from collections.abc import Callable
from contextvars import ContextVar
from urllib.parse import urljoin, urlsplit

import requests
from dlt.sources.helpers.requests import Client

from analytics_assets.ingest.api.adapter import ApiAdapter, ApiResponse, WireCounts
from analytics_assets.ingest.api.budget import RateBudget
from analytics_assets.ingest.api.chains import ChainSession
from analytics_assets.ingest.api.credentials import Credentials
from analytics_assets.ingest.api.pages import PageSession
from analytics_assets.ingest.api.redaction import redactor_of
from analytics_assets.ingest.api.retries import GivingUp, OnceMore, RetryNotes, with_notes
from analytics_assets.ingest.api.too_much import refusing_too_much
from analytics_assets.ingest.errors import RETRIED_STATUSES, ApiError
from analytics_assets.ingest.settings import Settings

_MAX_REDIRECTS = 5
_SHOWN = 120
_REDIRECTS = requests.sessions.SessionRedirectMixin()
ADAPTER: ContextVar[Callable[..., ApiAdapter]] = ContextVar("adapter", default=ApiAdapter)
"""What sends the requests of the sessions that are opened: ``make record`` has it keep what comes, too."""


def open_session(settings: Settings, key: str, counts: WireCounts, log: logging.Logger) -> PageSession:
    """Return a session that retries 429, 500, 502, 503, 504 and broken connections, and says so in the log.

    What its answers and errors say is free of ``key``. When a page has failed for good, the others under way give up.
    A refused token is replaced, and so is a refused key where another one has taken its place meanwhile.
    """
    session = Client(
        raise_for_status=False,
        status_codes=RETRIED_STATUSES,
        request_max_attempts=settings.max_retries + 1,
        request_backoff_factor=settings.backoff_factor,
        request_timeout=(settings.connect_timeout, settings.read_timeout),
        session_attrs={"max_redirects": _MAX_REDIRECTS, "get_redirect_target": _redirect_target},
    ).session
    stop = threading.Event()
    budget = RateBudget(settings, stop.wait, log)
    redact = redactor_of(key)
    adapter = ADAPTER.get()(settings, redact, counts, budget)
    session.mount("http://", adapter)
    session.mount("https://", adapter)
    notes = RetryNotes(settings, counts, log)
    retrying = with_notes(session.send, settings, notes, GivingUp(settings, budget), stop)
    send = refusing_too_much(Credentials(settings, key, redact, retrying, notes).send, settings)
    kind = ChainSession if settings.pagination in {"cursor", "link"} else PageSession
    return kind(settings, send, OnceMore(settings, send, notes, stop), stop)


def _redirect_target(response: requests.Response) -> str | None:
    """Follow redirects on the same host alone: the key must not travel to another."""
    if not response.is_redirect:
        return None
    location = response.headers["location"]
    # redacted before it is cut, or half a key could stay
    shown = response.redact(location) if isinstance(response, ApiResponse) else ""
    try:
        target = _REDIRECTS.get_redirect_target(response) or ""
        here, there = urlsplit(response.url), urlsplit(urljoin(response.url, target))
    except ValueError:
        what = f"{response.url} redirects to an address that is not valid: {shown[:_SHOWN]!r}"
        raise ApiError("request refused", f"request refused: {what}") from None
    if (here.scheme, here.netloc) != (there.scheme, there.netloc):
        # no more of the address than that, for there may be secrets of others behind it
        host = re.split(r"(?<!/)/(?!/)|[?#]", shown, maxsplit=1)[0][:_SHOWN]
        setting = "token_url" if response.request.method == "POST" else "base_url"
        raise ApiError(
            "request refused",
            f"request refused: {response.url} redirects to another host, {host}; "
            f"the key was not sent there. If that is where the API stands, set {setting} to it",
        )
    return target
