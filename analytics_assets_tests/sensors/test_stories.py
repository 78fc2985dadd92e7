"""The look for new rows where rows expire."""

import datetime as dt
import json
from collections.abc import Iterator

import dagster as dg
import pytest
import time_machine

from analytics_assets.build import build_definitions
from analytics_assets.sandbox.app import Sandbox
from analytics_assets.sandbox.faults import Fault
from analytics_assets.sensors.stories import NAME, Watch, priority
from analytics_assets_tests.project import Project, Row
from analytics_assets_tests.sensors.ticks import Ticks, days, names
from analytics_assets_tests.warehouses import Warehouse

NOON = dt.datetime(2025, 3, 2, 12, tzinfo=dt.UTC)
MINUTE, HOUR = dt.timedelta(minutes=1), dt.timedelta(hours=1)


def story(number: int, posted: dt.datetime) -> Row:
    """Return a story that expires a day after it was posted."""
    return {"id": f"s{number}", "timestamp": posted.isoformat(), "expires_at": (posted + 24 * HOUR).isoformat()}


@pytest.fixture
def clock() -> Iterator[time_machine.Traveller]:
    """Return a clock that stands at noon, and is moved by hand."""
    with time_machine.travel(NOON, tick=False) as traveller:
        yield traveller


@pytest.fixture
def sandbox(project: Project) -> Sandbox:
    """Serve two stories; the second was posted half an hour ago."""
    return project.serve(rows={"stories": [story(1, NOON - 20 * HOUR), story(2, NOON - 30 * MINUTE)]})


@pytest.fixture
def ticks(project: Project) -> Ticks:
    """Return what makes ticks."""
    return Ticks(project.instance())


@pytest.mark.usefixtures("warehouse")
def test_a_new_story_is_loaded_and_an_old_one_is_not_asked_for_again(
    sandbox: Sandbox, clock: time_machine.Traveller, ticks: Ticks, warehouse: Warehouse
) -> None:
    """The first look finds all that lives; a later one costs one request, and asks for a load only if there is news."""
    [request] = ticks.sensor(NAME)
    assert days(request) == ("2025-03-01", "2025-03-02")
    assert names(request) == ["stories", "story_insights"]
    assert ticks.run(request, sensor=NAME)
    assert [row for (row,) in warehouse.execute("SELECT id FROM analytics.stories ORDER BY id")] == ["s1", "s2"]
    for _ in range(3):
        clock.shift(15 * MINUTE)
        sandbox.requests.clear()
        assert ticks.sensor(NAME) == []
        assert ticks.skipped == "nothing new"
        assert len(sandbox.requests) == 1
    sandbox.rows["stories"].append(story(3, NOON + 40 * MINUTE))
    [again] = ticks.sensor(NAME)
    assert again.run_key != request.run_key
    # not before it was run: that would be asked for twice
    assert ticks.run(again, sensor=NAME)
    assert ticks.sensor(NAME) == []


def test_what_lives_is_loaded_now_and_then_without_news(
    sandbox: Sandbox, clock: time_machine.Traveller, ticks: Ticks
) -> None:
    """Every four hours: likes move, and a story may be posted late."""
    assert sandbox
    assert ticks.sensor(NAME)
    clock.shift(4 * HOUR - MINUTE)
    assert ticks.sensor(NAME) == []
    clock.shift(MINUTE)
    assert len(ticks.sensor(NAME)) == 1
    assert ticks.sensor(NAME) == []


def test_a_queue_gets_one_run_whose_priority_rises(
    sandbox: Sandbox, clock: time_machine.Traveller, ticks: Ticks
) -> None:
    """While it waits, no other is asked for; the closer the first story is to its end, the sooner it is its turn."""
    [request] = ticks.sensor(NAME)
    # the older one has four hours left
    assert request.tags["dagster/priority"] == "20"
    run = ticks.queue(request, NAME)
    clock.shift(2 * HOUR)
    sandbox.requests.clear()
    assert ticks.sensor(NAME) == []
    assert sandbox.requests == []
    assert ticks.skipped == f"run {run.run_id} is under way (QUEUED), now with priority 22"
    queued = ticks.instance.get_run_by_id(run.run_id)
    assert queued
    assert queued.tags["dagster/priority"] == "22"
    assert ticks.sensor(NAME) == []
    assert ticks.skipped == f"run {run.run_id} is under way (QUEUED)"


@pytest.mark.parametrize(("hours", "expected"), [(24, 1), (23.5, 1), (4, 20), (0.2, 24), (None, 1), (100, 1)])
def test_the_priority_is_what_is_gone_of_a_day(hours: float | None, expected: int) -> None:
    """From 1 to 24."""
    assert priority(NOON + hours * HOUR if hours else None, NOON) == expected


def test_while_the_api_is_down_it_is_asked_less_often(
    sandbox: Sandbox, clock: time_machine.Traveller, ticks: Ticks
) -> None:
    """The wait doubles up to an hour, and the first look that works finds what came meanwhile."""
    sandbox.faults[:] = [Fault("status", status=503)]
    looked = []
    for minute in range(0, 301, 15):
        clock.move_to(NOON + minute * MINUTE)
        before = len(sandbox.requests)
        assert ticks.sensor(NAME) == []
        if len(sandbox.requests) > before:
            looked.append(minute)
            assert "503" in ticks.skipped
        else:
            assert "looks failed: the next is at" in ticks.skipped
    assert looked == [0, 15, 45, 105, 165, 225, 285]
    sandbox.faults.clear()
    clock.move_to(NOON + 345 * MINUTE)
    assert len(ticks.sensor(NAME)) == 1
    assert json.loads(ticks.cursors[NAME] or "")["failures"] == 0


def test_a_load_that_failed_is_asked_for_again(
    project: Project, sandbox: Sandbox, clock: time_machine.Traveller, ticks: Ticks
) -> None:
    """Less and less often, and not where only a person can mend it."""
    project.configure(max_retries=0)
    [request] = ticks.sensor(NAME)
    sandbox.faults[:] = [Fault("status", status=503)]
    assert not ticks.run(request, sensor=NAME)
    sandbox.faults.clear()
    clock.shift(15 * MINUTE)
    [again] = ticks.sensor(NAME)
    assert again.run_key != request.run_key
    sandbox.faults[:] = [Fault("status", status=404)]
    assert not ticks.run(again, sensor=NAME)
    sandbox.faults.clear()
    clock.shift(HOUR)
    assert ticks.sensor(NAME) == []
    assert ticks.skipped == "nothing new"


@pytest.mark.parametrize(
    "cursor", ["", "{", "[]", "null", '{"version": 99}', '{"version": 1, "known": {"stories": 7}}']
)
def test_a_cursor_that_cannot_be_read_is_as_none(cursor: str) -> None:
    """It begins anew."""
    assert Watch.read(cursor) == Watch()


def test_a_cursor_is_read_as_it_was_written(sandbox: Sandbox, clock: time_machine.Traveller, ticks: Ticks) -> None:
    """Nothing of it is lost."""
    assert sandbox
    assert clock
    ticks.sensor(NAME)
    watch = Watch.read(ticks.cursors[NAME])
    assert watch.loaded_at == NOON
    assert Watch.read(watch.written()) == watch


def test_without_rows_that_expire_there_is_no_sensor(project: Project) -> None:
    """An endpoint that is disabled has none, and another one with such a column is watched."""
    project.configure(endpoints__stories__enabled="false")
    assert NAME not in [one.name for one in build_definitions().sensors or ()]
    project.configure(
        endpoints__notes__path="/notes",
        endpoints__notes__cursor="at",
        endpoints__notes__columns={"at": "timestamp", "expires_at": "timestamp"},
    )
    [sensor] = [one for one in build_definitions().sensors or () if one.name == NAME]
    assert "notes" in str(sensor.description)
    assert sensor.minimum_interval_seconds == 900
    assert sensor.default_status is dg.DefaultSensorStatus.STOPPED
