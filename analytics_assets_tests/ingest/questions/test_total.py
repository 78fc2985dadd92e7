"""A total has to be the number of rows that the API returns; else a load would fail by it, or end too early."""

from collections.abc import Callable
from typing import Any

import pytest

from analytics_assets.sandbox.answer import Answer
from analytics_assets.sandbox.faults import Fault
from analytics_assets_tests.ingest.questions.vendor import ROWS, Twist, check
from analytics_assets_tests.project import Project, Row, stories


def says(total: Callable[[Answer], object]) -> Twist:
    """Return an API whose total is what a function makes of the answer."""

    def change(answer: Answer) -> None:
        answer.replaced["total"] = total(answer)

    return Twist(change)


def count(answer: Answer) -> int:
    """Return how many rows of the page there are."""
    return len(answer.rows[answer.first : answer.first + answer.size])


@pytest.mark.parametrize(
    ("rows", "total", "said", "most"),
    [
        (ROWS, lambda _: 7000, "says a total of 7,000, as it does without a window, and other days have rows too", 9),
        (stories(50), lambda _: 50, "the API returned no row, and a total of 50: its total is not the window's", 9),
        (ROWS, count, "says a total of 1 when asked for one row, and of 100 for 100: it counts the rows of a page", 8),
        (ROWS, lambda answer: min(len(answer.rows), 100), "a total of 100, and rows follow behind that: it is capp", 9),
        (ROWS, lambda answer: len(answer.rows) and len(answer.rows) + 7, "of 55, but its pages end before", 9),
        (
            stories(3),
            lambda answer: 3 if "since=2025-03-01" in answer.url else 5 * ("since" not in answer.url),
            "the API says a total of 5, but its pages end before: it counts rows that it does not return",
            10,
        ),
        (ROWS, lambda answer: len(answer.rows) // 2, "says a total of 96, and 100 rows came", 8),
    ],
    ids=[
        "all history",
        "all history is a day",
        "a page",
        "capped",
        "more than come, of a day",
        "more than come",
        "less",
    ],
)
def test_a_total_that_is_not_believable(
    project: Project, rows: list[Row], total: Callable[[Answer], object], said: str, most: int
) -> None:
    """It names the setting, and how to do without."""
    verdict, sandbox = check(project, rows, says(total))
    assert verdict.kind == "setting"
    assert said in verdict.message
    assert verdict.message.endswith('Check total_selector; "" reads without a total')
    assert (said, len(sandbox.requests)) == (said, most)


def test_a_round_total_may_be_right(project: Project) -> None:
    """One more request shows it."""
    verdict, sandbox = check(project, stories(200))
    assert verdict.is_fine
    assert "200" in [request.params["offset"] for request in sandbox.requests]


@pytest.mark.parametrize("total", [10**30, "192"])
def test_odd_totals(project: Project, total: Any) -> None:  # noqa: ANN401 - whatever JSON has
    """A total of another type is read as a load reads it; one that no list has is no bug of ours."""
    verdict, _ = check(project, ROWS, Fault("total", value=total))
    assert "its total is not the window's" in verdict.message
