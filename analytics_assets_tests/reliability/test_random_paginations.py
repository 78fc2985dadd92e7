"""Servers at random, each with a way of its own to ask for pages: a green run has exactly the rows of the window."""

import dataclasses
import datetime as dt
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from typing import Any

import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from analytics_assets.ingest.errors import explain
from analytics_assets.ingest.settings import Settings
from analytics_assets.ingest.window import Window
from analytics_assets.sandbox.app import Sandbox
from analytics_assets.sandbox.asked import Asked
from analytics_assets.sandbox.faults import Fault
from analytics_assets.sandbox.server import SandboxServer
from analytics_assets.sandbox.shape import Shape
from analytics_assets_tests.project import KEY, Row
from analytics_assets_tests.reliability import stage

_HOUR = dt.timedelta(hours=1)
_START = dt.datetime(2025, 3, 1, tzinfo=dt.UTC)
_WINDOW = Window(_START, _START + 96 * _HOUR)
Span = tuple[dt.datetime, dt.datetime]
_SPANS: dict[str, Callable[[dt.datetime, dt.datetime], Span]] = {
    "as asked": lambda start, end: (start, end),
    "end inclusive": lambda start, end: (start, end + _HOUR / 3600),
    "whole days": lambda start, end: (start.replace(hour=0), end.replace(hour=0, second=0) + 24 * _HOUR),
    "no filter": lambda start, end: (start - 999 * _HOUR, end + 999 * _HOUR),
}


@dataclasses.dataclass(frozen=True)
class Vendor(Shape):
    """A vendor that may take a window for another one."""

    span: str = "as asked"

    def window(self, params: Mapping[str, str]) -> tuple[dt.datetime | None, dt.datetime | None]:
        """Return the window as this vendor has it."""
        start, end = super().window(params)
        assert start
        assert end
        return _SPANS[self.span](start, end)


def _rows(count: int, at_once: int) -> list[Row]:
    """Return rows from a day before the window to a day behind it, so many of which share a moment."""
    step = 144 * _HOUR / max(count, 1)
    moments = (_START - 24 * _HOUR + (place - place % at_once) * step for place in range(count))
    return [{"id": f"r{place}", "timestamp": f"{at:%Y-%m-%dT%H:%M:%SZ}"} for place, at in enumerate(moments)]


def _wanted(rows: list[Row]) -> list[str]:
    inside = (row for row in rows if _WINDOW.start <= dt.datetime.fromisoformat(row["timestamp"]) < _WINDOW.end)
    return sorted(row["id"] for row in inside)


@pytest.fixture(scope="module")
def server() -> Iterator[SandboxServer]:
    """Return a server."""
    with ExitStack() as running:
        yield running.enter_context(SandboxServer(Sandbox(shape=Shape(key=KEY), rows={})))


SHAPES = st.fixed_dictionaries(
    {
        "pagination": st.sampled_from(["page", "cursor", "link"]),
        "total_path": st.sampled_from(["total", None, "header:X-Total-Count"]),
        "total_pages_path": st.sampled_from([None, "pages"]),
        "max_page_size": st.sampled_from([3, 10, 1000]),
        "first_page": st.sampled_from([0, 1]),
        "is_endless": st.booleans(),
        "link_has_key": st.booleans(),
        "link_is_absolute": st.booleans(),
        "span": st.sampled_from(list(_SPANS)),
    }
)


@given(
    shape=SHAPES,
    rows=st.sampled_from([0, 1, 6, 29, 30, 60, 151]),
    at_once=st.sampled_from([1, 4]),
    in_flight=st.sampled_from([1, 4]),
    wrong=st.sampled_from(["nothing", "nothing", "first_page", "selector", "a row comes", "a row goes", "ignored"]),
)
@settings(
    max_examples=60,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_green_is_complete(  # noqa: PLR0913, PLR0917 - what may vary
    server: SandboxServer, shape: dict[str, Any], rows: int, at_once: int, in_flight: int, wrong: str
) -> None:
    """Whatever is wrong with the settings, the vendor or the moment: all rows of the window once, or a red run."""
    table = _rows(rows, at_once)
    sandbox = server.sandbox
    sandbox.reset()
    sandbox.shape, sandbox.rows = Vendor(key=KEY, **shape), {"stories": table}
    sandbox.faults = [Fault("ignore_offset")] if wrong == "ignored" else []
    sandbox.on_request = _change(sandbox, table, wrong)
    asked = _settings(server.url, shape, wrong, in_flight)
    try:
        found = stage.read(asked, window=_WINDOW)
    except Exception as error:
        problem = explain(error)
        if problem is None:
            raise
        event(f"{wrong}: {problem.kind}")
        assert wrong != "nothing", problem.message
        return
    event(f"{wrong}: complete")
    before = _wanted(_rows(rows, at_once))
    came = [row["id"] for row in found.rows]
    assert len(set(came)) == len(came)
    # what goes or comes while it is read is either of the two; what stayed is there
    assert set(before) & set(_wanted(table)) <= set(came) <= set(before) | set(_wanted(table))


def _settings(url: str, shape: dict[str, Any], wrong: str, in_flight: int) -> Settings:
    right = shape["first_page"]
    selectors = {"cursor_selector": "nowhere", "next_link_selector": "nowhere"} if wrong == "selector" else {}
    return Settings(
        base_url=url,
        pagination=shape["pagination"],
        page_size=10,
        max_concurrent_requests=in_flight,
        total_selector=shape["total_path"] or "",
        total_pages_selector=shape["total_pages_path"] or "",
        first_page=1 - right if wrong == "first_page" else right,
        **selectors,
    )


def _change(sandbox: Sandbox, table: list[Row], wrong: str) -> Callable[[Asked], None]:
    def before(_: Asked) -> None:
        if len(sandbox.requests) == 3 and wrong == "a row comes":
            table.insert(0, {"id": "new", "timestamp": f"{_START:%Y-%m-%dT%H:%M:%SZ}"})
        if len(sandbox.requests) == 3 and wrong == "a row goes" and table:
            table.pop()

    return before
