"""The walk over a window without HTTP: totals, no totals, caps, shifts, repeats, and which offsets come next."""

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics_assets.ingest.api.walk import OffsetWalk, RowsMovedError

PAGE = 4

Row = dict[str, Any]


def _rows(*ids: object) -> list[Row]:
    return [{"id": one} for one in ids]


def _walk(
    rows: Sequence[Row],
    *,
    has_total: bool = True,
    cap: int = PAGE,
    before_page: Callable[[int, list[Row]], None] = lambda *_: None,
) -> tuple[OffsetWalk, list[object]]:
    """Walk through rows that ``before_page(number, rows)`` may change; return the walk and the ids that came."""
    held, walk, came = list(rows), OffsetWalk(PAGE, ("id",)), []
    for number in range(1, 10 * len(rows) + 10):
        before_page(number, held)
        page = held[walk.offset : walk.offset + cap]
        walk.advance(page, len(held) if has_total else None)
        came += [row["id"] for row in page[walk.overlap :]]
        if walk.is_whole:
            return walk, came
    raise AssertionError(number)


@given(count=st.integers(0, 30), cap=st.integers(1, 6), has_total=st.booleans())
def test_rows_that_stay_come_once_and_in_order(count: int, cap: int, *, has_total: bool) -> None:
    """Whatever the server caps its pages at, with a total and without one."""
    # without a total each page begins with a row of the one before, and has to bring one more
    cap = max(cap, 1 if has_total else 2)
    walk, came = _walk(_rows(*range(count)), has_total=has_total, cap=cap)
    assert came == list(range(count))
    assert (walk.rows_read, walk.distinct_ids) == (count, count)


@given(
    count=st.integers(0, 20),
    has_total=st.booleans(),
    comes=st.booleans(),
    changes=st.lists(st.tuples(st.integers(1, 8), st.integers(0, 20), st.booleans()), max_size=4),
)
def test_whole_or_moved(count: int, changes: list[tuple[int, int, bool]], *, has_total: bool, comes: bool) -> None:
    """However rows go or come while they are read: those that were there all the time have come, or it is said.

    With a total, rows either go or come here: as many of both at once leave the total as it was (docs/reliability.md).
    """
    added = itertools.count(1000)
    stayed = set(range(count))

    def change(number: int, held: list[Row]) -> None:
        for page, place, comes_too in changes:
            if page != number:
                continue
            if comes if has_total else comes_too:
                held.insert(place % (len(held) + 1), {"id": next(added)})
            elif held:
                stayed.discard(held.pop(place % len(held))["id"])

    try:
        _, came = _walk(_rows(*range(count)), has_total=has_total, before_page=change)
    except RowsMovedError:
        return
    assert stayed - set(came) == set()


def test_an_empty_window() -> None:
    """Nothing, and a total of nothing."""
    for has_total in (True, False):
        walk, came = _walk([], has_total=has_total)
        assert (came, walk.pages, walk.offset) == ([], 1, 0)


def test_a_total_ends_the_walk_at_its_last_row() -> None:
    """No page is asked for behind it, but for a first page that is full and all there is."""
    assert _walk(_rows(*range(6)))[0].pages == 2
    assert _walk(_rows(*range(8)))[0].pages == 2
    assert _walk(_rows(*range(3)))[0].pages == 1
    # some APIs give the page's own count as the total
    assert _walk(_rows(*range(PAGE)))[0].pages == 2


def test_without_a_total_the_end_is_asked_for_twice() -> None:
    """Pages overlap by a row; the last brings nothing but that row, and the page behind it is empty."""
    walk = OffsetWalk(PAGE, ("id",))
    offsets, held = [], _rows(*range(6))
    while not walk.is_whole:
        offsets.append(walk.offset)
        walk.advance(held[walk.offset : walk.offset + PAGE], None)
    assert offsets == [0, 3, 5, 6]


def test_a_total_that_changes() -> None:
    """Rows came or went."""
    walk = OffsetWalk(PAGE, ("id",))
    walk.advance(_rows(0, 1, 2, 3), 9)
    with pytest.raises(RowsMovedError, match="the total was 9 and became 8"):
        walk.advance(_rows(4, 5, 6, 7), 8)


def test_a_total_of_the_page_alone() -> None:
    """The page behind shows that there is more than the total says."""
    walk = OffsetWalk(PAGE, ("id",))
    walk.advance(_rows(0, 1, 2, 3), PAGE)
    with pytest.raises(RowsMovedError, match="total 4, but 8 rows had come by then"):
        walk.advance(_rows(4, 5, 6, 7), PAGE)


def test_pages_that_end_before_the_total() -> None:
    """An empty page where rows should be."""
    walk = OffsetWalk(PAGE, ("id",))
    walk.advance(_rows(0, 1, 2, 3), 9)
    with pytest.raises(RowsMovedError, match="total 9, but its pages end after 4 rows"):
        walk.advance([], 9)


def test_a_row_that_is_pushed_onto_the_next_page() -> None:
    """As many rows as the total, but one of them twice: another is missing."""
    walk = OffsetWalk(PAGE, ("id",))
    walk.advance(_rows(0, 1, 2, 3), 6)
    with pytest.raises(RowsMovedError, match="total 6, but 6 rows with 5 ids came"):
        walk.advance(_rows(3, 4), 6)


@pytest.mark.parametrize("total", [9, None])
def test_a_page_that_repeats(total: int | None) -> None:
    """A server that ignores the offset would be read for ever."""
    walk = OffsetWalk(PAGE, ("id",))
    walk.advance(_rows(0, 1, 2, 3), total)
    with pytest.raises(RowsMovedError, match="page at offset"):
        walk.advance(_rows(0, 1, 2, 3), total)


def test_a_shift_without_a_total() -> None:
    """The next page does not begin with the row that it should."""
    walk = OffsetWalk(PAGE, ("id",))
    walk.advance(_rows(0, 1, 2, 3), None)
    with pytest.raises(RowsMovedError, match="the page at offset 3 does not begin with the row it should"):
        walk.advance(_rows(4, 5), None)


def test_rows_without_an_id_count_as_themselves() -> None:
    """They are set aside later; here they are rows like any other, and rows that are no objects too."""
    _, came = _walk([{"id": None}, {"id": None}, {"id": 2.5}])
    assert len(came) == 3
    walk = OffsetWalk(PAGE, ("id",))
    walk.advance(["text", 7, None], 3)
    assert (walk.is_whole, walk.distinct_ids) == (True, 3)


@pytest.mark.parametrize(
    ("came", "total", "ahead"),
    [
        pytest.param(PAGE, 14, [4, 8, 12], id="a total"),
        pytest.param(3, 10, [3], id="a server that caps its pages, or a total of more than the window"),
        pytest.param(PAGE, PAGE, [PAGE], id="a full page that is all, and whatever is behind it"),
        pytest.param(3, 3, [], id="the end"),
        pytest.param(PAGE, None, [3, 6], id="no total: a guess, two pages"),
        pytest.param(3, None, [2, 3], id="no total, and a page that is not full: its last row, and the end behind it"),
        pytest.param(0, None, [], id="no total, and nothing"),
    ],
)
def test_the_offsets_that_come_next(came: int, total: int | None, ahead: list[int]) -> None:
    """After one page: where the next ones begin if they are like it."""
    walk = OffsetWalk(PAGE, ("id",))
    walk.advance(_rows(*range(came)), total)
    assert list(walk.ahead()) == ahead


def test_pages_that_are_capped_are_read_ahead_from_the_second_on() -> None:
    """The second page shows that the total is the window's."""
    walk = OffsetWalk(PAGE, ("id",))
    walk.advance(_rows(0, 1, 2), 12)
    walk.advance(_rows(3, 4, 5), 12)
    assert list(walk.ahead()) == [6, 9]


def test_without_a_total_few_more_are_guessed_than_have_come() -> None:
    """Twice as many, so that a short window wastes few requests."""
    walk = OffsetWalk(PAGE, ("id",))
    for most in (2, 4, 6, 8):
        first = walk.offset
        walk.advance(_rows(*range(first, first + PAGE)), None)
        assert list(walk.ahead()) == [walk.offset + 3 * number for number in range(most)]


def test_without_a_total_a_server_that_caps_its_pages_is_read_ahead() -> None:
    """From the second page on, which is as long as the first: so neither was the end."""
    walk = OffsetWalk(PAGE, ("id",))
    walk.advance(_rows(0, 1, 2), None)
    walk.advance(_rows(2, 3, 4), None)
    assert list(walk.ahead()) == [4, 6, 8, 10]


def test_without_a_total_pages_of_many_lengths_are_rarely_taken_for_the_end() -> None:
    """What is asked for behind a short page is in vain where more follows: not again after a page that is as short."""
    walk = OffsetWalk(PAGE, ("id",))
    vain = []
    for came in (4, 3, 4, 3, 3, 2, 3, 2):
        first = walk.offset
        walk.advance(_rows(*range(first, first + came)), None)
        vain.append(list(walk.ahead()) == [walk.offset, walk.offset + 1] and came > 2)
    assert vain == [False, True, False, False, False, False, False, False]


def test_what_it_says_of_itself() -> None:
    """Pages, rows of how many."""
    walk = OffsetWalk(PAGE, ("id",))
    walk.advance(_rows(*range(PAGE)), 1234)
    assert walk.progress.startswith("1 pages, 4 of 1,234 rows, ")


def test_rows_that_are_known_by_several_fields() -> None:
    """They are told apart by all of them; one that comes twice, in whatever type, shows rows that moved."""
    rows = [{"account": account, "date": date} for account in (1, 2) for date in ("a", "b")]
    walk = OffsetWalk(PAGE, ("account", "date"))
    walk.advance(rows[:2], 4)
    walk.advance(rows[2:], 4)
    assert (walk.is_whole, walk.distinct_ids) == (True, 4)
    walk = OffsetWalk(PAGE, ("account", "date"))
    walk.advance(rows[:2], 4)
    with pytest.raises(RowsMovedError, match="3 ids"):
        walk.advance([{"account": "1", "date": "b"}, rows[3]], 4)
