"""A message for each cause, and one when it has ended: real runs of real assets, and what the channel shows."""

import os
import re
import signal

import dagster as dg
import pytest

from analytics_assets.alerts import runs
from analytics_assets.build import build_definitions
from analytics_assets.sandbox.faults import Fault
from analytics_assets_tests.alerts.conftest import Receiver, Watch
from analytics_assets_tests.project import DAY, Project, stories

ALL = ("media_insights", "user_insights", "stories", "story_insights")
NAMES = "media_insights, stories, story_insights and user_insights"


def texts(receiver: Receiver) -> list[str]:
    """Return what the channel shows, with N in the place of the minutes that a cause has lasted."""
    return [re.sub(r"after \d+ min", "after N min", text) for text in receiver.texts]


def first_lines(receiver: Receiver) -> list[str]:
    """Return the first line of each message that the channel shows."""
    return [text.partition("\n")[0] for text in texts(receiver)]


def test_a_night_with_the_api_down_is_one_message(project: Project, watch: Watch, receiver: Receiver) -> None:
    """However many runs fail of it, in whatever way; and one message when the endpoints load again."""
    sandbox = project.serve(rows={"stories": stories(2)}, faults=[Fault("status", status=503)])
    project.configure(max_retries=0, dagster_url="https://dagster.example/")
    failed = watch.run("stories")
    watch.ticks()
    sandbox.faults[:] = [Fault("close")]
    watch.run(*ALL)
    watch.ticks()
    (text,) = receiver.texts
    what, reason, advice, link = text.splitlines()
    assert what == "Not loaded, API failing: stories of 2025-03-01"
    assert "answered 503" in reason
    assert advice == "Run it again later, or ask more slowly (max_requests_per_second)."
    assert link == f"https://dagster.example/runs/{failed.run_id}"
    sandbox.faults.clear()
    watch.run(*ALL)
    watch.ticks(3)
    assert texts(receiver)[1:] == [f"Recovered after N min: API failing: {NAMES} are loaded."]


def test_a_refused_key_is_one_message_of_all_endpoints(project: Project, watch: Watch, receiver: Receiver) -> None:
    """All endpoints of a run are in one message, and so are the runs after it, of the same days and of others."""
    project.serve(rows={"stories": stories(1)}, faults=[Fault("status", status=401)])
    watch.run(*ALL)
    for day in ("2025-03-01", "2025-03-02", "2025-03-03"):
        watch.ticks()
        watch.run("stories", day=day)
    watch.tick(60 * 24)
    watch.run("stories", day="2025-03-04")
    watch.ticks()
    told = [line for line in first_lines(receiver) if "proven" not in line]
    assert told == [f"Not loaded, key refused: {NAMES} of 2025-03-01"]


def test_an_outage_is_over_when_endpoints_load_again(project: Project, watch: Watch, receiver: Receiver) -> None:
    """What is still open then is named, and is told of no more when it is loaded."""
    sandbox = project.serve(rows={"stories": stories(1)}, faults=[Fault("status", status=401)])
    watch.run("stories", "user_insights", until="2025-03-02")
    watch.ticks()
    sandbox.faults.clear()
    watch.run("stories", day="2025-03-03")
    watch.ticks()
    assert len(receiver.texts) == 1, "user_insights has not loaded yet"
    watch.run("user_insights", day="2025-03-02")
    watch.ticks()
    watch.run("stories", "user_insights", until="2025-03-02")
    watch.ticks()
    (text,) = texts(receiver)[1:]
    assert text == (
        "Recovered after N min: key refused: stories and user_insights load again.\n"
        "3 windows are still open: stories of 2025-03-01 to 2025-03-02; user_insights of 2025-03-01. "
        "gap_filler fetches them."
    )


def test_what_an_endpoint_has_is_over_when_its_days_are_loaded(
    project: Project, watch: Watch, receiver: Receiver
) -> None:
    """All of them: another day of it says nothing of these. Endpoints of one kind are in one message, each with why."""
    sandbox = project.serve(rows={"stories": stories(1)}, faults=[Fault("status", status=404)])
    watch.run("stories", "user_insights", until="2025-03-02")
    watch.ticks()
    (text,) = receiver.texts
    what, of_stories, of_users, _ = text.splitlines()
    assert what == "Not loaded, path not found: stories and user_insights of 2025-03-01 to 2025-03-02"
    assert of_stories.startswith("stories: http")
    assert of_users.startswith("user_insights: http")
    sandbox.faults.clear()
    for day in ("2025-03-03", "2025-03-02"):
        watch.run("stories", "user_insights", day=day)
        watch.ticks()
    assert len(receiver.texts) == 1
    watch.run("stories")
    watch.tick(57)
    watch.ticks()
    (text,) = receiver.texts[1:]
    assert re.fullmatch(r"Recovered after 1 h [0-9]+ min: path not found: stories is loaded\.", text)


def test_what_a_range_has_loaded_before_it_failed_is_not_in_the_message(
    project: Project, watch: Watch, receiver: Receiver
) -> None:
    """Of three slices the first has arrived."""
    project.configure(max_window_days=1, rejected_rows="fail")
    bad = {"id": None, "timestamp": "2025-03-02T12:00:00Z"}
    project.serve(rows={"stories": [*stories(1), bad]})
    watch.run("stories", until="2025-03-03")
    watch.ticks()
    assert first_lines(receiver) == ["Not loaded, wrong shape: stories of 2025-03-02 to 2025-03-03"]


def test_a_full_refresh_is_of_all_history(project: Project, watch: Watch, receiver: Receiver) -> None:
    """It has no day, and is over when the endpoint loads again."""
    sandbox = project.serve(rows={"stories": stories(1)}, faults=[Fault("status", status=404)])
    watch.run("stories", full_refresh=True, day=None)
    watch.ticks()
    sandbox.faults.clear()
    watch.run("stories")
    watch.ticks()
    assert first_lines(receiver) == [
        "Not loaded, path not found: stories of all history",
        "Recovered after N min: path not found: stories is loaded.",
    ]


def test_days_that_fail_after_a_load_are_told_of_again_once_a_day(
    project: Project, watch: Watch, receiver: Receiver
) -> None:
    """A cause that stays open does not hide what fails of it days later; nor does it say so each time."""
    sandbox = project.serve(rows={"stories": stories(1)}, faults=[Fault("status", status=404)])
    watch.run("stories")
    watch.ticks()
    sandbox.faults.clear()
    watch.run("stories", day="2025-02-10")
    sandbox.faults[:] = [Fault("status", status=404)]
    for day in ("2025-02-11", "2025-02-12", "2025-02-12"):
        watch.run("stories", day=day)
        watch.ticks()
    assert len(receiver.texts) == 1
    watch.tick(60 * 24)
    watch.ticks()
    found = [line for line in first_lines(receiver) if "proven" not in line]
    assert found[1:] == ["Again. Not loaded, path not found: stories of 2025-02-11 to 2025-02-12, 2025-03-01"]


def test_what_is_over_between_two_ticks_is_one_message(project: Project, watch: Watch, receiver: Receiver) -> None:
    """It says why it was; and what failed of the same after it is a cause of its own."""
    sandbox = project.serve(rows={"stories": stories(1)}, faults=[Fault("status", status=401)])
    watch.run("stories")
    sandbox.faults.clear()
    watch.run("stories")
    watch.ticks()
    assert first_lines(receiver)[0].startswith("Recovered after N min: key refused: stories is loaded. http")
    for status in (401, 200, 401):
        sandbox.faults[:] = [Fault("status", status=status)] if status != 200 else []
        watch.run("stories")
    watch.ticks()
    assert [line.partition(":")[0] for line in first_lines(receiver)[1:]] == [
        "Not loaded, key refused",
        "Recovered after N min",
    ]


def test_a_step_that_begins_anew_is_no_cause_until_it_has_failed(
    project: Project, watch: Watch, receiver: Receiver
) -> None:
    """Dagster's retry of the step went well: nobody hears of it."""
    project.serve(rows={"stories": stories(1)}, faults=[Fault("status", status=503, times=1)])
    project.configure(max_retries=0)
    assert watch.run("stories", retry_policy=dg.RetryPolicy(max_retries=1)).success
    watch.ticks()
    assert receiver.texts == []


def test_other_endpoints_and_settings(project: Project, watch: Watch, receiver: Receiver) -> None:
    """One that the settings add, without a cursor, is told of as ours are; one that is disabled is not waited for."""
    project.configure(endpoints__comments__path="/comments", endpoints__comments__window_start_param="")
    project.configure(endpoints__comments__window_end_param="")
    project.serve(rows={"stories": stories(1)}, faults=[Fault("status", status=404)])
    watch.run("comments", day=None)
    watch.ticks()
    assert first_lines(receiver) == ["Not loaded, path not found: comments of all history"]
    project.configure(endpoints__comments__enabled=False)
    assert watch.tick()["causes"] == []


def test_a_bug_is_told_by_its_name_alone(
    project: Project, watch: Watch, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What an exception without words of ours says may be rows."""
    project.serve()
    monkeypatch.setattr("analytics_assets.assets.EndpointLoad.run", lambda _: {}["a row's text"])
    watch.run("stories")
    watch.ticks()
    (text,) = receiver.texts
    assert text.startswith("Not loaded, failed: stories of 2025-03-01\nfailed with KeyError.\n")
    assert "row" not in text


def test_runs_of_other_assets_are_not_told_of(watch: Watch, receiver: Receiver) -> None:
    """In a deployment with assets of others, their failures are theirs."""

    @dg.asset
    def theirs() -> None:
        raise dg.Failure("theirs")

    assert not dg.materialize([theirs], instance=watch.instance, raise_on_error=False).success
    watch.ticks()
    assert receiver.texts == []


def test_a_run_that_loads_nothing_is_not_told_of(project: Project, watch: Watch, receiver: Receiver) -> None:
    """`make check` says what it has to say to whoever runs it."""
    project.serve(faults=[Fault("status", status=401)])
    job = build_definitions().resolve_job_def("check_connection")
    assert not job.execute_in_process(instance=watch.instance, raise_on_error=False).success
    watch.ticks()
    assert receiver.texts == []


def made(watch: Watch, **tags: str) -> dg.DagsterRun:
    """Make a run of stories that nobody executes."""
    job = build_definitions().resolve_implicit_global_asset_job_def()
    chosen = job.get_subset(asset_selection={dg.AssetKey("stories")})
    return watch.instance.create_run_for_job(
        chosen, tags={"dagster/partition": DAY, **tags}, asset_selection=frozenset({dg.AssetKey("stories")})
    )


def test_a_run_that_died_without_a_word_is_a_cause(watch: Watch, receiver: Receiver) -> None:
    """Killed, lost, or never started: no step could say why, so Dagster's own words are told."""
    watch.instance.report_run_failed(made(watch), "Run process exited with code -9")
    watch.ticks()
    what, said, _ = receiver.texts[0].splitlines()
    assert what == "Not loaded, run died: stories of 2025-03-01"
    assert said == "Dagster says: Run process exited with code -9."


def test_a_run_that_the_machine_ends_is_no_bug(project: Project, watch: Watch, receiver: Receiver) -> None:
    """Nobody cancelled it in Dagster, so it has failed: as one that a deployment or a reboot has ended."""
    sandbox = project.serve(rows={"stories": stories(1)})
    sandbox.on_request = lambda _: os.kill(os.getpid(), signal.SIGTERM)
    assert not watch.run("stories").success
    sandbox.on_request = None
    watch.ticks()
    what, why, advice = receiver.texts[0].splitlines()
    assert what == "Not loaded, cancelled: stories of 2025-03-01"
    assert why == "SIGTERM came, which cancels a run."
    assert advice.startswith("Nobody cancelled the run in Dagster: its process was told to end")
    watch.run("stories")
    watch.ticks()
    assert texts(receiver)[1:] == ["Recovered after N min: cancelled: stories is loaded."]


def test_a_run_that_was_cancelled_or_deleted_is_none(watch: Watch, receiver: Receiver) -> None:
    """Somebody wanted it so."""
    watch.instance.report_run_canceled(made(watch))
    deleted = made(watch)
    watch.instance.report_run_failed(deleted)
    watch.instance.delete_run(deleted.run_id)
    watch.ticks()
    assert receiver.texts == []


@pytest.mark.parametrize(
    ("tags", "told"),
    [
        ({"dagster/will_retry": "true", "dagster/auto_retry_run_id": "another"}, False),
        ({"dagster/will_retry": "false"}, True),
    ],
)
def test_a_run_that_dagster_runs_again_is_not_final(
    watch: Watch, receiver: Receiver, *, tags: dict[str, str], told: bool
) -> None:
    """It waits until Dagster has made the other run, or has decided that there is none; both come as tags."""
    run = made(watch, **{"dagster/will_retry": "true"})
    watch.instance.report_run_failed(run)
    watch.ticks()
    assert receiver.texts == []
    watch.instance.add_run_tags(run.run_id, tags)
    watch.ticks()
    assert len(receiver.texts) == told
    assert watch.tick()["waiting"] == {}


def test_the_projects_own_instance_says_what_it_runs_again(project: Project, watch: Watch, receiver: Receiver) -> None:
    """As `dagster.yaml` has it: a run that was lost is run again, once, and one whose step has failed is not."""
    project.serve(rows={"stories": stories(1)}, faults=[Fault("status", status=401)])
    with dg.DagsterInstance.from_config(str(project.path)) as watch.instance:
        watch.cursor = None
        watch.tick()
        watch.instance.report_run_failed(made(watch))
        watch.run("stories", day="2025-03-02")
        found = watch.tick()
        watch.ticks()
        assert len(found["waiting"]) == 1
        assert first_lines(receiver) == ["Not loaded, key refused: stories of 2025-03-02"]


def test_a_run_again_that_never_comes_is_told_of_after_an_hour(watch: Watch, receiver: Receiver) -> None:
    """Dagster's daemon may be switched off."""
    watch.instance.report_run_failed(made(watch, **{"dagster/will_retry": "true"}))
    watch.tick(59)
    watch.ticks(1)
    assert receiver.texts == []
    watch.ticks()
    assert len(receiver.texts) == 1


def test_no_run_is_passed_over_and_none_is_seen_twice(
    watch: Watch, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A tick looks at so many, the next one at the rest; and one that is seen after others that ended later counts."""
    monkeypatch.setattr(runs, "_MOST_RUNS", 2)
    made_runs = [made(watch) for _ in range(5)]
    for run in made_runs:
        watch.instance.report_run_failed(run)
    numbers = [len(watch.tick()["seen"]) for _ in range(4)]
    assert numbers == [2, 4, 5, 5]
    seen = watch.tick()["seen"]
    late = [*seen[:1], *seen[2:]]
    assert [one.storage_id for one in runs.ended_since(watch.instance, late)] == [seen[1]]
    assert len(receiver.texts) == 1


def test_what_failed_before_it_was_switched_on_is_no_news(project: Project, watch: Watch, receiver: Receiver) -> None:
    """Nor where the cursor is one that nobody can read."""
    project.serve(rows={"stories": stories(1)}, faults=[Fault("status", status=404)])
    watch.run("stories")
    watch.cursor = None
    watch.ticks()
    watch.cursor = "not ours"
    watch.ticks()
    assert receiver.texts == []
