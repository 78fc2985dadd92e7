"""The answer to one request for a page, before it is sent: what a fault may still change."""

from collections.abc import Callable, Sequence
from typing import Any

from analytics_assets.ingest import exact_json
from analytics_assets.sandbox.paging import said
from analytics_assets.sandbox.shape import Shape


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
        beside, self.headers = said(self, came)
        values = {self.shape.data_path: page, **beside}
        replaced = {name: value for name, value in self.replaced.items() if not name.startswith("header:")}
        values = values | {"limit": self.limit, "offset": self.offset} | replaced
        body = self.shape.envelope(values) if self.shape.data_path else values[""]
        return exact_json.write(body).encode()
