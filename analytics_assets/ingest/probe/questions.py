"""Questions to an API of which little is known: bounded in number, and with the key where it may belong."""

import logging
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import requests
from dlt.common.configuration.specs import CredentialsConfiguration
from dlt.sources.helpers.rest_client.auth import APIKeyAuth, BearerTokenAuth

from analytics_assets.ingest.api.adapter import ApiResponse, WireCounts
from analytics_assets.ingest.api.session import open_session
from analytics_assets.ingest.errors import ApiError, quoted
from analytics_assets.ingest.settings import Settings

MOST_REQUESTS = 12
"""Requests that one endpoint is asked at most, what is asked again and redirects among them."""

# somebody stands before the screen
_LONGEST_WAIT = 30.0
_SPEAKS_OF_KEYS = re.compile(r"\b(api.?key|token|auth\w*|credentials?)\b", re.IGNORECASE)


class NoRequestLeftError(Exception):
    """An endpoint has been asked as often as it may be."""


@dataclass(frozen=True)
class KeyPlace:
    """Where a request carries the key, as the settings ``key_location`` and ``key_name`` say it."""

    location: Literal["query", "header", "bearer"]
    name: str = ""

    def __str__(self) -> str:
        where = {"query": f"the query parameter {self.name}", "header": f"the header {self.name}"}
        return where.get(self.location, "Authorization: Bearer")

    def auth(self, key: str) -> CredentialsConfiguration:
        """Return dlt's own way of putting the key there."""
        if self.location == "bearer":
            return BearerTokenAuth(token=key)
        return APIKeyAuth(name=self.name, api_key=key, location=self.location)

    def is_named_in(self, refusal: str) -> bool:
        """Say whether an API that refuses the key says that it belongs here."""
        return bool(re.search(rf"(?<![\w-]){re.escape(self.name or 'bearer')}(?![\w-])", refusal, re.IGNORECASE))


KEY_PLACES = (
    KeyPlace("query", "api_key"),
    KeyPlace("bearer"),
    KeyPlace("query", "access_token"),
    KeyPlace("header", "X-API-Key"),
    KeyPlace("query", "key"),
    KeyPlace("header", "Authorization"),
    KeyPlace("query", "token"),
    KeyPlace("query", "apikey"),
    # these only where a refusal names them
    KeyPlace("header", "X-Auth-Token"),
    KeyPlace("header", "api-key"),
    KeyPlace("query", "apiKey"),
    KeyPlace("query", "auth_token"),
)
USUAL_PLACES = 8
"""How many of them are tried where nothing says which it is."""


@dataclass(frozen=True)
class Answer:
    """What came: status, parsed body (``None`` where it is no JSON), headers, the beginning of its text, redacted."""

    status: int
    body: Any
    text: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    next_link: str | None = None
    """The address in its header ``Link``."""
    said: str = ""
    """What it says, short, as the end of a sentence."""

    @property
    def is_fine(self) -> bool:
        """Whether it may hold rows."""
        return self.status == requests.codes.ok and self.body is not None

    @property
    def is_about_the_key(self) -> bool:
        """Whether it refuses the key; some APIs do so with 400, and some with a 200."""
        if self.status in {401, 403}:
            return True
        error = self.body.get("error") if isinstance(self.body, dict) else None
        says_error = self.status == requests.codes.bad_request or (self.is_fine and error)
        return bool(says_error and _SPEAKS_OF_KEYS.search(self.text))

    def leaves(self) -> Iterator[tuple[tuple[str, ...], Any]]:
        """Yield path and value of all that stands in its objects; a list is one value."""
        yield from _leaves(self.body, ())


class Questions:
    """Asks one endpoint, by the project's own session: its bounds, redaction, pace and retries."""

    def __init__(self, settings: Settings, key: str, log: logging.Logger) -> None:
        careful = {
            "max_retries": min(settings.max_retries, 1),
            "max_retry_after": min(settings.max_retry_after, _LONGEST_WAIT),
            "max_concurrent_requests": 1,
            # a page is asked for by what is tried, and by nothing of its own
            "pagination": "offset",
        }
        self.settings = settings
        self._key = key
        self._counts = _Bounded()
        self._session = open_session(settings.model_copy(update=careful), key, self._counts, log)
        self.path = ""
        self.place = KEY_PLACES[0]

    @property
    def asked(self) -> int:
        """Requests made so far."""
        return self._counts.requests

    @property
    def left(self) -> int:
        """Requests that may still be made."""
        return MOST_REQUESTS - self.asked

    def ask(self, params: Mapping[str, str | int]) -> Answer:
        """Return the answer to one request; raises what ``errors.explain`` words, and ``NoRequestLeftError``."""
        request = requests.Request(
            "GET", f"{self.settings.base_url}{self.path}", params=dict(params), auth=self.place.auth(self._key)
        )
        response = self._session.ask(request)
        try:
            body = response.json() if response.content else None
        except ApiError:
            body = None
        text = response.text if isinstance(response, ApiResponse) else ""
        challenge = response.headers.get("WWW-Authenticate", "")
        next_link = response.links.get("next", {}).get("url")
        return Answer(
            response.status_code, body, f"{text} {challenge}", dict(response.headers), next_link, quoted(response)
        )


class _Bounded(WireCounts):
    """Counts requests, and refuses the one that would be too many before it is sent."""

    def request(self) -> None:
        if self.requests >= MOST_REQUESTS:
            raise NoRequestLeftError
        super().request()


def _leaves(value: object, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _leaves(inner, (*path, name))
    else:
        yield path, value
