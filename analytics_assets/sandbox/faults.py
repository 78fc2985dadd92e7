"""Ways the API can misbehave, by name. A new one is one more function and one more entry in ``KINDS``.

A kind gets the answer that would have been given and its own keyword options. It may change the answer and return
``None``, or return the response to send in its place.
"""

import asyncio
import datetime as dt
import inspect
import math
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import orjson
from starlette.responses import Response

from analytics_assets.sandbox.answer import Answer
from analytics_assets.sandbox.shape import ABSENT
from analytics_assets.sandbox.wire import Closed, Dripped, Hinted, Truncated, Verbatim

_LESS = "Please reduce the amount of data you're asking for, then retry your request"
_HTML = "<!doctype html><html><body><h1>We'll be right back</h1></body></html>"


async def _status(
    answer: Answer,
    *,
    status: int = 500,
    headers: Mapping[str, str] | None = None,
    body: object = None,
) -> Response:
    known = status in HTTPStatus._value2member_map_
    error = {"error": {"code": status, "message": HTTPStatus(status).phrase if known else f"status {status}"}}
    return _json(error if body is None else body, status, headers)


async def _rate_limit(
    answer: Answer, *, allows: Callable[[], bool], retry_after: int | Callable[[], int] | None = 1
) -> Response | None:
    if allows():
        return None
    seconds = retry_after() if callable(retry_after) else retry_after
    headers = {} if seconds is None else {"Retry-After": str(seconds)}
    return _json({"error": {"code": 429, "message": "Too many requests"}}, 429, headers)


async def _latency(answer: Answer, *, seconds: float) -> None:
    await asyncio.sleep(seconds)


async def _close(answer: Answer, *, reset: bool = False) -> Response:
    return Closed(reset=reset)


async def _truncate(answer: Answer, *, keep: float = 0.5, reset: bool = False) -> Response:
    return Truncated(answer.body(), keep=keep, reset=reset)


async def _slow_body(answer: Answer, *, delay: float = 0.1, chunks: int = 10) -> Response:
    return Dripped(answer.body(), delay=delay, chunks=chunks)


async def _early_hints(answer: Answer, *, status: int = 103) -> Response:
    return Hinted(answer.body(), status=status)


async def _html(answer: Answer, *, status: int = 200, content: str = _HTML) -> Response:
    return Response(content, status, media_type="text/html")


async def _error_in_200(
    answer: Answer,
    *,
    code: object = 190,
    message: str = "Something went wrong",
) -> Response:
    return _json({"error": {"code": code, "message": message}}, 200)


async def _no_data(answer: Answer) -> None:
    answer.replaced[answer.shape.data_path] = ABSENT


async def _null_data(answer: Answer) -> None:
    answer.replaced[answer.shape.data_path] = None


async def _data_not_list(answer: Answer, *, value: object = "rows") -> None:
    answer.replaced[answer.shape.data_path] = value


async def _body(
    answer: Answer,
    *,
    content: str | bytes = b"",
    content_type: str = "application/json",
    status: int = 200,
    headers: Mapping[str, str] | None = None,
) -> Response:
    return Response(content, status, {"content-type": content_type, **(headers or {})})


async def _cap(answer: Answer, *, rows: int) -> None:
    answer.size = min(answer.size, rows)


async def _too_much(
    answer: Answer, *, rows: int | None = None, days: float | None = None, status: int = 500, text: str = _LESS
) -> Response | None:
    """Refuse pages of more rows, and windows of more days; all history is more than any."""
    start, end = answer.shape.window(dict(parse_qsl(urlsplit(answer.url).query)))
    asked = (end - start) / dt.timedelta(days=1) if start and end else math.inf
    if (rows is not None and answer.limit > rows) or (days is not None and asked > days):
        return _json({"error": {"code": 1, "message": text}}, status)
    return None


async def _ignore_offset(answer: Answer) -> None:
    answer.first = 0


async def _total(answer: Answer, *, value: object = ABSENT) -> None:
    answer.replaced[answer.shape.total_path or "total"] = value


async def _total_pages(answer: Answer, *, value: object = ABSENT) -> None:
    answer.replaced[answer.shape.total_pages_path or "total_pages"] = value


async def _next_link(answer: Answer, *, value: object = ABSENT) -> None:
    answer.replaced[answer.shape.link_path] = value


async def _duplicate(answer: Answer) -> None:
    answer.edits.append(lambda page: [*page, *page[:1]])


async def _mutate_rows(answer: Answer, *, change: Callable[[list[Any]], list[Any]]) -> None:
    answer.edits.append(change)


async def _escape(answer: Answer, *, characters: str) -> Response:
    """Write these characters as JSON may, ``=`` as ``u003d`` behind a backslash; Gson writes ``=``, ``&``, ``<`` so."""
    text = answer.body().decode()
    for character in characters:
        text = text.replace(character, f"\\u{ord(character):04x}")
    return Response(text, media_type="application/json")


async def _header(answer: Answer, *, line: str) -> Response:
    """Send this line as the last header, even if it is not a valid one."""
    body = answer.body()
    lines = ("HTTP/1.1 200 OK", "content-type: application/json", f"content-length: {len(body)}", "connection: close")
    return Verbatim("\r\n".join([*lines, line, "", ""]).encode() + body)


async def _redirect(answer: Answer, *, location: str, status: int = 302) -> Response:
    return Response(status_code=status, headers={"location": location})


async def _echo_url(answer: Answer, *, status: int = 400) -> Response:
    return _json({"error": {"code": status, "message": f"cannot answer {answer.url}"}}, status)


def _json(body: object, status: int, headers: Mapping[str, str] | None = None) -> Response:
    lower = {name.lower(): value for name, value in (headers or {}).items()}
    return Response(orjson.dumps(body), status, {"content-type": "application/json", **lower})


KINDS: Mapping[str, Callable[..., Awaitable[Response | None]]] = {
    "status": _status,
    "rate_limit": _rate_limit,
    "latency": _latency,
    "close": _close,
    "truncate": _truncate,
    "slow_body": _slow_body,
    "early_hints": _early_hints,
    "html": _html,
    "error_in_200": _error_in_200,
    "no_data": _no_data,
    "null_data": _null_data,
    "data_not_list": _data_not_list,
    "body": _body,
    "cap": _cap,
    "too_much": _too_much,
    "ignore_offset": _ignore_offset,
    "total": _total,
    "total_pages": _total_pages,
    "next_link": _next_link,
    "duplicate": _duplicate,
    "mutate_rows": _mutate_rows,
    "escape": _escape,
    "header": _header,
    "redirect": _redirect,
    "echo_url": _echo_url,
}


class Fault:
    """A kind of misbehaviour and when it happens.

    Only for ``endpoint`` and only for the page asked with ``offset`` when these are given; ``times`` requests long,
    then never again (``None``: for ever). ``options`` are the kind's own. ``ValueError`` for an unknown kind or option.
    """

    def __init__(
        self,
        kind: str,
        *,
        endpoint: str | None = None,
        offset: int | None = None,
        times: int | None = None,
        **options: Any,  # noqa: ANN401 - each kind types its own
    ) -> None:
        """Check the kind and its options now, not when a request comes in."""
        if kind not in KINDS:
            msg = f"no fault is called {kind!r}; there are {', '.join(KINDS)}"
            raise ValueError(msg)
        try:
            inspect.signature(KINDS[kind]).bind(None, **options)
        except TypeError as error:
            msg = f"fault {kind!r}: {error}"
            raise ValueError(msg) from None
        self.kind = kind
        self.endpoint = endpoint
        self.offset = offset
        self.times = times
        self.options = options

    def takes(self, answer: Answer) -> bool:
        """Say whether the fault strikes this answer, and count it when it does; a spent one strikes no more."""
        hit = self.endpoint in {None, answer.endpoint} and self.offset in {None, answer.offset} and self.times != 0
        if hit and self.times is not None:
            self.times -= 1
        return hit

    async def apply(self, answer: Answer) -> Response | None:
        """Change the answer, or return what to send in its place."""
        return await KINDS[self.kind](answer, **self.options)
