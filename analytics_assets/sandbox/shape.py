"""How this vendor speaks: where the key goes, what the parameters are called, and where the rows stand in the answer.

What belongs here: everything two vendors of the same statistics do differently, as one frozen value.
"""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal, Self

from analytics_assets.ingest.endpoints import ENDPOINTS

ABSENT: Final = object()
"""A value for ``Shape.envelope`` that leaves its field out of the answer."""

_DIGITS = 18
_DAY = dt.timedelta(days=1)
_LATEST = dt.datetime.max.replace(tzinfo=dt.UTC) - _DAY


class BadRequestError(ValueError):
    """A parameter the API refuses with 400; the text says which one and why."""


@dataclass(frozen=True, kw_only=True)
class Shape:
    """One vendor's dialect.

    ``pagination`` says how pages are asked for: by ``offset_param``, ``page_param``, ``cursor_param``, or by the link
    at ``link_path``; with ``is_endless`` the last page names a next one too. ``limit_param`` may be empty.
    ``key_name`` is the query parameter or header that carries the key; ``bearer`` does not use it. With ``oauth2`` the
    key is the secret of ``client_id``: a POST to ``oauth_path`` with it and ``token_params`` is given a token, which is
    good for ``token_seconds`` and ``token_requests`` (``None``: for ever). ``data_path`` and the other paths may be
    dotted (``result.items``); those may be a header (``header:X-Total-Count``), and ``data_path`` may be empty, where
    the body is the list itself. Without ``total_path`` the answer has no total, and without ``total_pages_path`` no
    number of pages. A bigger limit than ``max_page_size`` is cut without a word. ``window_format`` is an ISO 8601
    moment with its offset, an ISO date (midnight UTC; an inclusive end takes in that whole day) or whole seconds since
    1970. ``require_params`` must be sent as given. ``own`` is what lists do differently, by endpoint. ``ValueError``
    when the key is empty.
    """

    key: str = field(default="sandbox-key", repr=False)
    key_location: Literal["query", "header", "bearer", "oauth2"] = "query"
    key_name: str = "api_key"
    wrong_key_status: int = 403
    oauth_path: str = "/oauth/token"
    client_id: str = "sandbox-client"
    token_params: Mapping[str, str] = field(default_factory=dict)
    token_seconds: float | None = 3600
    token_requests: int | None = None
    paths: Mapping[str, str] = field(default_factory=lambda: {known.name: known.path for known in ENDPOINTS})
    cursors: Mapping[str, str] = field(default_factory=lambda: {known.name: known.cursor or "" for known in ENDPOINTS})
    data_path: str = "data"
    total_path: str | None = "total"
    pagination: Literal["offset", "page", "cursor", "link"] = "offset"
    offset_param: str = "offset"
    page_param: str = "page"
    first_page: int = 1
    total_pages_path: str | None = None
    cursor_path: str = "paging.cursors.after"
    cursor_param: str = "after"
    link_path: str = "paging.next"
    link_has_key: bool = True
    link_is_absolute: bool = True
    is_endless: bool = False
    limit_param: str = "limit"
    max_page_size: int = 100
    start_param: str = "since"
    end_param: str = "until"
    window_format: Literal["datetime", "date", "epoch"] = "datetime"
    window_end: Literal["exclusive", "inclusive"] = "exclusive"
    require_params: Mapping[str, str] = field(default_factory=dict)
    own: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse an empty key."""
        if not self.key:
            msg = "the sandbox needs a key that is not empty"
            raise ValueError(msg)

    def of(self, endpoint: str) -> Self:
        """Return the dialect of one list."""
        own = self.own.get(endpoint)
        return replace(self, **own) if own else self

    def key_sent(self, params: Mapping[str, str], headers: Mapping[str, str]) -> str | None:
        """Return what stands where this vendor expects the key; header names are lower case."""
        match self.key_location:
            case "query":
                return params.get(self.key_name)
            case "header":
                return headers.get(self.key_name.lower())
            case "bearer" | "oauth2":
                scheme, _, token = headers.get("authorization", "").partition(" ")
                return token if scheme.lower() == "bearer" else None

    def check_required(self, params: Mapping[str, str]) -> None:
        """Raise ``BadRequestError`` unless every required parameter has its fixed value."""
        for name, value in self.require_params.items():
            if params.get(name) != value:
                msg = f"parameter {name} must be {value}"
                raise BadRequestError(msg)

    def window(self, params: Mapping[str, str]) -> tuple[dt.datetime | None, dt.datetime | None]:
        """Return the window asked for as ``start <= cursor < end`` in UTC, ``None`` where it is open.

        ``BadRequestError`` when a moment is not in this vendor's format or the window ends before it starts.
        """
        start, end = self._moment(params, self.start_param), self._moment(params, self.end_param)
        if start and end and start > end:
            msg = f"{self.start_param} is after {self.end_param}"
            raise BadRequestError(msg)
        if end is None or self.window_end == "exclusive":
            return start, end
        return start, min(end, _LATEST) + (_DAY if self.window_format == "date" else dt.timedelta(microseconds=1))

    def envelope(self, values: Mapping[str, object]) -> dict[str, Any]:
        """Build the answer's body from dotted path to value, leaving out what is ``ABSENT``."""
        body: dict[str, Any] = {}
        for path, value in values.items():
            if value is not ABSENT:
                *parents, name = path.split(".")
                inner = body
                for parent in parents:
                    inner = inner.setdefault(parent, {})
                inner[name] = value
        return body

    def _moment(self, params: Mapping[str, str], name: str) -> dt.datetime | None:
        text = params.get(name)
        if text is None:
            return None
        try:
            match self.window_format:
                case "epoch":
                    return dt.datetime.fromtimestamp(int(text), dt.UTC)
                case "date":
                    return dt.datetime.combine(dt.date.fromisoformat(text), dt.time(), dt.UTC)
                case "datetime" if (moment := dt.datetime.fromisoformat(text)).tzinfo:
                    return moment.astimezone(dt.UTC)
        except (ValueError, OverflowError, OSError):
            pass
        msg = f"parameter {name} is not a valid {self.window_format}: {text!r}"
        raise BadRequestError(msg)


def whole(params: Mapping[str, str], name: str, *, at_least: int) -> int:
    """Return a parameter; ``BadRequestError`` when it is missing or no sensible whole number."""
    text = params.get(name)
    if text is None:
        msg = f"parameter {name} is required"
        raise BadRequestError(msg)
    if not (text.isascii() and text.isdecimal() and len(text) <= _DIGITS and int(text) >= at_least):
        msg = f"parameter {name} must be a whole number from {at_least}: {text!r}"
        raise BadRequestError(msg)
    return int(text)
