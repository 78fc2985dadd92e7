"""What the restatements say of how the numbers settle."""

import datetime as dt

import pytest
import time_machine

from analytics_assets.ingest.configured import load_settings
from analytics_assets.ingest.opening import read_warehouse
from analytics_assets.ingest.warehouse.restatements import (
    Age,
    Lookback,
    SettleCurve,
    lookback,
    lookbacks,
    restated_since,
    settle_curves,
)
from analytics_assets.ingest.window import Window, midnight
from analytics_assets_tests.project import Project, Row

NAME = "media_insights"
FIRST = dt.date(2025, 3, 1)
_DAY = dt.timedelta(days=1)
pytestmark = pytest.mark.usefixtures("warehouse")


def day(number: int) -> dt.date:
    """Return the day that is so many days after the first."""
    return FIRST + number * _DAY


def state(today: int) -> list[Row]:
    """Return what the API says on a day: reach grows until a day is two days old, likes until it is one day old."""
    return [
        {
            "id": f"{metric}{number}",
            "metric": metric,
            "value": 10 + min(today - 1 - number, until),
            "timestamp": f"{day(number)}T12:00:00Z",
        }
        for number in range(today)
        for metric, until in (("reach", 2), ("likes", 1))
    ]


def load_on(project: Project, today: int, back: int) -> None:
    """Load yesterday and the days before it, an hour after midnight."""
    project.serve(rows={NAME: state(today)})
    with time_machine.travel(midnight(day(today), dt.UTC) + dt.timedelta(hours=1), tick=True):
        project.load(Window(midnight(day(max(today - 1 - back, 0)), dt.UTC), midnight(day(today), dt.UTC)), NAME)


def curves_on(today: int) -> dict[str | None, list[tuple[int, int, int, int]]]:
    """Return the curve of the endpoint and those of its metrics, as they are known on a day."""
    with read_warehouse() as client:
        curves = [one for one in settle_curves(client, load_settings(), day(today)) if one.endpoint == NAME]
    return {one.metric: [(age.age, age.days, age.numbers, age.moved) for age in one.ages] for one in curves}


def test_a_day_counts_at_an_age_only_where_it_was_read_then(project: Project) -> None:
    """Of the days that were read again at an age: how many, with how many numbers, and which of those had moved."""
    for today in (1, 2, 3, 4, 5):
        load_on(project, today, back=3)
    # After an outage a day is read for the first time when it is a day old. And a part of a day proves nothing of it.
    load_on(project, 7, back=1)
    with time_machine.travel(midnight(day(7), dt.UTC), tick=True):
        project.load(Window(midnight(day(2), dt.UTC), midnight(day(2), dt.UTC) + dt.timedelta(hours=13)), NAME)
    found = curves_on(8)
    assert found == {
        None: [(1, 4, 8, 8), (2, 3, 6, 3), (3, 2, 4, 0)],
        "likes": [(1, 4, 4, 4), (2, 3, 3, 0), (3, 2, 2, 0)],
        "reach": [(1, 4, 4, 4), (2, 3, 3, 3), (3, 2, 2, 0)],
    }
    with read_warehouse() as client:
        settings = load_settings()
        since, until = midnight(day(3), dt.UTC), midnight(day(4), dt.UTC)
        assert restated_since(client, since, until) == {NAME: 3}
        assert restated_since(client, until, until) == {}
        [told] = [one for one in lookbacks(client, settings, day(8)) if one.endpoint == NAME]
    assert told.days is None
    assert "50 % of the numbers of media_insights still moved after 2 days" in told.reason


def test_days_are_those_of_the_time_zone(project: Project) -> None:
    """A load an hour after midnight in UTC is of the same evening in New York, where that day has not ended."""
    project.configure(timezone="America/New_York")
    load_on(project, 2, back=2)
    load_on(project, 3, back=2)
    assert curves_on(3) == {None: [(1, 1, 2, 1)], "likes": [(1, 1, 1, 0)], "reach": [(1, 1, 1, 1)]}


def test_nothing_is_known_before_the_first_load() -> None:
    """Neither of a warehouse without tables, nor of one that has no restatements."""
    with read_warehouse() as client:
        settings = load_settings()
        assert {(one.endpoint, one.metric, one.ages) for one in settle_curves(client, settings, day(8))} == {
            (endpoint.name, None, ()) for endpoint in settings.resolved_endpoints
        }
        assert restated_since(client, midnight(FIRST, dt.UTC), midnight(day(8), dt.UTC)) == {}
        assert {one.days for one in lookbacks(client, settings, day(8))} == {None}


def told(now: int, *moved: int, days: int = 5) -> Lookback:
    """Return what is said where so many of a thousand numbers moved at the ages 1, 2 and so on."""
    ages = [Age(age=i, days=days, numbers=1000, moved=count) for i, count in enumerate(moved, start=1)]
    return lookback(SettleCurve(endpoint=NAME, ages=ages), now)


TOO_FEW, TOO_MANY = ", so what changes later than that is not seen", ", so more is read again than changes"
MOVING = (
    f"not enough known yet: 5 % of the numbers of {NAME} still moved after 2 days, and older days were not read again: "
    "lookback_days = 2 or more; it is 2 now"
)
FEW = f"not enough known yet: fewer than 3 days of {NAME} were read again after they had ended"


@pytest.mark.parametrize(
    ("found", "days", "reason"),
    [
        (told(0), None, f"{FEW}; lookback_days = 7 for two weeks would tell"),
        (told(2, 900, 0, days=2), None, FEW),
        (told(0, 0, 3), 0, "99.7 % once the day has ended: lookback_days = 0; it is 0 now"),
        (told(0, 900, 200, 50, 10, 0), 3, f"99 % after 3 days: lookback_days = 3; it is 0 now{TOO_FEW}"),
        (told(7, 900, 0, 0), 1, f"100 % after 1 day: lookback_days = 1; it is 7 now{TOO_MANY}"),
        (told(1, 900, 0, 11, 9), 3, f"99.1 % after 3 days: lookback_days = 3; it is 1 now{TOO_FEW}"),
        (told(2, 900, 50), None, MOVING),
    ],
)
def test_the_advice_has_its_reason(found: Lookback, days: int | None, reason: str) -> None:
    """Where numbers stand still, and where that is not known, and what the setting is."""
    assert found.days == days
    assert found.reason.replace(f" of the numbers of {NAME} stand still", "") == reason
