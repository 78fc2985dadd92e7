"""What an answer says beside its rows: totals, and where the next page is. dlt's own paginators read the latter."""

import copy
import re
from typing import Any
from urllib.parse import SplitResult, unquote_plus, urldefrag, urljoin, urlsplit

from dlt.common import jsonpath
from dlt.sources.helpers.rest_client.paginators import (
    BasePaginator,
    HeaderCursorPaginator,
    HeaderLinkPaginator,
    JSONLinkPaginator,
    JSONResponseCursorPaginator,
)
from requests import Request, Response
from requests.utils import requote_uri

from analytics_assets.ingest.api.adapter import ApiResponse
from analytics_assets.ingest.errors import ApiError
from analytics_assets.ingest.settings import Settings

_HEADER = "header:"
_PORTS = {"http": 80, "https": 443}
_SHOWN = 120
_ADDRESS = "address"


class Selector:
    """Finds one value of an answer: by JSONPath in its body, or in a header, as ``header:X-Total-Count``."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.header = text.removeprefix(_HEADER).strip() if text.startswith(_HEADER) else None
        # compiled once; dlt compiles a text anew on every page
        self.path = jsonpath.compile_path(text) if text and self.header is None else None

    def find(self, response: Response, body: object) -> object:
        """Return the value; ``None`` where there is none."""
        if self.header is not None:
            return response.headers.get(self.header)
        parsed: Any = body
        found = jsonpath.find_values(self.path, parsed) if self.path is not None else []
        return found[0] if found else None


class References:
    """Reads from an answer which page follows: its cursor, or its address, which is on the same host.

    ``following`` may be called by any thread.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        is_link = settings.pagination == "link"
        self._name = settings.next_link_selector if is_link else settings.cursor_selector
        self._paginator = _link_paginator(self._name) if is_link else _cursor_paginator(self._name, settings)
        self._is_link = is_link

    def following(self, response: Response) -> str | None:
        """Return the cursor as it was sent, or the address of the next page without the key; ``None`` at the end.

        Raises ``ApiError``: wrong shape, where it is neither a text nor a number; request refused, where the address is
        on another host.
        """
        paginator = copy.copy(self._paginator)
        request = Request(url=str(response.request.url), params={})
        try:
            paginator.update_state(response)
            if not paginator.has_next_page:
                return None
            paginator.update_request(request)
        except (TypeError, AttributeError):
            found: object = None
        except ValueError:
            raise _refused(response, "an address that is not valid", "") from None
        else:
            found = _read(request) if self._is_link else request.params[self._settings.cursor_param]
        if found == "" or found is False:
            return None
        if not isinstance(found, str | int) or found is True:
            kind = "an address" if self._is_link else "a text or a number"
            said = f"its {self._name!r} is not {kind} (setting {self._setting})"
            raise ApiError("wrong shape", f"wrong shape: {response.url} answered, but {said}")
        return self._on_this_host(response, str(found)) if self._is_link else str(found)

    @property
    def _setting(self) -> str:
        return "next_link_selector" if self._is_link else "cursor_selector"

    def _on_this_host(self, response: Response, link: str) -> str:
        link, _ = urldefrag(requote_uri(link.strip()))
        redact = response.redact if isinstance(response, ApiResponse) else str
        try:
            here, there = urlsplit(str(response.request.url)), urlsplit(link)
            is_here = _origin(here) == _origin(there) and "@" not in there.netloc
        except ValueError:
            raise _refused(response, "an address that is not valid", redact(link)[:_SHOWN]) from None
        if not is_here:
            # no more of the address than that, for there may be secrets of others behind it
            host = re.split(r"(?<!/)/(?!/)|[?#]", redact(link), maxsplit=1)[0].rpartition("@")[2][:_SHOWN]
            raise _refused(response, f"another host, {host}; the key was not sent there", "")
        if redact(there.path) != there.path:
            raise _refused(response, "an address with the key in its path", "")
        return without_parameter(link, self._settings.key_name) if self._settings.key_location == "query" else link


def without_parameter(url: str, name: str) -> str:
    """Return an address without a query parameter; the rest of it stays as it was written."""
    address, _, query = url.partition("?")
    kept = [piece for piece in query.split("&") if piece and _name_of(piece) != name]
    return f"{address}?{'&'.join(kept)}" if kept else address


def with_parameter_of(url: str, other: str, name: str) -> str:
    """Return an address with a query parameter as it stands in another one, where it has it."""
    pieces = [piece for piece in other.partition("?")[2].split("&") if _name_of(piece) == name]
    for piece in pieces:
        url += f"{'&' if '?' in url else '?'}{piece}"
    return url


def _read(request: Request) -> str:
    """Return the address that a paginator has put into a request."""
    address: str = (request.params or {}).get(_ADDRESS) or ""
    joined: str = urljoin(request.url, address)
    return joined


def _name_of(piece: str) -> str:
    return unquote_plus(piece.partition("=")[0])


def _origin(parts: SplitResult) -> tuple[str, str, int | None]:
    return parts.scheme, parts.hostname or "", parts.port or _PORTS.get(parts.scheme)


def _refused(response: Response, what: str, shown: str) -> ApiError:
    quoted = f": {shown!r}" if shown else ""
    said = f"{response.url} names {what} as the next page{quoted}"
    return ApiError("request refused", f"request refused: {said} (setting next_link_selector)")


def _cursor_paginator(selector: str, settings: Settings) -> BasePaginator:
    found = Selector(selector)
    if found.header is not None:
        return HeaderCursorPaginator(found.header, settings.cursor_param)
    return JSONResponseCursorPaginator(found.path or selector, settings.cursor_param)


def _link_paginator(selector: str) -> BasePaginator:
    found = Selector(selector)
    if found.header is None:
        return JSONLinkPaginator(found.path or selector)
    # a header that is an address and nothing else is read as a cursor is
    return HeaderLinkPaginator() if found.header.lower() == "link" else HeaderCursorPaginator(found.header, _ADDRESS)
