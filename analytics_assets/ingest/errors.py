"""What can go wrong between us and the API, in words a person can act on."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import requests
from dlt.common.configuration.exceptions import ConfigurationException

from analytics_assets.ingest.configured import SettingError

Kind = Literal[
    "unreachable",
    "key refused",
    "path not found",
    "wrong shape",
    "API failing",
    "request refused",
    "incomplete",
    "warehouse busy",
    "setting",
    "cancelled",
]

_ADVICE: dict[Kind, str] = {
    "unreachable": "Check base_url, the network and the API's status page.",
    "key refused": "Check API_KEY (or api_key in .dlt/secrets.toml), and the settings key_location and key_name.",
    "path not found": "Check base_url and the endpoint's path (analytics_api.endpoints.<name>.path).",
    "API failing": "Run it again later, or lower the load.",
    "request refused": "Check the settings that name the parameters, and the API's documentation.",
}
# what may be different when it is asked again; 501 and its like will not be
RETRIED_STATUSES = (429, 500, 502, 503, 504)
# Statuses from here on are no API's: a proxy in front of one says with them that it cannot reach it.
_FIRST_STATUS_OF_PROXIES = 520
_TRANSIENT: frozenset[Kind] = frozenset({"unreachable", "API failing", "incomplete", "warehouse busy"})


@dataclass(frozen=True)
class Problem:
    """A failure in words: its kind, one message without any secret, and whether the same run may succeed later."""

    kind: Kind
    message: str

    @property
    def is_transient(self) -> bool:
        """Whether running again, with nothing changed on our side, can help."""
        return self.kind in _TRANSIENT


class ApiError(Exception):
    """The API answered, but not with what was asked. Carries a worded ``problem``."""

    def __init__(self, kind: Kind, message: str) -> None:
        super().__init__(message)
        self.problem = Problem(kind, message)


class WindowMovedError(ApiError):
    """Rows moved while the window was being read; reading it again may give a proven whole."""

    def __init__(self, message: str) -> None:
        super().__init__("incomplete", message)


class RefusedError(ApiError):
    """The API refused to be asked so fast (429), each time that it was asked again."""

    def __init__(self, message: str) -> None:
        super().__init__("API failing", message)


def explain(error: BaseException) -> Problem | None:
    """Return the problem behind an exception, looked for along its causes; ``None`` when it is none of the API's.

    dlt and Dagster wrap what a resource raises, several layers deep.
    """
    for cause in causes(error):
        if isinstance(cause, ApiError):
            return cause.problem
        if isinstance(cause, SettingError | ConfigurationException):
            return Problem("setting", str(cause))
        if isinstance(cause, requests.HTTPError) and cause.response is not None:
            return _of_status(cause.response)
        if isinstance(cause, requests.RequestException):
            return _of_request(cause)
    return None


def causes(error: BaseException) -> Iterator[BaseException]:
    """Yield the exception and what it came from, outermost first."""
    seen: set[int] = set()
    cause: BaseException | None = error
    while cause is not None and id(cause) not in seen:
        seen.add(id(cause))
        yield cause
        cause = cause.__cause__ or cause.__context__


def _of_status(response: requests.Response) -> Problem:
    status = response.status_code
    kind: Kind = "request refused"
    if status in {401, 403}:
        kind = "key refused"
    elif status == requests.codes.not_found:
        kind = "path not found"
    elif status in RETRIED_STATUSES or status >= _FIRST_STATUS_OF_PROXIES:
        kind = "API failing"
    return _with_advice(kind, f"{response.url} answered {status} {response.reason or ''}".rstrip())


def _of_request(error: requests.RequestException) -> Problem:
    if isinstance(error, requests.exceptions.ContentDecodingError):
        return _with_advice("wrong shape", _innermost(error))
    if isinstance(error, requests.TooManyRedirects):
        # the answer's address has no key in it; the request's has
        where = f"{error.response.url}: " if error.response is not None else ""
        return _with_advice("request refused", f"{where}{_innermost(error)}")
    return _with_advice("unreachable", f"no answer: {_innermost(error)}")


def _with_advice(kind: Kind, message: str) -> Problem:
    return Problem(kind, f"{kind}: {message}. {_ADVICE.get(kind, '')}".rstrip())


def _innermost(error: requests.RequestException) -> str:
    """Return the short reason inside requests' nested one: `Connection refused` instead of three class names."""
    reason = getattr(error.args[0], "reason", error.args[0]) if error.args else error
    # redacted errors begin with the address, which stands alone where nothing is known
    return str(reason).strip(" .:") or f"nothing more is known ({type(error).__name__})"
