"""Everything that can go wrong with the API or the warehouse, in words that say what to do."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal, get_args

import requests
from dlt.common.configuration.exceptions import ConfigurationException

from analytics_assets.ingest import database_errors
from analytics_assets.ingest.configured import SettingError
from analytics_assets.ingest.database_errors import DatabaseKind

Kind = Literal[
    DatabaseKind,
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

_ADVICE: Mapping[str, str] = {
    **database_errors.ADVICE,
    "unreachable": "Check base_url, the network and the API's status page.",
    "key refused": (
        "Check API_KEY (or api_key in .dlt/secrets.toml, or key_file), and the settings key_location and key_name."
    ),
    "path not found": "Check base_url and the endpoint's path (analytics_api.endpoints.<name>.path).",
    "API failing": "Run it again later, or ask more slowly (max_requests_per_second).",
    "request refused": "Check the settings that name the parameters, page_size, and the API's documentation.",
}
_ADVICE_WHERE_MISSING = (
    "What is asked for does not exist, or the key may not see it: check the endpoint's path "
    "(analytics_api.endpoints.<name>.path), the fields in extra_params, what the key is allowed to read, and "
    "key_location and key_name, for a key in another place counts as none."
)
_ADVICE_WHERE_FORBIDDEN = (
    "Check API_KEY (or api_key in .dlt/secrets.toml, or key_file), the settings key_location and key_name, and whether "
    "the key may read what stands at the endpoint's path (analytics_api.endpoints.<name>.path)."
)
_ADVICE_TOO_MUCH = (
    "Ask for less at once: smaller pages (page_size), shorter windows (max_window_days) or fewer fields (extra_params)."
)
# How an API that answers 403 for what it does not have, so that nobody can find out, says it: Directus, for one.
_SAYS_MISSING = re.compile(r"(not|n't) exist|not found|no such|unknown (field|collection|resource|path)", re.IGNORECASE)
_MARKUP = re.compile(r"<(script|style)\b.*?</\1>|<[^>]*>", re.IGNORECASE | re.DOTALL)
_QUOTED = 200
# with which urllib3 begins what it says; the address stands before it
_CONNECTION = re.compile(r"HTTPS?Connection(Pool)?\([^)]*\): ")
# what may be different when it is asked again; 501 and its like will not be
RETRIED_STATUSES = (429, 500, 502, 503, 504)
# Statuses from here on are no API's: a proxy in front of one says with them that it cannot reach it.
_FIRST_STATUS_OF_PROXIES = 520
_TRANSIENT: frozenset[Kind] = frozenset(
    {"unreachable", "API failing", "incomplete", "cannot connect", "connection lost", "warehouse failing"}
)


@dataclass(frozen=True)
class Problem:
    """A failure in words: its kind, one message without any secret, and whether the same run may succeed later."""

    kind: Kind
    message: str
    is_lasting: bool = False
    """Whether this one will not pass, although others of its kind may."""
    advice: str = ""
    """What to do, where the message ends with it."""

    @property
    def is_transient(self) -> bool:
        """Whether running again, with nothing changed on our side, can help."""
        return self.kind in _TRANSIENT and not self.is_lasting


class ApiError(Exception):
    """The API answered, but not with what was asked. Carries a worded ``problem``."""

    def __init__(self, kind: Kind, message: str, *, is_lasting: bool = False) -> None:
        super().__init__(message)
        self.problem = Problem(kind, message, is_lasting)


class WindowMovedError(ApiError):
    """Rows moved while the window was being read; reading it again may give a proven whole."""

    def __init__(self, message: str) -> None:
        super().__init__("incomplete", message)


class RefusedError(ApiError):
    """The API answered 429 (too many requests) to every attempt."""

    def __init__(self, message: str) -> None:
        super().__init__("API failing", message)


class TooMuchError(ApiError):
    """The API refuses what it was asked for because that is too much data; asked for less of it, it may answer."""

    def __init__(self, kind: Kind, came: str, advice: str = "", *, most_days: int | None = None) -> None:
        super().__init__(kind, f"{kind}: {came}. {advice or _ADVICE_TOO_MUCH}", is_lasting=True)
        self.came = came
        """What was asked, and what the API said."""
        self.most_days = most_days
        """Where nothing was asked, for longer windows were refused before: the days of the longest that was not."""


def is_lasting(reason: str) -> bool:
    """Say whether a failure that a ledger tells of in these words is of a kind that does not pass by itself."""
    kinds = [kind for kind in get_args(Kind) if reason.startswith(f"{kind}:")]
    return bool(kinds) and not _TRANSIENT.issuperset(kinds)


def is_outage(reason: str) -> bool:
    """Say whether a failure that a ledger tells of in these words is of the API, or the warehouse, being away."""
    return any(reason.startswith(f"{kind}:") for kind in _TRANSIENT - {"incomplete"})


def explain(error: BaseException) -> Problem | None:
    """Return the problem behind an exception, looked for along its causes; ``None`` if it is a bug in this project.

    dlt and Dagster wrap what a resource or a job raises, several layers deep.
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
        if said := database_errors.told(cause):
            return _with_advice(*said)
    return next((_with_advice(*said) for cause in causes(error) if (said := database_errors.told_by_dlt(cause))), None)


def quoted(response: requests.Response) -> str:
    """Return the beginning of what an answer says, as an end of a sentence; empty where it says nothing.

    ``ApiResponse`` has redacted the text. Of HTML the words are taken. Control characters are replaced, for they could
    change what a terminal shows.
    """
    text = response.text
    words = " ".join((_MARKUP.sub(" ", text) if text.lstrip().startswith("<") else text).split())
    plain = "".join(character if character.isprintable() else "\ufffd" for character in words)
    cut = plain if len(plain) <= _QUOTED else plain[: _QUOTED - 1] + "…"
    return f" and says: {cut}" if cut else ""


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
    said = f"{response.url} answered {status} {response.reason or ''}".rstrip() + quoted(response)
    if status == requests.codes.forbidden:
        is_missing = _SAYS_MISSING.search(response.text)
        kind, advice = ("request refused", _ADVICE_WHERE_MISSING) if is_missing else (kind, _ADVICE_WHERE_FORBIDDEN)
        return _with_advice(kind, said, advice)
    return _with_advice(kind, said)


def _of_request(error: requests.RequestException) -> Problem:
    if isinstance(error, requests.exceptions.ContentDecodingError):
        return _with_advice("wrong shape", _innermost(error))
    if isinstance(error, requests.TooManyRedirects):
        # the answer's address has no key in it; the request's has
        where = f"{error.response.url}: " if error.response is not None else ""
        return _with_advice("request refused", f"{where}{_innermost(error)}")
    return _with_advice("unreachable", f"no answer: {_innermost(error)}")


def _with_advice(kind: Kind, message: str, advice: str | None = None) -> Problem:
    advice = advice or _ADVICE.get(kind, "")
    return Problem(kind, f"{kind}: {message.rstrip('.')}. {advice}".rstrip(), advice=advice)


def without_address(error: BaseException | None) -> str:
    """Return why there was no answer, short, for a line that has named the address: ``Connection refused``."""
    if not isinstance(error, requests.RequestException):
        return f"{type(error).__name__}: {error}"
    said = _innermost(error)
    # a redacted error begins with its address
    return said.partition(": ")[2] or said


def _innermost(error: requests.RequestException) -> str:
    """Return the short reason inside requests' nested one: `Connection refused` instead of three class names."""
    reason = getattr(error.args[0], "reason", error.args[0]) if error.args else error
    # redacted errors begin with the address, which stands alone where nothing is known
    return _CONNECTION.sub("", str(reason)).strip(" .:") or f"nothing more is known ({type(error).__name__})"
