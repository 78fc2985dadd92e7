"""What a request is let in with: the key, or a token that the key is exchanged for.

dlt's own classes put it into requests. Here it is replaced while a window is read: a token before it ends and when it
is refused, a key when it is refused and another one has taken its place.
"""

import threading
from http import HTTPStatus
from urllib.parse import unquote_plus

import requests
from dlt.sources.helpers.rest_client.auth import APIKeyAuth, AuthConfigBase, BearerTokenAuth

from analytics_assets.ingest.api.pages import Send
from analytics_assets.ingest.api.redaction import Redactor
from analytics_assets.ingest.api.retries import RetryNotes
from analytics_assets.ingest.api.tokens import ask_for_token, basic, token_of
from analytics_assets.ingest.errors import ApiError
from analytics_assets.ingest.key import load_key
from analytics_assets.ingest.settings import Settings

# What says that a token is good no longer. A key may have been replaced where it is forbidden something, too; a token
# that is forbidden something would be forbidden it again.
_TOKEN_REFUSED = frozenset({HTTPStatus.UNAUTHORIZED})
_KEY_REFUSED = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN})


class Credentials:
    """Sends the requests of one window with what is good at that moment. Threads may send at once.

    A request that is refused is sent once more, if there is something new to send it with. A burst of refusals takes
    one new token, and a token that was asked for because of a refusal, and is refused itself, is the last.
    """

    def __init__(self, settings: Settings, key: str, redact: Redactor, send: Send, notes: RetryNotes) -> None:
        self._settings = settings
        self._redact = redact
        self._send = send
        self._notes = notes
        self._prepared_with = self._key = key
        self._takes_tokens = settings.key_location == "oauth2"
        self._refusals = _TOKEN_REFUSED if self._takes_tokens else _KEY_REFUSED
        self._lock = threading.Lock()
        self._failure: ApiError | None = None
        # the token that came for a refused one, until it was good for something
        self._untried = ""

    def send(self, request: requests.PreparedRequest, **arguments: object) -> requests.Response:
        """Send a request, and where it is refused once more with a new token or key; raises what sending raises.

        Raises ``ApiError`` where a token cannot be had, and ``SettingError`` where the key's file has no key.
        """
        used = self._token() if self._takes_tokens else self._key
        try:
            response = self._send(self._with(used, request), **arguments)
        except requests.HTTPError as error:
            # dlt's hook raises it, inside of `send`
            refused = error.response is not None and error.response.status_code in self._refusals
            new = self._instead_of(used) if refused else None
            if new is None:
                raise
        else:
            self._untried = "" if self._untried == used else self._untried
            return response
        self._notes.renewed(request, "token" if self._takes_tokens else "key")
        return self._send(self._with(new, request), **arguments)

    def _with(self, secret: str, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Return the request with what is good now: pages are prepared once, with the key that was good then."""
        if not self._takes_tokens and secret == self._prepared_with:
            return request
        request = request.copy()
        if self._settings.key_location == "query":
            request.url = _without(self._settings.key_name, str(request.url))
        return self._auth(secret)(request)

    def _auth(self, secret: str) -> AuthConfigBase:
        match self._settings.key_location:
            case "bearer" | "oauth2":
                return BearerTokenAuth(token=secret)
            case location:
                return APIKeyAuth(name=self._settings.key_name, api_key=secret, location=location)

    def _instead_of(self, refused: str) -> str | None:
        """Return what to ask with in the place of what was refused; ``None`` where there is nothing else."""
        if self._takes_tokens:
            return None if refused == self._untried else self._token(refused)
        with self._lock:
            if self._key == refused:
                key = load_key(self._settings)
                self._redact.add(key)
                self._key = key
            return None if self._key == refused else self._key

    def _token(self, refused: str = "") -> str:
        """Return the token; where none can be had, all requests of the window fail for the reason of the first."""

        def obtain() -> tuple[str, float | None]:
            # the secret may be a new one by now
            secret = load_key(self._settings)
            self._redact.add(secret)
            if self._settings.client_auth == "basic":
                self._redact.add(basic(self._settings, secret))
            token, seconds = ask_for_token(self._settings, secret, self._send)
            self._redact.add(token)
            self._notes.obtained(self._settings.token_url, seconds)
            self._untried = token if refused else ""
            return token, seconds

        with self._lock:
            if self._failure:
                raise self._failure
            asked_with = frozenset(self._settings.token_params.items())
            client = token_of(self._settings.token_url, self._settings.client_id, asked_with, self._key)
            try:
                token = client.get(obtain, refused)
            except ApiError as error:
                self._failure = error
                raise
            # another window may have asked for it
            self._redact.add(token)
            return token


def _without(name: str, url: str) -> str:
    """Return an address without a parameter."""
    head, _, query = url.partition("?")
    kept = [part for part in query.split("&") if part and unquote_plus(part.partition("=")[0]) != name]
    return f"{head}?{'&'.join(kept)}"
