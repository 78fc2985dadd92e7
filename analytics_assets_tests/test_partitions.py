"""A long range is loaded in slices, and each that has arrived is kept."""

from typing import Any

import dagster as dg
import pytest

from analytics_assets.build import build_definitions
from analytics_assets.ingest.configured import load_settings
from analytics_assets.partitions import daily_partitions
from analytics_assets.sandbox.app import Sandbox
from analytics_assets.sandbox.asked import Asked
from analytics_assets.sandbox.faults import Fault
from analytics_assets_tests.project import NO_RETRIES, Project, Row, message_of

KEY = dg.AssetKey("stories")


def one_story_a_day(days: int) -> list[Row]:
    """Return a story for each of the first days of March."""
    return [{"id": f"s{day:02}", "timestamp": f"2025-03-{day:02}T12:00:00Z"} for day in range(1, days + 1)]


def starts(sandbox: Sandbox) -> list[str]:
    """Return the day on which each window that was asked for begins."""
    return [request.params["since"][:10] for request in sandbox.requests]


def fail_from(sandbox: Sandbox, day: str, **fault: object) -> None:
    """Have the window that begins on a day, and only the first request for it, answered with a fault."""
    left = [Fault("status", times=1, **fault)]

    def arm(asked: Asked) -> None:
        if asked.params.get("since", "").startswith(day) and left:
            sandbox.faults.append(left.pop())

    sandbox.on_request = arm


def materialized(instance: dg.DagsterInstance) -> set[str]:
    """Return the partitions that Dagster shows as materialized."""
    return set(instance.get_materialized_partitions(KEY))


def test_a_range_is_cut_into_slices(project: Project) -> None:
    """No window is longer than ``max_window_days``; the slices are the range, without gap or overlap."""
    sandbox = project.serve(rows={"stories": one_story_a_day(7)})
    project.configure(max_window_days=3)
    result = project.materialize(day="2025-03-01", until="2025-03-07")
    assert result.success
    assert [(request.params["since"], request.params["until"]) for request in sandbox.requests] == [
        ("2025-03-01T00:00:00Z", "2025-03-04T00:00:00Z"),
        ("2025-03-04T00:00:00Z", "2025-03-07T00:00:00Z"),
        ("2025-03-07T00:00:00Z", "2025-03-08T00:00:00Z"),
    ]
    assert project.ids() == [f"s{day:02}" for day in range(1, 8)]
    metadata = result.get_asset_materialization_events()[-1].materialization.metadata
    assert (metadata["rows_loaded"].value, metadata["requests"].value) == (7, 3)


def test_slices_stay_loaded_when_a_later_one_fails(project: Project) -> None:
    """A failure at day 5 of 7 keeps days 1 to 4: rows in the table, partitions green."""
    sandbox = project.serve(rows={"stories": one_story_a_day(7)})
    project.configure(max_window_days=2)
    fail_from(sandbox, "2025-03-05", status=404)
    instance = project.instance()
    result = project.materialize(day="2025-03-01", until="2025-03-07", instance=instance)
    assert not result.success
    assert project.ids() == ["s01", "s02", "s03", "s04"]
    assert materialized(instance) == {f"2025-03-0{day}" for day in range(1, 5)}


@pytest.mark.usefixtures("warehouse")
def test_a_retry_goes_on_from_the_slice_that_failed(project: Project) -> None:
    """The step's retry asks for no window a second time but the one that failed."""
    sandbox = project.serve(rows={"stories": one_story_a_day(7)})
    project.configure(max_window_days=2, max_retries=0)
    fail_from(sandbox, "2025-03-05", status=503)
    instance = project.instance()
    result = project.materialize(
        day="2025-03-01", until="2025-03-07", instance=instance, retry_policy=dg.RetryPolicy(max_retries=1)
    )
    assert result.success
    assert starts(sandbox) == ["2025-03-01", "2025-03-03", "2025-03-05", "2025-03-05", "2025-03-07"]
    assert project.ids() == [f"s{day:02}" for day in range(1, 8)]
    assert materialized(instance) == {f"2025-03-0{day}" for day in range(1, 8)}


@pytest.mark.slow
def test_a_new_run_loads_everything_again(project: Project) -> None:
    """What another run has loaded is no reason to leave it out: the API may have restated it."""
    sandbox = project.serve(rows={"stories": one_story_a_day(4)})
    project.configure(max_window_days=2)
    instance = project.instance()
    for _ in range(2):
        assert project.materialize(day="2025-03-01", until="2025-03-04", instance=instance).success
    assert starts(sandbox) == ["2025-03-01", "2025-03-03"] * 2


def job() -> dg.JobDefinition:
    """Return the job that a schedule launches, as Dagster makes it again in another process."""
    return build_definitions(retry_policy=NO_RETRIES).resolve_job_def("load_all")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("tags", "again"),
    [
        ({"dagster/is_resume_retry": "true"}, ["2025-03-05", "2025-03-07"]),
        ({}, ["2025-03-01", "2025-03-03", "2025-03-05", "2025-03-07"]),
    ],
    ids=["from failure", "as a whole"],
)
def test_a_run_that_is_executed_again(
    project: Project, monkeypatch: pytest.MonkeyPatch, tags: dict[str, str], again: list[str]
) -> None:
    """From failure it goes on from the slice that failed; as a whole it asks for everything again."""
    # nobody reads its log on a terminal
    monkeypatch.setenv("DAGSTER_COMPUTE_LOG_TAIL_WAIT_AFTER_FINISH", "0")
    sandbox = project.serve(rows={"stories": one_story_a_day(7)})
    project.configure(max_window_days=2)
    fail_from(sandbox, "2025-03-05", status=404)
    span = {"dagster/asset_partition_range_start": "2025-03-01", "dagster/asset_partition_range_end": "2025-03-07"}
    options: dict[str, Any] = {"run_config": {}, "asset_selection": [KEY], "raise_on_error": False}
    with dg.DagsterInstance.from_config(str(project.path)) as instance, execute(instance, span, **options) as failed:
        assert not failed.success
        sandbox.reset()
        resumed = dg.ReexecutionOptions(parent_run_id=failed.run_id)
        with execute(instance, span | tags, reexecution_options=resumed, **options) as done:
            assert done.success
    assert starts(sandbox) == again
    assert project.ids() == [f"s{day:02}" for day in range(1, 8)]


def execute(instance: dg.DagsterInstance, tags: dict[str, str], **options: Any) -> dg.JobExecutionResult:  # noqa: ANN401
    """Execute the job on an instance."""
    return dg.execute_job(dg.reconstructable(job), instance=instance, tags=tags, **options)


def rows_by_day(instance: dg.DagsterInstance) -> dict[str, int]:
    """Return what the newest materialization of each day says of its rows."""
    records = instance.fetch_materializations(dg.AssetRecordsFilter(asset_key=KEY), limit=5000, ascending=True).records
    found = {}
    for record in records:
        made = record.asset_materialization
        if made is not None and record.partition_key:
            assert made.metadata["dagster/partition_row_count"].value == made.metadata["rows"].value
            found[record.partition_key] = made.metadata["rows"].value
    return found


def stories_of(**counts: int) -> list[Row]:
    """Return that many stories of each day: ``d01=3``."""
    return [
        {"id": f"{day}-{number}", "timestamp": f"2025-03-{day[1:]}T{number:02}:30:00Z"}
        for day, count in counts.items()
        for number in range(count)
    ]


@pytest.mark.parametrize("max_window_days", [31, 2], ids=["one window", "slices"])
def test_each_day_of_a_range_says_its_own_rows(project: Project, max_window_days: int) -> None:
    """Not the range's: else every plot in the UI is flat."""
    project.serve(rows={"stories": stories_of(d01=3, d02=0, d03=5, d04=1)})
    project.configure(max_window_days=max_window_days)
    instance = project.instance()
    result = project.materialize(day="2025-03-01", until="2025-03-04", instance=instance)
    assert result.success
    assert rows_by_day(instance) == {"2025-03-01": 3, "2025-03-02": 0, "2025-03-03": 5, "2025-03-04": 1}


def test_a_retry_leaves_the_days_that_were_loaded_before_their_rows(project: Project) -> None:
    """The second attempt reads the rest of the slices, and says of the others what the first one said."""
    sandbox = project.serve(rows={"stories": stories_of(d01=3, d02=2, d03=5, d04=1)})
    project.configure(max_window_days=2, max_retries=0)
    fail_from(sandbox, "2025-03-03", status=503)
    instance = project.instance()
    once_more = dg.RetryPolicy(max_retries=1)
    result = project.materialize(day="2025-03-01", until="2025-03-04", instance=instance, retry_policy=once_more)
    assert result.success
    assert starts(sandbox) == ["2025-03-01", "2025-03-03", "2025-03-03"]
    assert rows_by_day(instance) == {"2025-03-01": 3, "2025-03-02": 2, "2025-03-03": 5, "2025-03-04": 1}


def test_a_day_is_one_of_the_partitions_time_zone(project: Project) -> None:
    """A row at half past eleven in the evening of UTC is of the next day in Berlin."""
    rows = [{"id": "a", "timestamp": "2025-02-28T23:30:00Z"}, {"id": "b", "timestamp": "2025-03-01T23:30:00Z"}]
    project.serve(rows={"stories": rows})
    project.configure(timezone="Europe/Berlin")
    instance = project.instance()
    assert project.materialize(day="2025-03-01", until="2025-03-02", instance=instance).success
    assert rows_by_day(instance) == {"2025-03-01": 1, "2025-03-02": 1}


@pytest.mark.parametrize("day", [None, "2025-03-03"], ids=["no partition", "a partition"])
def test_a_full_refresh_shows_each_day_with_its_own_rows(project: Project, day: str | None) -> None:
    """It needs no partition, which is the natural click in the launchpad; every day up to today is loaded by it."""
    project.serve(rows={"stories": [{"id": "old", "timestamp": "2019-01-01T00:00:00Z"}, *stories_of(d01=3, d03=5)]})
    project.configure(start_date="2025-02-27")
    instance = project.instance()
    result = project.materialize(day=day, full_refresh=True, instance=instance)
    assert result.success
    assert len(project.table()) == 9
    by_day = rows_by_day(instance)
    assert {day: rows for day, rows in by_day.items() if rows} == {"2025-03-01": 3, "2025-03-03": 5}
    assert set(by_day) == set(daily_partitions(load_settings()).get_partition_keys())
    made = result.asset_materializations_for_node("stories")[-1]
    assert made.metadata["rows_loaded"].value == 9


def test_an_incremental_run_without_a_partition_is_refused_in_words(project: Project) -> None:
    """It says what to choose, and asks nothing."""
    sandbox = project.serve(rows={"stories": stories_of(d01=3)})
    result = project.materialize(day=None)
    assert message_of(result).startswith("stories: no partition was chosen: choose a day or a range of days")
    assert sandbox.requests == []
    assert project.table() == []


@pytest.mark.parametrize(
    ("day", "until", "sentence"),
    [
        (
            "2025-03-02",
            "2025-03-01",
            "the range 2025-03-02...2025-03-01 ends before it begins: its first day goes first",
        ),
        ("2024-12-31", "2025-03-01", "'2024-12-31' is no partition: these are the days from 2025-01-01 to "),
    ],
    ids=["reversed", "before the first"],
)
@pytest.mark.parametrize("full_refresh", [False, True], ids=["days", "full refresh"])
def test_a_range_that_is_none_is_refused_in_words(
    project: Project, day: str, until: str, sentence: str, *, full_refresh: bool
) -> None:
    """Not every way to launch a run looks at its days. Nothing is asked, and the step is not tried again."""
    sandbox = project.serve(rows={"stories": stories_of(d01=3)})
    result = project.materialize(
        day=day, until=until, full_refresh=full_refresh, retry_policy=dg.RetryPolicy(max_retries=2)
    )
    assert message_of(result).startswith(f"stories: {sentence}")
    assert dg.DagsterEventType.STEP_UP_FOR_RETRY not in [event.event_type for event in result.all_events]
    assert sandbox.requests == []
