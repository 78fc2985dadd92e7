"""Servers that nobody here wrote, at random: whatever their answers give away, the run is complete or red in words.

Each example is a vendor with habits of its own: how it counts, how it orders rows that share a moment, how its pages
end, what it takes a window for. The window is read as a run reads it, over HTTP.
"""

import datetime as dt
import random
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass

import orjson
import pytest
from hypothesis import HealthCheck, event, example, given, settings
from hypothesis import strategies as st
from starlette.requests import Request
from starlette.responses import Response

from analytics_assets.ingest.errors import Problem, explain
from analytics_assets.ingest.settings import Settings
from analytics_assets.sandbox.app import Sandbox
from analytics_assets.sandbox.server import SandboxServer
from analytics_assets.sandbox.shape import Shape
from analytics_assets_tests.project import KEY, WINDOW, Row
from analytics_assets_tests.reliability.stage import read

_HOUR = dt.timedelta(hours=1)
_ENDS = {
    "an empty list": Response('{"data": []}'),
    "null": Response('{"data": null}'),
    "no data": Response("{}"),
    "HTML": Response("<html>no such page</html>"),
    "no content": Response(status_code=204),
    "not found": Response("{}", 404),
    "refused": Response('{"error": "offset too large"}', 400),
    "not satisfiable": Response(status_code=416),
}
_SHIFTS = {"as asked": 0, "3 h later": 3, "7 h earlier": -7}


@dataclass(frozen=True)
class Habits:
    """How a vendor answers. ``rows`` are those of the window; each of the days beside it has twelve."""

    rows: int
    at_once: int
    """Rows that share a moment."""
    order: str
    total: str
    cap: int
    end: str
    window: str
    is_ill_first: bool
    """Whether the first answer of all is an empty one."""


class Vendor(Sandbox):
    """A server with habits."""

    def __init__(self) -> None:
        super().__init__(shape=Shape(key=KEY), rows={})
        self.take_on(Habits(0, 1, "stable", "given", 100, "null", "as asked", is_ill_first=False))

    def take_on(self, habits: Habits) -> None:
        """Be another vendor from now on."""
        self.requests.clear()
        self.habits = habits
        self.random = random.Random(7)  # noqa: S311 - not for secrets
        self.table = [*_day(-1, 12, 1), *_day(0, habits.rows, habits.at_once), *_day(1, 12, 1)]

    @property
    def wanted(self) -> set[str]:
        """The ids of the window that is asked for."""
        return {row["id"] for row in self.table if WINDOW.start <= _at(row) < WINDOW.end}

    async def _choose(
        self,
        request: Request,
        endpoint: str | None,
        params: Mapping[str, str],
        headers: Mapping[str, str],
    ) -> Response:
        del request, endpoint, headers
        if self.habits.is_ill_first and len(self.requests) == 1:
            return Response('{"data": [], "total": 0}')
        rows, offset = self._ordered(self._selected(params)), int(params["offset"])
        page = rows[offset : offset + min(int(params["limit"]), self.habits.cap)]
        if not page and offset:
            if self.habits.end != "the last page":
                return _ENDS[self.habits.end]
            page = rows[-self.habits.cap :]
        total = self._total(len(rows), offset)
        return Response(orjson.dumps({"data": page} | ({} if total is None else {"total": total})))

    def _selected(self, params: Mapping[str, str]) -> list[Row]:
        start, end = (dt.datetime.fromisoformat(params[name]) for name in ("since", "until"))
        shift = _SHIFTS.get(self.habits.window, 0) * _HOUR
        return [
            row
            for row in self.table
            if (self.habits.window in {"no filter", "no start"} or start + shift <= _at(row))
            and (self.habits.window in {"no filter", "no end"} or _at(row) < end + shift)
        ]

    def _ordered(self, rows: list[Row]) -> list[Row]:
        if self.habits.order == "stable":
            return rows
        if self.habits.order == "latest first":
            return rows[::-1]
        return sorted(rows, key=lambda row: (row["timestamp"], self.random.random()))

    def _total(self, rows: int, offset: int) -> object:
        match self.habits.total:
            case "none":
                return None
            case "capped":
                return min(rows, 100)
            case "wrong once":
                return rows + (offset > 0 and self.random.random() < 0.5)
            case "as text":
                return f"{rows}.0"
            case _:
                return rows


def _day(number: int, rows: int, at_once: int) -> list[Row]:
    """Return the rows of a day around the window's, spread over it."""
    start = WINDOW.start + number * 24 * _HOUR
    step = 24 * _HOUR / max(rows, 1)
    moments = (start + (place - place % at_once) * step for place in range(rows))
    return [{"id": f"{number}/{place}", "timestamp": f"{at:%Y-%m-%dT%H:%M:%SZ}"} for place, at in enumerate(moments)]


def _at(row: Row) -> dt.datetime:
    return dt.datetime.fromisoformat(row["timestamp"])


def _outcome(asked: Settings) -> tuple[list[str], Problem | None]:
    try:
        return [row["id"] for row in read(asked).rows], None
    except Exception as error:
        if problem := explain(error):
            return [], problem
        raise


@pytest.fixture(scope="module")
def vendor() -> Iterator[tuple[Vendor, str]]:
    """Return a server, and its address."""
    with ExitStack() as running:
        served = Vendor()
        yield served, running.enter_context(SandboxServer(served)).url


HABITS = st.builds(
    Habits,
    rows=st.sampled_from([0, 1, 5, 9, 10, 11, 20, 99, 100, 101, 200, 213]),
    at_once=st.sampled_from([1, 2, 30]),
    order=st.sampled_from(["stable", "latest first", "any within a moment"]),
    total=st.sampled_from(["given", "none", "capped", "wrong once", "as text"]),
    cap=st.sampled_from([2, 7, 1000]),
    end=st.sampled_from([*_ENDS, "the last page"]),
    window=st.sampled_from([*_SHIFTS, "no filter", "no start", "no end"]),
    is_ill_first=st.booleans(),
)


@given(habits=HABITS, page_size=st.sampled_from([10, 25, 100]))
@example(
    habits=Habits(200, 30, "any within a moment", "none", 1000, "null", "as asked", is_ill_first=False), page_size=25
)
@example(habits=Habits(213, 1, "stable", "capped", 1000, "refused", "as asked", is_ill_first=False), page_size=10)
@example(habits=Habits(99, 1, "stable", "given", 1000, "null", "7 h earlier", is_ill_first=True), page_size=100)
@settings(
    max_examples=60,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_complete_or_red(vendor: tuple[Vendor, str], habits: Habits, page_size: int) -> None:
    """All rows of the window once, or a failure that says what came and names the settings; never green and short."""
    server, url = vendor
    server.take_on(habits)
    asked = Settings(base_url=url, page_size=page_size, total_selector="" if habits.total == "none" else "total")
    found, problem = _outcome(asked)
    event(problem.kind if problem else "complete")
    if problem is None:
        assert sorted(found) == sorted(server.wanted)
    else:
        assert _may_fail(habits), problem.message
        assert problem.kind in {"incomplete", "setting"}
        assert any(name in problem.message for name in ("total_selector", "offset_param", "window_format"))


def _may_fail(habits: Habits) -> bool:
    """Say whether something is wrong that no reading over again can heal."""
    return (
        habits.order == "any within a moment"
        or habits.total in {"capped", "wrong once"}
        or (habits.window in _SHIFTS and bool(_SHIFTS[habits.window]))
    )
