"""The schedule on a frozen clock."""

import datetime as dt
import zoneinfo

import dagster as dg
import pytest

from analytics_assets.build import build_definitions
from analytics_assets.ingest.configured import SettingError
from analytics_assets_tests.project import Project


def _ticks(when: str, zone: str) -> list[dg.RunRequest] | dg.SkipReason:
    """Evaluate the schedule at that wall-clock time."""
    moment = dt.datetime.fromisoformat(when)
    definitions = build_definitions()
    schedule = definitions.resolve_schedule_def("daily_load")
    context = dg.build_schedule_context(
        repository_def=definitions.get_repository_def(),
        scheduled_execution_time=moment if moment.tzinfo else moment.replace(tzinfo=zoneinfo.ZoneInfo(zone)),
    )
    data = schedule.evaluate_tick(context)
    return list(data.run_requests) if data.run_requests else dg.SkipReason(data.skip_message)


def _tick(when: str, zone: str) -> dg.RunRequest | dg.SkipReason:
    """Evaluate the schedule at that wall-clock time; it asks for one run."""
    found = _ticks(when, zone)
    if isinstance(found, dg.SkipReason):
        return found
    (request,) = found
    return request


@pytest.mark.parametrize(
    ("when", "zone", "day"),
    [
        ("2025-03-02T01:00", "UTC", "2025-03-01"),
        ("2025-03-01T01:00", "UTC", "2025-02-28"),
        ("2024-03-01T01:00", "UTC", "2024-02-29"),
        ("2025-01-02T01:00", "UTC", "2025-01-01"),
        ("2025-03-09T01:00", "America/New_York", "2025-03-08"),
        ("2025-03-10T01:00", "America/New_York", "2025-03-09"),
        ("2025-11-02T01:00", "America/New_York", "2025-11-01"),
        ("2025-11-03T01:00", "America/New_York", "2025-11-02"),
        ("2025-03-30T01:00", "Europe/London", "2025-03-29"),
        ("2025-03-05T01:00", "Asia/Tokyo", "2025-03-04"),
        # the same moment as the line before, said in UTC
        ("2025-03-04T16:00+00:00", "Asia/Tokyo", "2025-03-04"),
    ],
)
def test_a_tick_asks_for_yesterday_there(project: Project, when: str, zone: str, day: str) -> None:
    """The day that ended last, in the configured time zone, also when the clocks changed in the night."""
    project.configure(timezone=zone, start_date="2024-01-01")
    request = _tick(when, zone)
    assert isinstance(request, dg.RunRequest)
    assert request.partition_key == day
    assert request.run_key == day


@pytest.mark.parametrize("first", ["2025-03-28", "2025-10-24"])
@pytest.mark.parametrize("hour", [0, 1, 3, 23])
def test_each_day_is_asked_for_once_over_a_change_of_the_clocks(project: Project, first: str, hour: int) -> None:
    """In spring and in autumn, in the night of the change and around it, at whatever hour the schedule runs."""
    project.configure(timezone="Europe/Berlin", daily_cron=f"0 {hour} * * *")
    days = [dt.date.fromisoformat(first) + dt.timedelta(days=number) for number in range(6)]
    requests = [_tick(f"{day}T{hour:02}:00", "Europe/Berlin") for day in days]
    asked = [request.partition_key for request in requests if isinstance(request, dg.RunRequest)]
    assert asked == [str(day - dt.timedelta(days=1)) for day in days]


@pytest.mark.parametrize("fold", [0, 1])
def test_an_hour_that_comes_twice_asks_for_one_run(project: Project, fold: int) -> None:
    """Both ticks of the night in which the clocks go back have one run key, so Dagster makes one run of them."""
    project.configure(timezone="Europe/Berlin", daily_cron="30 2 * * *")
    moment = dt.datetime(2025, 10, 26, 2, 30, tzinfo=zoneinfo.ZoneInfo("Europe/Berlin"), fold=fold)
    request = _tick(moment.astimezone(dt.UTC).isoformat(), "UTC")
    assert isinstance(request, dg.RunRequest)
    assert (request.partition_key, request.run_key) == ("2025-10-25", "2025-10-25")


@pytest.mark.parametrize("name", ["daily_cron", "check_cron"])
def test_a_cron_that_is_none_is_refused_in_words(project: Project, name: str) -> None:
    """When the definitions are built, and not as a schedule that never runs."""
    project.configure(**{name: "61 25 * * *"})
    with pytest.raises(SettingError, match=f"{name} = '61 25 .*: must be a cron expression, such as 0 1"):
        build_definitions()
    project.configure(**{name: "every morning"})
    with pytest.raises(SettingError, match="must be a cron expression of five fields, such as 0 1"):
        build_definitions()


def test_the_cron_is_a_setting(project: Project) -> None:
    """In the time zone of the partitions."""
    project.configure(daily_cron="30 4 * * 1-5", timezone="Asia/Tokyo")
    schedule = build_definitions().resolve_schedule_def("daily_load")
    assert (schedule.cron_schedule, schedule.execution_timezone) == ("30 4 * * 1-5", "Asia/Tokyo")


@pytest.mark.parametrize("when", ["2025-03-01T01:00", "2025-02-20T01:00"])
def test_a_tick_before_the_first_partition_is_over_is_skipped(project: Project, when: str) -> None:
    """There is no yesterday yet: skipped, with the reason."""
    project.configure(start_date="2025-03-01")
    skipped = _tick(when, "UTC")
    assert isinstance(skipped, dg.SkipReason)
    assert "before the first partition, 2025-03-01" in str(skipped.skip_message)


def test_the_first_partition_is_loaded_when_it_is_over(project: Project) -> None:
    """The morning after the first day is the first run."""
    project.configure(start_date="2025-03-01")
    request = _tick("2025-03-02T01:00", "UTC")
    assert isinstance(request, dg.RunRequest)
    assert request.partition_key == "2025-03-01"


def test_the_schedule_runs_in_the_configured_time_zone(project: Project) -> None:
    """Cron lines are read in the partitions' time zone, and the schedule is off until somebody turns it on."""
    project.configure(timezone="America/New_York")
    schedule = build_definitions().resolve_schedule_def("daily_load")
    assert schedule.execution_timezone == "America/New_York"
    assert schedule.cron_schedule == "0 1 * * *"
    assert schedule.default_status is dg.DefaultScheduleStatus.STOPPED


def test_days_that_are_restated_are_loaded_again_as_one_range(project: Project) -> None:
    """Each endpoint looks back as far as its setting says, never before the first partition; the report follows."""
    project.configure(start_date="2025-03-01", lookback_days=2, endpoints__stories__lookback_days=0)
    project.configure(endpoints__user_insights__lookback_days=30)
    requests = _ticks("2025-03-08T01:00", "UTC")
    assert isinstance(requests, list)
    found = {}
    for request in requests:
        start, end = (request.tags.get(f"dagster/asset_partition_range_{edge}") for edge in ("start", "end"))
        found[tuple(key.to_user_string() for key in request.asset_selection or [])] = (
            request.partition_key,
            start,
            end,
        )
    assert found == {
        ("media_insights", "story_insights", "insights_report"): (None, "2025-03-05", "2025-03-07"),
        ("user_insights", "insights_report"): (None, "2025-03-01", "2025-03-07"),
        ("stories", "insights_report"): ("2025-03-07", None, None),
    }
    assert len({request.run_key for request in requests}) == 3


def test_a_tick_that_looks_back_is_a_run_that_loads_the_range(project: Project) -> None:
    """What the schedule asks for, run by the job as the daemon would, is the days' own rows in the table."""
    rows = [{"id": f"s{day}", "timestamp": f"2025-03-0{day}T12:00:00Z"} for day in range(1, 9)]
    project.serve(rows={"stories": rows})
    project.configure(lookback_days=2)
    requests = _ticks("2025-03-08T01:00", "UTC")
    assert isinstance(requests, list)
    (request,) = requests
    job = build_definitions().resolve_job_def("load_all")
    result = job.execute_in_process(
        tags=request.tags, asset_selection=[dg.AssetKey("stories")], instance=project.instance()
    )
    assert result.success
    assert project.ids() == ["s5", "s6", "s7"]
