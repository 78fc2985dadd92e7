"""Pages have to fit together: what an API makes of offset and limit otherwise is told apart."""

import itertools
import random
from collections.abc import Callable
from typing import Any

import pytest

from analytics_assets.sandbox.answer import Answer
from analytics_assets.sandbox.faults import Fault
from analytics_assets_tests.ingest.questions.vendor import ROWS, Twist, check
from analytics_assets_tests.project import Project, stories


def at(first: Callable[[int, int], int], size: int | None = None) -> Twist:
    """Return an API that begins at another place than the offset, and may have a page size of its own."""

    def change(answer: Answer) -> None:
        answer.first = first(answer.offset, answer.limit)
        answer.size = size or answer.size

    return Twist(change)


def shuffled() -> Twist:
    """Return an API that has another order each time that it is asked."""
    seeds = itertools.count()

    def change(answer: Answer) -> None:
        answer.rows = random.Random(next(seeds)).sample(list(answer.rows), len(answer.rows))  # noqa: S311

    return Twist(change)


NONE = {"total_selector": ""}
PAGE_NUMBER = "it takes the offset for a page number. Check offset_param, or set pagination"


@pytest.mark.parametrize(
    ("twist", "configured", "said", "requests"),
    [
        (at(lambda *_: 0), {}, "from offset 4 ('offset'), the API returned the first ones again: it does not", 8),
        (at(lambda *_: 0), NONE, "it does not honour offset_param. Check its name", 8),
        (at(lambda offset, limit: offset * limit), {}, PAGE_NUMBER, 8),
        (at(lambda offset, limit: max(offset - 1, 0) * limit), {}, PAGE_NUMBER, 8),
        (at(lambda offset, limit: offset * limit), NONE, PAGE_NUMBER, 8),
        (at(lambda offset, limit: max(offset - 1, 0) * limit), NONE, PAGE_NUMBER, 8),
        (at(lambda offset, _: offset * 25, size=25), {}, PAGE_NUMBER, 9),
        (at(lambda offset, limit: offset // limit * limit), NONE, "it rounds to whole pages", 8),
        (at(lambda offset, _: offset, size=25), {},
         "the API returned 25, and 25 when asked for 2: it does not honour limit_param. Check its name, or", 9),
        (at(lambda offset, _: offset, size=150), {}, "returned 150, and 150 when asked for 2: it does not honour", 8),
        (shuffled(), {}, "the same page, asked for twice, brought other rows: ask for an order in extra_params", 8),
        (shuffled(), NONE, "the same page, asked for twice, brought other rows", 8),
    ],
    ids=[
        "ignored", "ignored, no total", "page number from 0", "page number from 1", "page number from 0, no total",
        "page number from 1, no total", "page number and no limit", "whole pages, no total", "no limit",
        "no limit, all at once", "no order", "no order, no total",
    ],
)  # fmt: skip
def test_an_offset_that_is_misread(
    project: Project, twist: Twist, configured: dict[str, Any], said: str, requests: int
) -> None:
    """An offset that is ignored, taken for a page number or rounded, a limit that is ignored, an order that changes."""
    verdict, sandbox = check(project, ROWS, twist, **configured)
    assert verdict.kind == "setting"
    assert said in verdict.message
    assert (said, len(sandbox.requests)) == (said, requests)


def test_pages_that_are_capped(project: Project) -> None:
    """A load goes on by what came, so that is fine; to name the size lets it read ahead from the beginning."""
    verdict, _ = check(project, ROWS, Fault("cap", rows=25))
    assert verdict.is_fine
    assert "its pages end at 25 rows: set page_size = 25; " in verdict.message
    project.configure(page_size=25)
    verdict, _ = check(project, ROWS, Fault("cap", rows=25))
    assert "page_size" not in verdict.message


def test_whole_pages_are_enough_with_a_total(project: Project) -> None:
    """Then no page has to overlap another one, and a load asks for whole ones."""
    verdict, _ = check(project, ROWS, at(lambda offset, limit: offset // limit * limit))
    assert verdict.is_fine, verdict


@pytest.mark.parametrize("count", [1, 2, 4])
def test_few_rows_are_compared_as_far_as_they_go(project: Project, count: int) -> None:
    """From two rows on an offset that is ignored is seen; what cannot be seen is no fault."""
    assert check(project, stories(count))[0].is_fine
    assert check(project, stories(count), at(lambda *_: 0))[0].is_fine == (count == 1)


def test_the_last_page_again_is_no_row_behind_it(project: Project) -> None:
    """Some APIs answer so to an offset behind the end."""
    last = Twist(lambda answer: setattr(answer, "first", min(answer.offset, max(len(answer.rows) - answer.limit, 0))))
    for count in (1, 60, 200):
        verdict, _ = check(project, stories(count), last)
        assert verdict.is_fine, verdict


def test_a_page_size_of_one(project: Project) -> None:
    """Two pages of a row have to be two rows."""
    assert check(project, stories(3), page_size=1)[0].is_fine
    verdict, _ = check(project, stories(3), at(lambda *_: 0), page_size=1)
    assert "does not honour offset_param" in verdict.message


def test_an_order_that_turns_round(project: Project) -> None:
    """The row that an offset leads to fits, and yet the page is another one when it is asked for again."""
    is_turned = itertools.cycle([False, True])

    def turn(answer: Answer) -> None:
        if answer.limit == 100 and "since" not in answer.url and next(is_turned):
            answer.edits.append(lambda page: page[::-1])

    verdict, sandbox = check(project, stories(60), Twist(turn))
    assert "brought another order: ask for an order in extra_params" in verdict.message
    assert len(sandbox.requests) == 9


def test_rows_that_arrive_meanwhile_are_no_other_order(project: Project) -> None:
    """A list with the newest first has new rows at its head."""
    rows = stories(60)[::-1]

    def arrive(answer: Answer) -> None:
        if "since" not in answer.url and answer.limit == 100:
            rows.insert(0, {"id": f"new{len(rows)}", "timestamp": "2025-03-01T20:00:00Z"})

    verdict, _ = check(project, rows, Twist(arrive), total_selector="")
    assert verdict.is_fine, verdict
