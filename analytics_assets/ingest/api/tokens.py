"""OAuth2 client credentials: the key, as the client's secret, is exchanged for a token that ends after a while.

dlt's ``OAuth2ClientCredentials`` says how a token is asked for. It does not ask here: it would raise with the answer in
its hands, take a missing token for one that is called ``None``, and ask once for each thread.
"""

import base64
import functools
import threading
import time
from collections.abc import Callable
from http import HTTPStatus
from typing import Any
from urllib.parse import quote_plus

import requests
from dlt.sources.helpers.rest_client.auth import OAuth2ClientCredentials

from analytics_assets.ingest.api.pages import Send
from analytics_assets.ingest.errors import ApiError, Kind, quoted, without_address
from analytics_assets.ingest.key import why_no_secret
from analytics_assets.ingest.settings import Settings

# How long before its end a token is replaced, in seconds, and in parts of its life where that is short.
_BEFORE_ITS_END = 60.0
_PART_OF_ITS_LIFE = 0.1
_CLIENTS = 32
_CHECK_CLIENT = "Check API_KEY or key_file (the client secret), client_id, token_url and token_params."
# 400 where the client is not known, or not allowed what it asks for (RFC 6749, 5.2)
_REFUSALS = frozenset({HTTPStatus.BAD_REQUEST, HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN})


class Token:
    """The token of one client, which all windows of a process share: vendors count how many are asked for."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._token = ""
        self._until: float | None = None

    def get(self, obtain: Callable[[], tuple[str, float | None]], refused: str) -> str:
        """Return the token. Where it is ``refused`` or about to end, ``obtain`` gives another one, and its seconds.

        Who asks meanwhile waits for that one.
        """
        with self._lock:
            has_ended = self._until is not None and time.monotonic() > self._until
            if not self._token or self._token == refused or has_ended:
                asked_at = time.monotonic()
                self._token = ""
                self._token, seconds = obtain()
                early = min(_BEFORE_ITS_END, (seconds or 0) * _PART_OF_ITS_LIFE)
                self._until = asked_at + seconds - early if seconds else None
            return self._token


@functools.lru_cache(maxsize=_CLIENTS)
def token_of(*_client: str | frozenset[tuple[str, str]]) -> Token:
    """Return the token of a client: of an address, an id, a secret, and what else is asked with."""
    return Token()


def basic(settings: Settings, secret: str) -> str:
    """Return client id and secret as HTTP Basic sends them (RFC 6749, 2.3.1); it is as secret as what is in it."""
    return base64.b64encode(f"{quote_plus(settings.client_id)}:{quote_plus(secret)}".encode()).decode()


def ask_for_token(settings: Settings, secret: str, send: Send) -> tuple[str, float | None]:
    """Ask for a token; return it, and its seconds: ``None`` where it is good until it is refused.

    Raises ``ApiError`` in words where none can be had.
    """
    url, session = settings.token_url, requests.Session()
    form = OAuth2ClientCredentials(
        access_token_url=url,
        client_id=settings.client_id,
        client_secret=secret,
        access_token_request_data=dict(settings.token_params),
        session=session,
    ).build_access_token_request()
    headers, data = {**form["headers"], "Accept": "application/json"}, form["data"]
    if settings.client_auth == "basic":
        headers["Authorization"] = f"Basic {basic(settings, secret)}"
        data = {name: value for name, value in data.items() if name not in {"client_id", "client_secret"}}
    request = requests.Request("POST", url, headers=headers, data=data).prepare()
    environment = session.merge_environment_settings(url, {}, None, None, None)
    try:
        response = send(request, **environment, allow_redirects=False)
    except requests.RequestException as error:
        why = without_address(error)
    else:
        _refuse_refusal(response, url)
        return _read(response, url, settings)
    raise _problem("unreachable", f"no answer: {url}: {why}", "Check token_url, the network and the API's status page.")


def _refuse_refusal(response: requests.Response, url: str) -> None:
    status = response.status_code
    came = f"{url} answered {status} {response.reason or ''}".rstrip()
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        raise _problem("API failing", came + quoted(response), "Run it again later.")
    if status >= HTTPStatus.BAD_REQUEST:
        raise _problem(
            "key refused" if status in _REFUSALS else "request refused", came + quoted(response), _CHECK_CLIENT
        )
    if status >= HTTPStatus.MULTIPLE_CHOICES:
        raise _problem("request refused", f"{came}, and redirects are not followed with a secret", "Check token_url.")


def _read(response: requests.Response, url: str, settings: Settings) -> tuple[str, float | None]:
    """Return what the answer says. No error quotes it, for a token may stand anywhere in it."""
    try:
        body = response.json()
    except ApiError:
        body = None
    said: dict[str, Any] = body if isinstance(body, dict) else {}
    token = said.get("access_token")
    if why := _why_no_token(token, str(said.get("token_type") or "bearer"), settings):
        raise _problem("wrong shape", f"{url} answered {response.status_code}, but {why}", "Check token_url.")
    try:
        seconds = float(said.get("expires_in") or 0)
    except (TypeError, ValueError):
        seconds = 0.0
    # one that had ended when it came cannot be meant
    return str(token), seconds if seconds > 0 else None


def _why_no_token(token: object, kind: str, settings: Settings) -> str | None:
    if not isinstance(token, str) or not token:
        return "not with a JSON object that has an access_token"
    if kind.lower() != "bearer":
        return "the token_type is none that is known here, which is Bearer"
    if not (token.isascii() and token.isprintable()):
        return "no request can carry its access_token"
    reason = why_no_secret(token, settings)
    return f"its access_token {reason}" if reason else None


def _problem(kind: Kind, what: str, advice: str) -> ApiError:
    return ApiError(kind, f"{kind}: {what.rstrip('.')}. {advice}")
