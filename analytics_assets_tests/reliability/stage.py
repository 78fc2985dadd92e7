"""Plays a case of the matrix: an API that misbehaves as the case says, read or loaded the way a run does it."""

import datetime as dt
import itertools
import logging
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from analytics_assets.ingest import exact_json
from analytics_assets.ingest.doubts import look_again
from analytics_assets.ingest.endpoint import Endpoint
from analytics_assets.ingest.errors import TooMuchError, WindowMovedError, causes
from analytics_assets.ingest.opening import open_pipeline
from analytics_assets.ingest.proving import MAX_REREADS
from analytics_assets.ingest.report import Reading, WindowReport
from analytics_assets.ingest.settings import Settings
from analytics_assets.ingest.source import build_source
from analytics_assets.ingest.window import Window
from analytics_assets.sandbox.app import Sandbox
from analytics_assets.sandbox.asked import Asked
from analytics_assets.sandbox.faults import Fault
from analytics_assets.sandbox.server import SandboxServer
from analytics_assets.sandbox.shape import Shape
from analytics_assets_tests.project import EVERYWHERE, KEY, WINDOW, endpoint_of
from analytics_assets_tests.reliability.matrix import (
    PAGE_SIZE,
    STRUCK,
    Case,
    Place,
    Row,
    Span,
    newcomer,
    undeclared,
    window_rows,
)

STORIES = endpoint_of("stories")
TIMES = ("timestamp", "expires_at")
NAMES = {"mediaId": "media_id"}
COLUMNS = tuple(column.name for column in STORIES.columns)
_LOG = logging.getLogger("analytics_assets")
_NUMBERS = itertools.count()


class Api:
    """One server for many cases, each on a path of its own, so that late requests of one do not disturb the next."""

    def __init__(self, running: ExitStack) -> None:
        self._running = running
        self.sandbox = Sandbox(shape=Shape(key=KEY), rows={})
        self.server = running.enter_context(SandboxServer(self.sandbox))

    def serve(
        self,
        rows: list[Any],
        *,
        has_total: bool = True,
        endpoint: Endpoint = STORIES,
        **settings: Any,  # noqa: ANN401 - Settings types them
    ) -> Settings:
        """Serve these rows without faults on a new path; the settings that ask for them."""
        prefix = f"/c{next(_NUMBERS)}"
        self.sandbox.reset()
        self.sandbox.on_request = None
        self.sandbox.rows = {endpoint.name: rows}
        self.sandbox.shape = Shape(
            key=KEY,
            paths={endpoint.name: prefix + endpoint.path},
            cursors={endpoint.name: endpoint.cursor},
            total_path="total" if has_total else None,
        )
        return Settings(base_url=self.server.url + prefix, **{"page_size": PAGE_SIZE, "read_timeout": 20.0, **settings})

    def play(self, case: Case, place: Place, *, more: bool = False) -> Settings:
        """Serve what the case says, on the page in that place; with ``more``, rows have undeclared columns too."""
        rows = window_rows() if case.rows is None else [dict(row) for row in case.rows]
        if more:
            rows = [row | undeclared(number) for number, row in enumerate(rows)]
        offset = case.offset_of(place)
        if case.refuses:
            # this server is not of use to anybody else
            return Api(self._running)._refuse(rows, offset, case)  # noqa: SLF001 - the same class
        settings = self.serve(rows, has_total=case.has_total, **case.settings)
        if case.read_as:
            self.sandbox.shape = Misread(**{**vars(self.sandbox.shape), "read_as": case.read_as})
        if case.row:
            self.sandbox.faults = [Fault("mutate_rows", offset=offset, change=lambda page: _struck(case, page))]
        if strike := case.strike:
            at = None if strike.everywhere else offset
            self.sandbox.faults.append(Fault(strike.kind, offset=at, times=strike.times, **strike.options))
        elif case.unlimited:
            self.sandbox.faults = [Fault("mutate_rows", offset=offset, change=lambda _: rows[offset:])]
        elif case.change:
            self.sandbox.on_request = _Change(case, offset, rows)
        return settings

    def _refuse(self, rows: list[Row], offset: int, case: Case) -> Settings:
        settings = self.serve(rows, has_total=case.has_total, **case.settings)

        def refuse(asked: Asked) -> None:
            if asked.params["offset"] == str(offset):
                self.server.stop_listening()
                self.sandbox.faults = [Fault("close")]

        self.sandbox.on_request = refuse
        return settings


@dataclass(frozen=True)
class Misread(Shape):
    """A vendor that takes the parameters for another window than they mean."""

    read_as: Callable[[Span], Span] = lambda span: span

    def window(self, params: Mapping[str, str]) -> Span:
        """Return the window as this vendor has it."""
        return self.read_as(super().window(params))


class _Change:
    """Changes the rows when the page is asked for: once, or once in every pass."""

    def __init__(self, case: Case, offset: int, rows: list[Row]) -> None:
        self.case, self.offset, self.rows = case, offset, rows
        self.armed = True

    def __call__(self, asked: Asked) -> None:
        offset = int(asked.params["offset"])
        if self.case.change and self.armed and offset == self.offset:
            self.armed = False
            self.case.change(self.rows)
        if self.case.restless and offset == 0:
            self.armed = True


def _struck(case: Case, page: list[Any]) -> list[Any]:
    assert case.row
    return [case.row(row) if place == STRUCK else row for place, row in enumerate(page)]


def expected_rows(case: Case, place: Place, served: list[Row]) -> list[Row]:
    """Return what the table must be, typed, from what the API has in the end; the struck row as the case says."""
    rows = []
    struck = case.offset_of(place) + STRUCK if case.row else None
    for number, row in enumerate(served):
        if number != struck:
            rows.append(typed(row))
        elif case.row and case.outcome_is_kept(place):
            rows.append(typed({**row, **case.becomes}))
    return sorted(rows, key=lambda row: str(row["id"]))


def typed(row: Row) -> Row:
    """Return a row as the table has it: all declared columns, times as times, undeclared columns that are not null."""
    values = {name: row.get(name) for name in COLUMNS}
    times = {name: moment(value) for name, value in values.items() if name in TIMES and isinstance(value, str)}
    return values | times | without_nulls({NAMES.get(name, name): value for name, value in row.items()}, as_text=True)


def without_nulls(row: Row, *, as_text: bool = False) -> Row:
    """Return a row's undeclared columns that are not null; with ``as_text``, JSON as the table has it."""
    extra = {name: value for name, value in row.items() if name not in COLUMNS and value is not None}
    return {
        name: exact_json.write(value) if as_text and isinstance(value, dict | list) else value
        for name, value in extra.items()
    }


def moment(text: str) -> dt.datetime:
    """Return a time of the API's."""
    return dt.datetime.fromisoformat(text)


class Read:
    """What one reading of a window gave: the rows kept, those set aside, and the report."""

    def __init__(self, reading: Reading) -> None:
        self.rows: list[Row] = []
        self.rejected: list[Row] = []
        self._reading = reading

    @property
    def report(self) -> WindowReport:
        """The window's report."""
        return self._reading.report()


def read(settings: Settings, endpoint: Endpoint = STORIES, rereads: int = MAX_REREADS, window: Window = WINDOW) -> Read:
    """Read a window as a run does, moved windows again, and without a warehouse."""
    source, reading = build_source(endpoint, settings, window)
    found = Read(reading)
    while True:
        found.rows, found.rejected = [], []
        try:
            for item in source:
                _sort(item, found)
            look_again(reading, _LOG)
        except Exception as error:
            kinds = {type(cause) for cause in causes(error)}
            if TooMuchError in kinds and reading.pages.portion.halve_pages():
                continue
            if not rereads or WindowMovedError not in kinds:
                raise
            rereads -= 1
        else:
            break
    found.rows.sort(key=lambda row: str(row["id"]))
    return found


def _sort(item: Any, found: Read) -> None:  # noqa: ANN401 - dlt's items
    if isinstance(item, pa.Table | pa.RecordBatch):
        found.rows += [_plain(row) for row in item.to_pylist()]
    elif "outcome" in item:
        return
    elif "raw" in item and "reason" in item:
        found.rejected.append(item)
    else:
        found.rows.append(_plain(item))


def _plain(row: Row) -> Row:
    return {name: value for name, value in row.items() if name not in EVERYWHERE}


def load(settings: Settings, endpoint: Endpoint = STORIES, window: Window | None = WINDOW) -> WindowReport:
    """Load a window into the warehouse of this folder, as a run does."""
    source, reading = build_source(endpoint, settings, window, run_id="a run")
    with open_pipeline(reading) as pipeline:
        pipeline.run(source)
    return pipeline.report


SEED = [
    {**newcomer("before0"), "timestamp": "2025-02-28T12:00:00Z"},
    {**newcomer("before1"), "timestamp": "2025-02-28T23:59:59Z"},
    {**newcomer("s007"), "like_count": -1},
    newcomer("forgotten"),
]
"""What the warehouse holds before a case is loaded: days before, an older state, a row the API no longer has."""


def seed(api: Api, folder: Path) -> Path:
    """Make a warehouse that holds ``SEED``; where it is."""
    rows = [{**row, "timestamp": "2025-03-01T00:00:00Z"} for row in SEED]
    load(api.serve(rows))
    return folder / "warehouse.duckdb"
