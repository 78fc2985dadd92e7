"""One page, as ``make check`` asks for it: of any window, at any offset, of any size, and nothing concluded from it."""

import datetime as dt
import functools
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
from dlt.sources.helpers.rest_client.client import RESTClient
from dlt.sources.rest_api.config_setup import create_auth
from tenacity import Retrying, retry_if_exception, stop_after_attempt

from analytics_assets.ingest.api.adapter import ApiResponse, WireCounts
from analytics_assets.ingest.api.pagination import WindowPages
from analytics_assets.ingest.api.session import open_session
from analytics_assets.ingest.api.walk import OffsetWalk
from analytics_assets.ingest.endpoint import Endpoint
from analytics_assets.ingest.errors import RefusedError, causes
from analytics_assets.ingest.fields import value_at, values_at
from analytics_assets.ingest.key import load_key
from analytics_assets.ingest.report import WindowReport
from analytics_assets.ingest.settings import Settings
from analytics_assets.ingest.source import auth_of, build_source
from analytics_assets.ingest.table.cursor import Cursor
from analytics_assets.ingest.table.kept import RowsKept, Strays
from analytics_assets.ingest.table.rejected import written
from analytics_assets.ingest.table.unnest import unnested
from analytics_assets.ingest.table.values import typed_column
from analytics_assets.ingest.window import Window

_LOG = logging.getLogger("analytics_assets")
# Somebody stands before the screen.
_LONGEST_WAIT = 30.0
# in all, so that an API that refuses now and then is asked less than 20 times
_MOST_ASKED_AGAIN = 2


@dataclass(frozen=True)
class Page:
    """One answer: its rows as sent, and the total that it states (``None``: none)."""

    window: Window | None
    asked: Mapping[str, str | int]
    """The parameters that name the window."""
    limit: int
    rows: list[Any]
    total: int | None
    ids: list[str]
    """What each of them is known by."""
    moments: dict[str, dt.datetime]
    """Of the table's rows that are made of them, by their ids: the cursor, where it can be read."""
    strays: Strays
    """Rows that were not asked for."""

    def inside(self, window: Window) -> dict[str, dt.datetime]:
        """Return the moments of the rows that are inside a window, by their ids."""
        return {one: moment for one, moment in self.moments.items() if window.start <= moment < window.end}


class OnePage(OffsetWalk):
    """A walk of a single page, which is taken as it comes: whether it fits to others is for the questions."""

    def __init__(self, page_size: int, merge_key: tuple[str, ...], *, is_behind: bool) -> None:
        super().__init__(page_size, merge_key)
        self.asks_behind = is_behind
        self.rows: list[Any] = []

    def advance(self, rows: list[Any], total: int | None, *_: object) -> None:
        """Keep the page; there is no next one."""
        self.rows, self.total, self.is_whole = rows, total, True


class Asker:
    """Asks an endpoint for single pages, one after the other.

    Only a 429 is asked again, ``most_again`` times in all: other runs may be using up the API's pace, which says
    nothing of the settings. Raises ``SettingError`` when no key is set, or one that is no secret.
    """

    def __init__(self, endpoint: Endpoint, settings: Settings, *, most_again: int = _MOST_ASKED_AGAIN) -> None:
        self.endpoint = endpoint
        self.settings = settings
        self._most_again = most_again
        self.counts = WireCounts()
        asked = {
            "max_retries": 0,
            "max_retry_after": min(settings.max_retry_after, _LONGEST_WAIT),
            "rejected_rows": "set_aside",
            "max_concurrent_requests": 1,
        }
        self._once = settings.model_copy(update=asked)
        self._open()
        self._again = Retrying(stop=stop_after_attempt(2), retry=retry_if_exception(self._may_pass), reraise=True)

    @property
    def skips(self) -> bool:
        """Whether each row can be asked for by its offset, and not only the first page."""
        return self.settings.pagination == "offset"

    def row(self) -> WindowReport:
        """Read one row of all history as a load does, and return the figures; raises what reading raises."""
        return self._again(self._row)

    def page(
        self, window: Window | None, *, limit: int | None = None, offset: int = 0, is_behind: bool = False
    ) -> Page:
        """Return a page of a window (``None``: all history), of ``page_size`` rows if no limit is given.

        Where it ``is_behind`` the last row, or may be, a refusal of it is one without rows. Raises what reading raises.
        """
        return self._again(self._page, window, limit or self.settings.page_size, offset, is_behind=is_behind)

    def _open(self) -> None:
        """Open a session; one that has had a failure makes no further request."""
        key = load_key(self.settings)
        self._session = open_session(self._once, key, self.counts, _LOG)
        auth = create_auth(auth_of(self.settings, key))
        self._client = RESTClient(self.settings.base_url, auth=auth, session=self._session)

    def _row(self) -> WindowReport:
        settings = self._once.model_copy(update={"page_size": 1, "new_columns": "add"})
        source, reading = build_source(self.endpoint, settings, None, log=_LOG)
        try:
            for _ in source.resources[self.endpoint.name].add_limit(1):
                pass
        finally:
            self.counts.include(reading.counts)
        return reading.report()

    def _page(self, window: Window | None, limit: int, offset: int, *, is_behind: bool) -> Page:
        asked = {**self.settings.extra_params, **(window.params(self.settings) if window else {})}
        pages = WindowPages(self.endpoint, self._once, asked, self._session, _LOG)
        pages.walk = walk = OnePage(limit, self.endpoint.item_key, is_behind=is_behind)
        self._session.begin()
        self._session.is_behind_the_end = is_behind
        response = self._client.get(self.endpoint.path, asked | self._place(limit, offset))
        if not (isinstance(response, ApiResponse) and response.has_nothing):
            response.raise_for_status()
        pages.take(response)
        ids = known_by(walk.rows, self.endpoint.item_key)
        moments, strays = self._moments(walk.rows, window)
        return Page(window, asked, limit, walk.rows, walk.total, ids, moments, strays)

    def _moments(self, items: list[Any], window: Window | None) -> tuple[dict[str, dt.datetime], Strays]:
        """Return the cursors of the rows that are made of the list's items, and those that were not asked for."""
        endpoint, kept = self.endpoint, RowsKept()
        if endpoint.cursor is None:
            return {}, kept.strays
        found = unnested(items, endpoint.unnest)[0] if endpoint.unnest else items
        rows = [row for row in found if isinstance(row, dict)]
        column, _ = typed_column(values_at(endpoint.column(endpoint.cursor).field, rows), "timestamp")
        Cursor(self.settings, window).inside(pa.chunked_array([column]), kept)
        ids = known_by(rows, tuple(endpoint.column(name).field for name in endpoint.merge_key))
        return {one: at for one, at in zip(ids, column.to_pylist(), strict=True) if at}, kept.strays

    def _place(self, limit: int, offset: int) -> dict[str, str | int]:
        """Return the parameters of a page; where rows cannot be skipped, there is only the first one."""
        settings = self.settings
        place: dict[str, str | int] = {settings.limit_param: limit} if settings.limit_param else {}
        if settings.pagination == "offset":
            return place | {settings.offset_param: offset}
        return place | ({settings.page_param: settings.first_page} if settings.pagination == "page" else {})

    def _may_pass(self, error: BaseException) -> bool:
        if self.counts.retries >= self._most_again or not any(isinstance(one, RefusedError) for one in causes(error)):
            return False
        self.counts.retry()
        self._open()
        return True


@dataclass
class Seen:
    """What an endpoint has answered so far. Questions put there what a later one can use."""

    asker: Asker
    days: list[Page] = field(default_factory=list)
    """The days that were asked for, each from its beginning: the one that was compared, and those beside it."""
    tail: Page | None = None
    """The last row of the first of them, where its page ends before."""
    notes: list[str] = field(default_factory=list)
    """What is worth saying of an endpoint that is fine."""

    @functools.cached_property
    def row(self) -> WindowReport:
        """A single row, of all history, and what becomes of it."""
        return self.asker.row()

    @functools.cached_property
    def page(self) -> Page:
        """The first page of all history."""
        return self.asker.page(None)

    @functools.cached_property
    def page_again(self) -> Page:
        """The same page, asked for a second time."""
        return self.asker.page(None)

    @functools.cached_property
    def is_more_behind(self) -> bool:
        """Whether other rows come behind the first page; behind the last one, some APIs return that again."""
        behind = self.asker.page(None, limit=1, offset=len(self.page.rows), is_behind=True)
        return bool(set(behind.ids).difference(self.page.ids))


def known_by(rows: list[Any], key: tuple[str, ...]) -> list[str]:
    """Return what each row is known by: the values of its key, or all of it."""
    return [
        str([value_at(path, row) for path in key]) if key and isinstance(row, dict) else written(row) for row in rows
    ]
