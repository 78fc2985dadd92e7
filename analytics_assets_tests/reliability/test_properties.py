"""For any sequence of page sizes, shifts and repeated rows: what is kept is what the API has, or the read fails.

What no reader can see is said exactly by ``_one_list``: an API whose answers could all have come from one list
that never changed. With a total that takes changes that add up to nothing between two requests; without one, changes
that leave the row two pages share where it is, or any where pages have a single row. All else has to be noticed.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from requests import Response

from analytics_assets.ingest.api.paginator import ProvenPaginator
from analytics_assets.ingest.errors import WindowMovedError, causes
from analytics_assets.sandbox.asked import Asked
from analytics_assets.sandbox.faults import Fault
from analytics_assets_tests.reliability.matrix import Row, newcomer
from analytics_assets_tests.reliability.stage import Api, read

LIMIT = 4

_EXAMPLES = settings(
    max_examples=60,
    deadline=None,
    derandomize=True,
    database=None,
    # the API is shared on purpose, and so is the list of waits that nobody looks at
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@dataclass(frozen=True)
class Move:
    """A change of the API's rows before a request is answered: where, as a share of the list, and what."""

    what: str
    share: float

    def __call__(self, rows: list[Row], name: str) -> None:
        """Change the list."""
        place = round(self.share * len(rows))
        if self.what == "insert":
            rows.insert(place, newcomer(name))
        elif rows and self.what == "remove":
            del rows[min(place, len(rows) - 1)]
        elif rows and self.what == "repeat":
            rows.insert(place, dict(rows[min(place, len(rows) - 1)]))


@dataclass
class Page:
    """A page as the paginator was given it, and the API's ids at the time."""

    offset: int
    ids: list[str]
    total: int | None


@dataclass
class Seen:
    """The pages of one pass, in the order in which they were used, and the API's lists behind all requests."""

    pages: list[Page] = field(default_factory=list)
    lists: list[list[str]] = field(default_factory=list)


_ROWS = st.integers(0, 13)
_CAPS = st.lists(st.integers(1, LIMIT + 1), max_size=6)
_SHARES = st.sampled_from([0.0, 0.1, 0.3, 0.5, 0.7, 0.9, 1.0])


def _moves(*kinds: str, at_most: int = 3) -> st.SearchStrategy[dict[int, list[Move]]]:
    """Return what happens before the n-th request."""
    move = st.builds(Move, st.sampled_from(kinds), _SHARES)
    return st.dictionaries(st.integers(0, 6), st.lists(move, min_size=1, max_size=at_most), max_size=3)


class _World:
    """An API whose rows change between requests, and a record of what was asked of it."""

    def __init__(self, api: Api, count: int, caps: list[int], moves: dict[int, list[Move]], *, has_total: bool) -> None:
        self.rows = [newcomer(f"r{number:02d}") for number in range(count)]
        self.seen = Seen()
        self._moves = moves
        self._caps = caps
        self._requests = 0
        self._api = api
        self.settings = api.serve(self.rows, has_total=has_total, page_size=LIMIT)
        api.sandbox.on_request = self._before

    def _before(self, asked: Asked) -> None:
        if asked.endpoint is None:
            return
        for number, move in enumerate(self._moves.get(self._requests, [])):
            move(self.rows, f"new{self._requests}_{number}")
        cap = self._caps[self._requests % len(self._caps)] if self._caps else LIMIT
        self._api.sandbox.faults = [Fault("cap", rows=cap)]
        self._requests += 1
        self.seen.lists.append([row["id"] for row in self.rows])


@pytest.fixture
def watched(monkeypatch: pytest.MonkeyPatch) -> Callable[[_World], None]:
    """Return what has a world keep every page that its paginator is given, before it takes anything off."""
    original = ProvenPaginator.update_state
    worlds: list[_World] = []

    def update_state(self: ProvenPaginator, response: Response, data: list[Any] | None = None) -> None:
        body = response.json()
        ids = [row["id"] for row in body["data"]]
        worlds[-1].seen.pages.append(Page(body["offset"], ids, body.get("total")))
        original(self, response, data)

    monkeypatch.setattr(ProvenPaginator, "update_state", update_state)
    return worlds.append


def _read_once(world: _World) -> list[str] | None:
    """Return the ids kept by one pass; ``None`` when it noticed that rows moved."""
    try:
        return [row["id"] for row in read(world.settings, rereads=0).rows]
    except Exception as error:
        if any(isinstance(cause, WindowMovedError) for cause in causes(error)):
            return None
        raise


def _one_list(pages: list[Page]) -> list[str] | None:
    """Return the list that gives all of these pages, if it never changes; ``None`` when no list does."""
    whole: dict[int, str] = {}
    for page in pages:
        for place, name in enumerate(page.ids, start=page.offset):
            if whole.setdefault(place, name) != name:
                return None
    gapless = sorted(whole) == list(range(len(whole)))
    totals = {page.total for page in pages}
    return [whole[place] for place in range(len(whole))] if gapless and totals in ({None}, {len(whole)}) else None


@pytest.mark.parametrize("in_flight", [1, 4])
@pytest.mark.parametrize("has_total", [True, False])
@given(count=_ROWS, caps=_CAPS, moves=_moves("insert", "remove", "repeat"))
@_EXAMPLES
def test_success_means_one_list(  # noqa: PLR0913, PLR0917 - what may vary
    api: Api,
    watched: Callable[[_World], None],
    has_total: bool,  # noqa: FBT001 - a parameter of the test
    in_flight: int,
    count: int,
    caps: list[int],
    moves: dict[int, list[Move]],
) -> None:
    """A read that succeeds kept, once each, exactly the rows of a list that explains every page that was used."""
    world = _World(api, count, caps, moves, has_total=has_total)
    world.settings = world.settings.model_copy(update={"max_concurrent_requests": in_flight})
    watched(world)
    kept = _read_once(world)
    if kept is None:
        # nothing moved, nothing repeated: nothing to complain of
        assert moves
        return
    whole = _one_list(world.seen.pages)
    assert whole is not None
    if has_total:
        assert sorted(kept) == sorted(whole)
        assert len(set(kept)) == len(kept)
    else:
        assert set(kept) == set(whole)


@pytest.mark.parametrize("has_total", [True, False])
@given(count=_ROWS, caps=_CAPS, moves=_moves("insert", "remove", at_most=1))
# a row comes between the two requests that the end takes, so that the second repeats one
@example(count=2, caps=[], moves={2: [Move("insert", 0.0)]})
@_EXAMPLES
def test_one_change_at_a_time_is_always_seen(  # noqa: PLR0913, PLR0917 - what may vary
    api: Api,
    watched: Callable[[_World], None],
    has_total: bool,  # noqa: FBT001 - a parameter of the test
    count: int,
    caps: list[int],
    moves: dict[int, list[Move]],
) -> None:
    """Rows that come or go one at a time, page by page: the ids kept are the API's when its end was read, or it failed.

    Without a total the end takes two requests, and a row that goes between them is one that goes after the read; and
    pages of one row have no room for the row that two of them share.
    """
    caps = caps if has_total else [max(cap, 2) for cap in caps]
    world = _World(api, count, caps, moves, has_total=has_total)
    world.settings = world.settings.model_copy(update={"max_concurrent_requests": 1})
    watched(world)
    kept = _read_once(world)
    if has_total and len({len(names) for names in world.seen.lists}) > 1:
        assert kept is None
    if kept is not None:
        assert sorted(kept) in [sorted(names) for names in world.seen.lists[-1 if has_total else -2 :]]


@given(count=_ROWS, caps=_CAPS, has_total=st.booleans(), in_flight=st.sampled_from([1, 4]))
@_EXAMPLES
def test_rows_at_rest_are_read_whole(api: Api, count: int, caps: list[int], has_total: bool, in_flight: int) -> None:  # noqa: FBT001
    """Whatever the page sizes, rows that do not move are read whole, in one pass."""
    world = _World(api, count, caps, {}, has_total=has_total)
    world.settings = world.settings.model_copy(update={"max_concurrent_requests": in_flight})
    assert _read_once(world) == [row["id"] for row in world.rows]


def test_the_limit_is_what_the_docs_say(api: Api) -> None:
    """A removal at the head and an insertion at the tail between two requests hide a row: no reader can see it."""
    world = _World(api, 8, [], {1: [Move("remove", 0.0), Move("insert", 1.0)]}, has_total=True)
    world.settings = world.settings.model_copy(update={"max_concurrent_requests": 1})
    kept = _read_once(world)
    assert kept is not None
    assert "r04" not in kept
    assert len(kept) == 8


def test_without_a_total_that_limit_is_none(api: Api) -> None:
    """The row that two pages share shows the same change."""
    world = _World(api, 8, [], {1: [Move("remove", 0.0), Move("insert", 1.0)]}, has_total=False)
    world.settings = world.settings.model_copy(update={"max_concurrent_requests": 1})
    assert _read_once(world) is None
