"""The answer to one request for a page, before it is sent: what a fault may still change."""

from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import quote, unquote_plus

from analytics_assets.ingest import exact_json
from analytics_assets.sandbox.paging import token_of
from analytics_assets.sandbox.shape import ABSENT, Shape

_HEADER = "header:"


class Answer:
    """A page of the rows that fit the window, and the body it becomes.

    ``offset`` and ``limit`` are what was asked and what the body repeats; ``first`` and ``size`` are what is really cut
    out of ``rows``. ``edits`` change the page's list in turn; ``replaced`` overrides a dotted path of the body.
    """

    def __init__(  # noqa: PLR0913 - the parts of one request
        self, *, endpoint: str, url: str, shape: Shape, rows: Sequence[Any], offset: int, limit: int
    ) -> None:
        """Start with the honest answer."""
        self.endpoint = endpoint
        self.url = url
        self.shape = shape
        self.rows = rows
        self.offset = offset
        self.limit = limit
        self.first = offset
        self.size = min(limit, shape.max_page_size)
        self.edits: list[Callable[[list[Any]], list[Any]]] = []
        self.replaced: dict[str, object] = {}
        self.headers: dict[str, str] = {}
        """Those of the answer, once its body is made."""

    def body(self) -> bytes:
        """Return the JSON body; ``TypeError`` when a row holds what JSON cannot."""
        page = list(self.rows[self.first : self.first + self.size])
        came = len(page)
        for edit in self.edits:
            page = edit(page)
        beside, self.headers = _said(self, came)
        values = {self.shape.data_path: page, **beside}
        replaced = {name: value for name, value in self.replaced.items() if not name.startswith("header:")}
        values = values | {"limit": self.limit, "offset": self.offset} | replaced
        body = self.shape.envelope(values) if self.shape.data_path else values[""]
        return exact_json.write(body).encode()


def _said(answer: "Answer", came: int) -> tuple[dict[str, object], dict[str, str]]:
    """Return what an answer of so many rows says beside them: by dotted path in its body, and by header."""
    shape = answer.shape
    size = max(min(answer.limit, shape.max_page_size), 1)
    values: dict[str, object] = {}
    if shape.total_path:
        values[shape.total_path] = len(answer.rows)
    if shape.total_pages_path:
        values[shape.total_pages_path] = -(-len(answer.rows) // size)
    behind = answer.first + came
    if behind < len(answer.rows) or shape.is_endless:
        token = token_of(behind)
        if shape.pagination == "cursor":
            values[shape.cursor_path] = token
        if shape.pagination == "link":
            link = _link(shape, answer.url, token)
            values[shape.link_path] = f'<{link}>; rel="next"' if shape.link_path == f"{_HEADER}Link" else link
    values |= {name: value for name, value in answer.replaced.items() if name in values or name.startswith(_HEADER)}
    headers = {name.removeprefix(_HEADER): str(value) for name, value in values.items() if name.startswith(_HEADER)}
    headers = {name: value for name, value in headers.items() if values[f"{_HEADER}{name}"] is not ABSENT}
    return {name: value for name, value in values.items() if not name.startswith(_HEADER)}, headers


def _link(shape: Shape, url: str, token: str) -> str:
    """Return the address of the next page: that of this one with another cursor, with the key in it or without."""
    address, _, query = url.partition("?")
    gone = {shape.cursor_param} if shape.link_has_key else {shape.cursor_param, shape.key_name}
    kept = [piece for piece in query.split("&") if unquote_plus(piece.partition("=")[0]) not in gone]
    host_and_path = address if shape.link_is_absolute else ""
    cursor = f"{quote(shape.cursor_param)}={quote(token, safe='')}"
    return f"{host_and_path}?{'&'.join([*kept, cursor])}"
