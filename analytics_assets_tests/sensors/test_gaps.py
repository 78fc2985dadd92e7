"""The gap filler, and what is paused: a project on a frozen clock."""

import datetime as dt
from collections.abc import Iterator

import dagster as dg
import filelock
import pytest
import time_machine

from analytics_assets import pause
from analytics_assets.ingest.configured import load_settings
from analytics_assets.ingest.window import Window
from analytics_assets.sandbox.faults import Fault
from analytics_assets_tests.project import Project
from analytics_assets_tests.sensors.ticks import Ticks, days, names

GAPS = "gap_filler"
MORNING = dt.datetime(2025, 3, 5, 7, tzinfo=dt.UTC)
HOUR = dt.timedelta(hours=1)
ALL = ["media_insights", "stories", "story_insights", "user_insights"]


@pytest.fixture
def clock(project: Project) -> Iterator[time_machine.Traveller]:
    """Return a clock that stands in the morning of the fifth day of the project."""
    project.configure(start_date="2025-03-01", max_retries=0)
    with time_machine.travel(MORNING, tick=False) as traveller:
        yield traveller


@pytest.fixture
def ticks(project: Project, clock: time_machine.Traveller) -> Ticks:
    """Return what makes ticks."""
    assert clock
    return Ticks(project.instance())


@pytest.mark.usefixtures("warehouse")
def test_days_that_were_never_loaded_are_filled(project: Project, ticks: Ticks) -> None:
    """The newest ones first, a few at once, until there is none; runs in the queue are not asked for again."""
    project.serve()
    project.configure(gap_days=3)
    ticks.definitions = Ticks(ticks.instance).definitions
    [request] = ticks.sensor(GAPS)
    assert (days(request), names(request)) == (("2025-03-02", "2025-03-04"), ALL)
    assert request.tags["dagster/priority"] == "-1"
    queued = ticks.queue(request)
    [rest] = ticks.sensor(GAPS)
    assert days(rest) == ("2025-03-01", "2025-03-01")
    ticks.instance.delete_run(queued.run_id)
    assert ticks.run(request)
    assert ticks.run(rest)
    assert ticks.sensor(GAPS) == []
    assert ticks.skipped == "every day that is over is proven, or is about to be loaded"


def test_a_day_that_fails_is_given_up(project: Project, clock: time_machine.Traveller, ticks: Ticks) -> None:
    """After so many tries, with longer waits between them; and it is said which."""
    sandbox = project.serve()
    [request] = ticks.sensor(GAPS)
    assert ticks.run(request)
    tried = []
    for hour in range(6):
        clock.move_to(MORNING + (24 + hour) * HOUR)
        # another day can be loaded, so it is this one that fails
        sandbox.faults.clear()
        project.load(Window.of_day(dt.date(2025, 3, 1)))
        sandbox.faults[:] = [Fault("status", status=503, endpoint="stories")]
        for request in ticks.sensor(GAPS):
            tried.append(hour)
            assert days(request) == ("2025-03-05", "2025-03-05")
            assert not ticks.run(request)
    assert tried == [0, 1, 3]
    assert ticks.skipped == ("given up after 3 tries: stories 2025-03-05; load them by hand to see why they fail")
    sandbox.faults.clear()
    assert project.materialize("stories", day="2025-03-05", instance=ticks.instance).success
    assert ticks.sensor(GAPS) == []
    assert ticks.skipped.startswith("every day that is over is proven")


def test_a_day_that_could_not_be_read_again_is(project: Project, clock: time_machine.Traveller, ticks: Ticks) -> None:
    """The last look back at a day fails, and no daily load has that day again: its restatements would be missed."""
    project.configure(lookback_days=2)
    ticks.definitions = Ticks(ticks.instance).definitions
    sandbox = project.serve()
    [request] = ticks.sensor(GAPS)
    assert ticks.run(request)
    clock.move_to(MORNING + 18 * HOUR)
    sandbox.faults[:] = [Fault("status", status=503, endpoint="user_insights")]
    [daily] = ticks.schedule("daily_load", MORNING + 18 * HOUR)
    assert days(daily) == ("2025-03-03", "2025-03-05")
    assert not ticks.run(daily)
    # somebody's own load of an older day that fails is his
    assert not project.materialize("user_insights", day="2025-03-01", instance=ticks.instance).success
    sandbox.faults.clear()
    clock.move_to(MORNING + 30 * HOUR)
    asked = ticks.sensor(GAPS)
    assert [(days(one)[0], names(one)) for one in asked] == [
        (f"2025-03-0{day}", ["user_insights"]) for day in (5, 4, 3)
    ]
    for one in asked:
        assert ticks.run(one)
    assert ticks.sensor(GAPS) == []


def test_a_run_of_somebody_elses_partitions_is_no_days(ticks: Ticks) -> None:
    """Assets beside ours may have other partitions than days, and their runs stand in the same queue."""
    queued = ticks.queue(dg.RunRequest())
    ticks.instance.add_run_tags(queued.run_id, {"dagster/partition": "emea"})
    assert len(ticks.sensor(GAPS)) == 1


@pytest.mark.duckdb
def test_a_warehouse_that_is_written_is_a_tick_later(
    project: Project, ticks: Ticks, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No tick fails for it; and where there is no warehouse yet, none is made."""
    monkeypatch.setattr(pause, "PATIENCE_SECONDS", 0.2)
    assert ticks.sensor(GAPS)
    assert not (project.path / "warehouse.duckdb").exists()
    project.serve()
    project.load()
    with filelock.FileLock(project.path / "warehouse.duckdb.lock"):
        assert ticks.sensor(GAPS) == []
        assert ticks.skipped.startswith("the ledger cannot be read now: warehouse busy: waited 0.2 s")
        # a day is better asked for twice
        assert len(ticks.schedule("daily_load", MORNING)) == 1


@pytest.mark.duckdb
def test_the_pace_is_looked_up_with_the_same_patience(
    project: Project, ticks: Ticks, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where it is bounded, the ledger is asked a second time: that makes no file, and a tick does not fail for it."""
    project.configure(max_requests_per_second=1)
    ticks.definitions = Ticks(ticks.instance).definitions
    assert ticks.sensor(GAPS)
    assert not (project.path / "warehouse.duckdb").exists()
    project.serve()
    project.load()
    known = pause.known(load_settings())
    monkeypatch.setattr(pause, "known", lambda _: known)
    monkeypatch.setattr(pause, "PATIENCE_SECONDS", 0.2)
    with filelock.FileLock(project.path / "warehouse.duckdb.lock"):
        assert ticks.sensor(GAPS) == []
        assert ticks.skipped.startswith("the ledger cannot be read now: warehouse busy: waited 0.2 s")
    assert ticks.sensor(GAPS)


def test_a_refused_key_pauses_what_it_is_refused_for(
    project: Project, clock: time_machine.Traveller, ticks: Ticks
) -> None:
    """One endpoint waits alone; all of them pause everything, until the check is fine, and then the rest is filled."""
    sandbox = project.serve()
    [request] = ticks.sensor(GAPS)
    assert ticks.run(request)
    clock.move_to(MORNING + 20 * HOUR)
    sandbox.faults[:] = [Fault("status", status=403, endpoint="user_insights")]
    [daily] = ticks.schedule("daily_load", MORNING + 18 * HOUR)
    assert not ticks.run(daily)
    assert ticks.schedule("connection_check", MORNING) != []
    [daily] = ticks.schedule("daily_load", MORNING + 42 * HOUR)
    assert names(daily) == ["insights_report", *ALL[:3]]
    clock.move_to(MORNING + 44 * HOUR)
    sandbox.faults[:] = [Fault("status", status=403)]
    assert not ticks.run(daily)
    paused = "paused: the key was refused for media_insights, stories, story_insights, user_insights since 2025-03-06"
    for name in (GAPS, "new_stories"):
        assert ticks.sensor(name) == []
        assert ticks.skipped.startswith(paused), name
    assert ticks.schedule("daily_load", MORNING + 66 * HOUR) == []
    assert ticks.skipped.endswith("it goes on when the job check_connection is fine, or when somebody has loaded a day")
    [check] = ticks.schedule("connection_check", MORNING + 45 * HOUR)
    assert not ticks.run(check, "check_connection")
    assert ticks.sensor(GAPS) == []
    sandbox.faults.clear()
    clock.move_to(MORNING + 48 * HOUR)
    assert ticks.run(check, "check_connection")
    assert ticks.schedule("connection_check", MORNING + 48 * HOUR) == []
    assert ticks.skipped == "nothing is paused"
    asked = ticks.sensor(GAPS)
    found = {(days(one), tuple(names(one))) for one in asked}
    assert found == {(("2025-03-05",) * 2, ("user_insights",)), (("2025-03-06",) * 2, tuple(ALL))}
    for one in asked:
        assert ticks.run(one)
    assert ticks.sensor(GAPS) == []
