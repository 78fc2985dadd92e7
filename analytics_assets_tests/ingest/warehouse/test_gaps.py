"""Which days are to be loaded that no schedule loads again, and which endpoints wait."""

import datetime as dt
from typing import Any

import pytest

from analytics_assets.ingest.configured import load_settings
from analytics_assets.ingest.warehouse.coverage import Coverage, DayOfEndpoint, unknown
from analytics_assets.ingest.warehouse.gaps import (
    Gap,
    days_within_budget,
    given_up,
    grouped,
    newest_try,
    refused,
    wanted,
)
from analytics_assets_tests.project import Project

DAYS = [dt.date(2025, 3, day) for day in range(1, 6)]
NOW = dt.datetime(2025, 3, 6, 7, tzinfo=dt.UTC)
HOUR = dt.timedelta(hours=1)


def day(number: int, endpoint: str = "stories", **known: Any) -> DayOfEndpoint:  # noqa: ANN401 - the fields of a day
    """Return a day of March; one that failed was tried a day ago."""
    if known.get("tries"):
        known = {"state": "failed", "tried_at": NOW - 24 * HOUR, "reason": "API failing: 503"} | known
    return DayOfEndpoint(endpoint=endpoint, day=dt.date(2025, 3, number), **known)


def where(*known: DayOfEndpoint) -> Coverage:
    """Return what the ledger says where all days are proven but these."""
    found = {
        name: {one: day(one.day, name, state="proven", loaded_at=NOW - 48 * HOUR) for one in days}
        for name, days in unknown(load_settings(), DAYS[0], DAYS[-1]).items()
    }
    for one in known:
        found[one.endpoint][one.day] = one
    return found


def test_days_that_are_not_proven_are_wanted_newest_first() -> None:
    """Missing, failed, or only read while they lasted; what is proven is not, though a later load of it failed."""
    open_days = [day(1), day(3, tries=1), day(4, state="partial", loaded_at=NOW - 36 * HOUR)]
    again = day(2, state="proven", tries=1)
    assert wanted(where(*open_days, again), load_settings(), NOW, None) == open_days[::-1]


@pytest.mark.parametrize(
    ("cron", "hours"), [("0 1 * * *", 6), ("30 9 * * *", 14.5), ("5 3,15 * * 1-5", 8 + 5 / 60), ("*/15 * * * *", 5)]
)
def test_yesterday_is_the_daily_loads_until_five_hours_after_its_time(
    project: Project, cron: str, hours: float
) -> None:
    """However late in the day that is; of a cron expression the first time that it names counts."""
    project.configure(daily_cron=cron)
    then = dt.datetime(2025, 3, 6, tzinfo=dt.UTC) + hours * HOUR
    assert wanted(where(day(5)), load_settings(), then, None) == [day(5)]
    assert wanted(where(day(5)), load_settings(), then - dt.timedelta(seconds=1), None) == []


def test_today_is_not_over(project: Project) -> None:
    """Its window can be proven only then."""
    project.configure(timezone="America/New_York")
    assert wanted(where(day(5)), load_settings(), NOW, None) == []
    assert wanted(where(day(5)), load_settings(), NOW + 5 * HOUR, None) == [day(5)]


@pytest.mark.parametrize(("tries", "hours"), [(1, 1), (2, 2)])
def test_what_failed_waits_longer_each_time(tries: int, hours: int) -> None:
    """An hour, and twice that after each further try."""
    failed = day(3, tries=tries, tried_at=NOW - hours * HOUR)
    assert wanted(where(failed), load_settings(), NOW, None) == [failed]
    assert wanted(where(failed), load_settings(), NOW - dt.timedelta(seconds=1), None) == []


def test_after_so_many_tries_a_day_is_given_up(project: Project) -> None:
    """It is wanted no more until somebody has loaded it; one that is proven is not given up."""
    project.configure(gap_tries=2)
    dead = [day(1, tries=2), day(2, "user_insights", tries=5), day(3, tries=2, state="partial")]
    known = where(*dead, day(4, tries=9, state="proven"))
    assert given_up(known, load_settings()) == dead
    assert wanted(known, load_settings(), NOW, None) == []


def test_what_failed_for_a_lasting_cause_waits_for_a_sign() -> None:
    """A path that is not found is not there an hour later; a load of the endpoint, or a check that is fine, says so."""
    lasting = day(3, tries=1, reason="path not found: 404")
    none_loaded = {"stories": {one.day: one for one in (lasting, day(4))}}
    assert wanted(none_loaded, load_settings(), NOW, None) == [day(4)]
    assert wanted(none_loaded, load_settings(), NOW, NOW - 25 * HOUR) == [day(4)]
    assert wanted(none_loaded, load_settings(), NOW, NOW - 23 * HOUR) == [day(4), lasting]
    loaded = day(4, state="proven", loaded_at=NOW - 23 * HOUR)
    assert wanted({"stories": {one.day: one for one in (lasting, loaded)}}, load_settings(), NOW, None) == [lasting]


def test_consecutive_days_of_the_same_endpoints_are_one_gap() -> None:
    """The newest come first, and so many days at once."""
    days = [day(5), day(5, "user_insights"), day(4), day(4, "user_insights"), day(3), day(1)]
    both, stories = ("stories", "user_insights"), ("stories",)
    whole = [Gap(DAYS[3], DAYS[4], both), Gap(DAYS[2], DAYS[2], stories), Gap(DAYS[0], DAYS[0], stories)]
    assert grouped(days, 7) == whole
    assert grouped(days, 3) == whole[:2]
    assert grouped(days, 1) == [Gap(DAYS[4], DAYS[4], both)]
    assert grouped([], 7) == []


def test_a_day_that_failed_stands_alone() -> None:
    """Asked for in one window with others, it would take them down, until all of them were given up."""
    failed = day(3, tries=1)
    assert grouped([day(5), day(4), failed, day(2), day(1)], 7) == [
        Gap(DAYS[3], DAYS[4], ("stories",)),
        Gap(DAYS[2], DAYS[2], ("stories",)),
        Gap(DAYS[0], DAYS[1], ("stories",)),
    ]
    assert len(grouped([failed, day(2, tries=1)], 7)) == 2


def test_a_list_that_is_read_whole_is_wanted_once(project: Project) -> None:
    """One load of it proves every day, so it is not asked for day by day."""
    project.configure(
        endpoints__stories__window_start_param="", endpoints__stories__window_end_param="", start_date="2025-03-01"
    )
    known = where(*(day(number) for number in range(1, 6)), day(2, "user_insights"))
    assert wanted(known, load_settings(), NOW, None) == [day(5), day(2, "user_insights")]


def test_which_failure_is_the_newest_is_no_question_of_how_moments_are_written() -> None:
    """In the night in which the clocks go back, the later moment is written as the earlier hour."""
    before = dt.datetime(2025, 10, 26, 2, 50, tzinfo=dt.timezone(2 * HOUR))
    after = dt.datetime(2025, 10, 26, 2, 10, tzinfo=dt.timezone(HOUR))
    earlier, later = day(1, tries=1, tried_at=before), day(2, tries=1, tried_at=after)
    assert newest_try([later, earlier]) == later
    assert newest_try([day(3)]) is None


def test_the_pace_bounds_what_is_asked_for(project: Project) -> None:
    """Half of what the time allows, and never nothing."""
    project.configure(max_requests_per_second=0.1, gap_days=7)
    # 900 s, 90 requests, 45 of them
    assert [days_within_budget(load_settings(), requests, 900) for requests in (15, 45, 500, 1, 0)] == [3, 1, 1, 7, 7]
    project.configure(max_requests_per_second=0)
    assert days_within_budget(load_settings(), 500, 900) == 7


def test_a_refused_key_stops_its_endpoint_until_there_is_a_sign() -> None:
    """The newest failure counts, and a load or a check that is fine after it ends it."""
    no_key = day(5, tries=1, reason="key refused: 403", tried_at=NOW - HOUR)
    assert refused(where(no_key), None) == {"stories": no_key}
    assert refused(where(no_key), NOW - 2 * HOUR) == {"stories": no_key}
    assert refused(where(no_key), NOW) == {}
    assert refused(where(no_key, day(4, state="proven", loaded_at=NOW)), None) == {}
    assert refused(where(no_key, day(4, tries=1, tried_at=NOW)), None) == {}
    assert refused(where(day(5, tries=1)), None) == {}
