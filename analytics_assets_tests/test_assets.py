"""Materializing: which window a partition means, what a run loads, and what it says when it fails."""

import gc
import re
from typing import Any

import dagster as dg
import pytest

from analytics_assets.ingest.endpoints import ENDPOINTS
from analytics_assets.sandbox.faults import Fault
from analytics_assets.sandbox.shape import Shape
from analytics_assets_tests.project import DAY, KEY, KEY_FORMS, Project, asked, message_of, stories

PAGE = {"offset": "0", "limit": "100"}


def test_a_partition_asks_for_its_day(project: Project) -> None:
    """An incremental run asks for the partition's day and merges it."""
    sandbox = project.serve(rows={"stories": [*stories(3), *stories(0)]})
    assert project.materialize(day="2025-03-01").success
    assert asked(sandbox) == [
        ("/v1/stories", {"since": "2025-03-01T00:00:00Z", "until": "2025-03-02T00:00:00Z"} | PAGE)
    ]
    assert project.ids() == ["s000", "s001", "s002"]


def test_a_range_is_one_window_in_one_run(project: Project) -> None:
    """A backfill of a range asks once for the whole of it, and every day of it is materialized."""
    rows = [{"id": f"s{day}", "timestamp": f"2025-03-0{day}T12:00:00Z"} for day in range(1, 6)]
    sandbox = project.serve(rows={"stories": rows})
    result = project.materialize(day="2025-03-02", until="2025-03-04")
    assert asked(sandbox) == [
        ("/v1/stories", {"since": "2025-03-02T00:00:00Z", "until": "2025-03-05T00:00:00Z"} | PAGE)
    ]
    assert project.ids() == ["s2", "s3", "s4"]
    assert [made.partition for made in result.asset_materializations_for_node("stories")] == [
        "2025-03-02",
        "2025-03-03",
        "2025-03-04",
    ]


def test_the_collector_rests_for_a_run_and_no_longer(project: Project) -> None:
    """A run keeps Python from walking through all that was imported; whoever imports the definitions is left alone."""
    frozen: list[int] = []
    sandbox = project.serve(rows={"stories": stories(3)})
    sandbox.on_request = lambda _: frozen.append(gc.get_freeze_count())
    assert project.materialize().success
    assert min(frozen) > 0
    assert gc.get_freeze_count() == 0


@pytest.mark.usefixtures("warehouse")
def test_a_full_refresh_ignores_the_partition(project: Project) -> None:
    """With `sync_mode: FULL_REFRESH` no window is sent, and what was there before is replaced."""
    name = "media_insights"
    sandbox = project.serve(rows={name: stories(3)})
    project.materialize(name)
    sandbox.requests.clear()
    sandbox.rows[name] = [{"id": "old", "timestamp": "2020-01-01T00:00:00Z"}]
    result = project.materialize(name, full_refresh=True)
    assert asked(sandbox) == [(f"/v1/{name}", PAGE)]
    assert project.ids(name) == ["old"]
    # those of the other days come before it
    made = result.asset_materializations_for_node(name)[-1]
    assert made.partition == DAY
    assert made.metadata["window"].value == "all history"


@pytest.mark.parametrize(
    ("day", "since", "until"),
    [
        ("2025-03-08", "2025-03-08T05:00:00Z", "2025-03-09T05:00:00Z"),
        ("2025-03-09", "2025-03-09T05:00:00Z", "2025-03-10T04:00:00Z"),
        ("2025-11-02", "2025-11-02T04:00:00Z", "2025-11-03T05:00:00Z"),
    ],
)
def test_a_partition_is_a_day_of_the_configured_time_zone(project: Project, day: str, since: str, until: str) -> None:
    """In New York the days that the clocks change have 23 and 25 hours; the window is asked for in UTC."""
    project.configure(timezone="America/New_York")
    sandbox = project.serve(rows={"stories": [{"id": "first", "timestamp": since}, {"id": "next", "timestamp": until}]})
    assert project.materialize(day=day).success
    assert asked(sandbox) == [("/v1/stories", {"since": since, "until": until} | PAGE)]
    assert project.ids() == ["first"]


def test_a_range_over_a_change_of_clocks(project: Project) -> None:
    """A range begins with its first midnight and ends with its last one, each in its own offset."""
    project.configure(timezone="America/New_York")
    sandbox = project.serve(rows={})
    assert project.materialize(day="2025-03-08", until="2025-03-10").success
    # twice, for it is empty
    assert asked(sandbox) == 2 * [
        ("/v1/stories", {"since": "2025-03-08T05:00:00Z", "until": "2025-03-11T04:00:00Z"} | PAGE)
    ]


def test_all_four_in_one_run(project: Project) -> None:
    """All endpoints share their partitions and load in one run, each into its own table."""
    project.serve()
    names = [endpoint.name for endpoint in ENDPOINTS]
    result = project.materialize(*names)
    assert result.success
    for name in names:
        (made,) = result.asset_materializations_for_node(name)
        assert made.metadata["rows"].value == len(project.table(name)) > 0


def test_one_failing_endpoint_does_not_stop_the_others(project: Project) -> None:
    """The run fails, names the endpoint, and the others are loaded."""
    project.serve(faults=[Fault("no_data", endpoint="user_insights")])
    result = project.materialize("stories", "user_insights")
    assert not result.success
    assert message_of(result, "user_insights").startswith("user_insights: wrong shape:")
    assert project.ids()
    assert project.table("user_insights") == []


def test_an_empty_window_succeeds_and_says_why(project: Project) -> None:
    """No rows: success, a count of 0 and the reason."""
    project.serve(rows={})
    result = project.materialize()
    assert result.success
    (made,) = result.asset_materializations_for_node("stories")
    assert made.metadata["rows"].value == 0
    assert made.metadata["why_empty"].value == "the API said total 0"
    assert "preview" not in made.metadata


PROBLEMS: list[tuple[dict[str, Any], dict[str, Any], str]] = [
    ({"shape": Shape(key="another key")}, {}, "key refused: .* 403 .*Check API_KEY"),
    ({"faults": [Fault("echo_url", status=401)]}, {}, "key refused: .* 401 .*Check API_KEY"),
    ({"shape": Shape(key=KEY, paths={})}, {}, r"path not found: .*/v1/stories.* 404 .*endpoints\.<name>\.path"),
    ({"faults": [Fault("echo_url", status=400)]}, {}, "request refused: .* 400 .*parameters"),
    ({"faults": [Fault("status", status=503)]}, {}, "API failing: .* 503 .*Run it again"),
    ({"faults": [Fault("close")]}, {}, "unreachable: .*Check base_url"),
    ({"faults": [Fault("error_in_200", message=f"bad key {KEY}")]}, {}, "wrong shape: .*it says error"),
    ({"faults": [Fault("html")]}, {}, "wrong shape: .*no valid JSON"),
    ({}, {"base_url": "http://127.0.0.1:1"}, "unreachable: .*Connection refused.*Check base_url"),
    ({}, {"base_url": "https://no-such-host.invalid"}, "unreachable: .*Check base_url"),
    ({}, {"key_name": "token"}, "key refused: .* 401 .*key_name"),
]


@pytest.mark.parametrize(
    ("problem", "location"),
    [*((problem, "query") for problem in PROBLEMS), (PROBLEMS[1], "header"), (PROBLEMS[6], "bearer")],
    ids=lambda value: value[2][:25] if isinstance(value, tuple) else value,
)
def test_a_failure_is_one_message_with_advice_and_without_the_key(
    project: Project,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
    problem: tuple[dict[str, Any], dict[str, Any], str],
    location: str,
) -> None:
    """What went wrong and what to do, first; the key in no output, log, event or file of the run."""
    options, settings, words = problem
    shape = options.get("shape", Shape(key=KEY, key_location=location))
    project.serve(**({"rows": {"stories": stories(1)}} | options | {"shape": shape}))
    project.configure(key_location=location, backoff_factor=0, max_retries=1, **settings)
    instance = project.instance()
    result = project.materialize(instance=instance)
    assert not result.success
    assert re.match(f"stories: {words}", message_of(result)), message_of(result)
    events = [entry.to_json() for entry in instance.all_logs(result.run_id)]
    assert events
    output = capfd.readouterr()
    project.assert_nowhere(KEY_FORMS, output.out, output.err, caplog.text, *events)


def test_a_missing_key_says_where_to_put_one(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is asked without a key."""
    sandbox = project.serve()
    monkeypatch.delenv("API_KEY")
    result = project.materialize()
    assert not result.success
    assert "no API key: set the environment variable API_KEY" in message_of(result)
    assert sandbox.requests == []


@pytest.mark.parametrize(
    ("fault", "attempts"),
    [
        (Fault("status", status=503), 3),
        (Fault("close"), 3),
        (Fault("status", status=401), 1),
        (Fault("status", status=404), 1),
        (Fault("status", status=400), 1),
        (Fault("no_data"), 1),
    ],
    ids=lambda value: f"{value.kind}-{value.options}" if isinstance(value, Fault) else "",
)
def test_a_step_is_tried_again_only_when_that_can_help(project: Project, fault: Fault, attempts: int) -> None:
    """What only a person can mend fails at once; what passes is tried again, which a line says, and recovers."""
    once_more = Fault(fault.kind, times=attempts - 1 if attempts > 1 else None, **fault.options)
    sandbox = project.serve(rows={"stories": stories(2)}, faults=[once_more])
    project.configure(max_retries=0)
    instance = project.instance()
    policy = dg.RetryPolicy(max_retries=2, delay=0.01, backoff=dg.Backoff.EXPONENTIAL)
    result = project.materialize(retry_policy=policy, instance=instance)
    assert len(sandbox.requests) == attempts
    said = [entry.user_message for entry in instance.all_logs(result.run_id) if "trying again" in entry.user_message]
    assert len(said) == attempts - 1
    assert all(line.startswith("stories: trying again in 0 s: ") for line in said)
    assert result.success is (attempts > 1)
    assert project.ids() == (["s000", "s001"] if attempts > 1 else [])


def test_a_day_that_is_no_partition_is_refused(project: Project) -> None:
    """A partition before the first one is an error before anything is asked."""
    sandbox = project.serve()
    with pytest.raises(dg.DagsterUnknownPartitionError, match="2024-12-31"):
        project.materialize(day="2024-12-31")
    assert sandbox.requests == []
