"""`dagster asset materialize` as a user types it: exit code, message, place on the timeline, and no key anywhere."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest
from dagster import DagsterEventType as Event

from analytics_assets.ingest.endpoints import ENDPOINTS
from analytics_assets.sandbox.faults import Fault
from analytics_assets_tests.project import DAY, KEY_FORMS, Project, asked, stories

ROOT = Path(__file__).parents[1]


def _materialize(
    project: Project, *arguments: str, module: str = "analytics_assets.definitions", **environment: str | None
) -> subprocess.CompletedProcess[str]:
    done = project.dagster("asset", "materialize", "-m", module, "--select", "stories", *arguments, **environment)
    project.assert_nowhere(KEY_FORMS, done.stdout, done.stderr)
    return done


def test_a_day_is_materialized(project: Project) -> None:
    """Exit code 0, the rows are in the warehouse, and the key is in none of the files."""
    sandbox = project.serve(rows={"stories": stories(3)}, faults=[Fault("status", status=503, times=1)])
    project.configure(backoff_factor=0)
    done = _materialize(project, "--partition", DAY)
    assert done.returncode == 0, done.stderr
    assert "retry 1 of 3 in 0.0 s, for 503 Service Unavailable" in done.stdout + done.stderr
    assert project.ids() == ["s000", "s001", "s002"]
    assert len(asked(sandbox)) == 2
    assert project.on_timeline() == ["__repository__@analytics_assets.definitions"]
    # the request that was made again, what has arrived, and a check that warns
    again, loaded, warning = (done.stdout + done.stderr).splitlines()
    assert ", for 503 Service Unavailable" in again
    assert re.search(r" - INFO - .* - stories: loaded 2025-03-01, 3 rows, in \d+\.\d s$", loaded)
    assert " - WARNING - " in warning
    assert " - stories: columns_as_expected: No row has " in warning
    with dg.DagsterInstance.from_config(str(project.path)) as instance:
        (run,) = instance.get_runs()
        recorded = {entry.dagster_event_type for entry in instance.all_logs(run.run_id)}
    # the UI has all the events that the terminal was spared
    assert {Event.STEP_START, Event.ASSET_MATERIALIZATION, Event.ASSET_CHECK_EVALUATION, Event.RUN_SUCCESS} <= recorded
    # what DuckDB's binding says at exit of objects that the garbage collector was not shown
    assert "leaked" not in done.stdout + done.stderr


def test_a_range_is_materialized(project: Project) -> None:
    """`--partition-range` is one window; its run is on the timeline as one of the module that was named."""
    sandbox = project.serve(rows={"stories": stories(3)})
    (project.path / "theirs.py").write_text(
        "from analytics_assets.build import build_definitions\n\ndefs = build_definitions()\n"
    )
    done = _materialize(project, "--partition-range", "2025-02-27...2025-03-02", module="theirs")
    assert done.returncode == 0, done.stderr
    ((_, params),) = asked(sandbox)
    assert (params["since"], params["until"]) == ("2025-02-27T00:00:00Z", "2025-03-03T00:00:00Z")
    assert project.on_timeline() == ["__repository__@theirs"]
    lines = (done.stdout + done.stderr).splitlines()
    # a line for the window, none for each day
    (loaded,) = [line for line in lines if ": loaded " in line]
    assert " - stories: loaded 2025-02-27 to 2025-03-02, 3 rows, in " in loaded
    assert len(lines) == 2


def test_a_full_refresh_is_materialized(project: Project) -> None:
    """With the README's config, and any partition: all history is asked for, and one line says so."""
    sandbox = project.serve(rows={"stories": stories(3)})
    config = '{"ops": {"stories": {"config": {"sync_mode": "full_refresh"}}}}'
    assert config in (ROOT / "README.md").read_text()
    done = _materialize(project, "--partition", DAY, "--config-json", config)
    assert done.returncode == 0, done.stderr
    ((_, params),) = asked(sandbox)
    assert "since" not in params
    loaded, warning = (done.stdout + done.stderr).splitlines()
    assert " - stories: loaded all history, 3 rows, in " in loaded
    assert " - stories: columns_as_expected: No row has " in warning


def test_dg_lists_the_definitions() -> None:
    """In the repository's folder, whose pyproject.toml tells `dg` where they are."""
    found = subprocess.run(
        [str(Path(sys.executable).with_name("dg")), "list", "defs", "--json"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=150,
        check=True,
    )
    listed = json.loads(found.stdout)
    names = {endpoint.name for endpoint in ENDPOINTS}
    assert {asset["asset_key"] for asset in listed["assets"]} == {"insights_report", *names}
    assert {job["name"] for job in listed["jobs"]} >= {"load_all", "check_connection", "estimate"}
    assert {schedule["name"] for schedule in listed["schedules"]} == {"daily_load", "connection_check"}
    assert {sensor["name"] for sensor in listed["sensors"]} == {"new_stories", "gap_filler", "alerts"}


@pytest.mark.parametrize(
    ("arguments", "environment", "message"),
    [
        (["--partition", DAY], {"API_KEY": None}, "no API key: set the environment variable API_KEY"),
        (["--partition", DAY], {"API_KEY": "wrong+key/of=the&tests"}, "key refused: "),
        (
            ["--partition", DAY],
            {"ANALYTICS_API__ENDPOINTS__STORIES__PATH": "/nowhere"},
            "path not found: ",
        ),
        (
            ["--partition-range", "2025-03-02...2025-03-01"],
            {},
            "stories: the range 2025-03-02...2025-03-01 ends before it begins: its first day goes first",
        ),
        (["--partition", "2024-12-31"], {}, "2024-12-31"),
    ],
    ids=["no key", "key refused", "wrong path", "reversed", "no such partition"],
)
def test_bad_input_is_told(
    project: Project, arguments: list[str], environment: dict[str, str | None], message: str
) -> None:
    """A message that says what is wrong, an exit code that is not 0, nothing loaded, no key."""
    project.serve(rows={"stories": stories(3)})
    done = _materialize(project, *arguments, **environment)
    assert done.returncode != 0
    assert message in done.stdout + done.stderr
    lines = done.stderr.splitlines()
    if "STEP_FAILURE" in done.stderr:
        # below Dagster's stack, with what Dagster says of the run behind it: a newer one says all of it a second time
        (end,) = [number for number, line in enumerate(lines) if "RUN_FAILURE" in line]
        assert message in lines[end - 1]
        assert end < 38
    assert project.table() == []
    project.assert_nowhere(("wrong+key", "wrong%2Bkey"), done.stdout, done.stderr)


def test_a_wrong_setting_is_one_line(project: Project) -> None:
    """The sentence is all there is, without a traceback; `.env` goes before the shell, as the README says."""
    (project.path / ".env").write_text("ANALYTICS_API__PAGE_SIZE=many\n")
    done = _materialize(project, "--partition", DAY, ANALYTICS_API__PAGE_SIZE="5")
    assert (done.returncode, done.stdout) == (1, "")
    assert re.fullmatch(r"Error: analytics_api\.page_size = 'many': .*valid integer.*\n", done.stderr)


def test_from_another_folder_nothing_is_loaded(project: Project) -> None:
    """Neither its settings nor its history nor its warehouse would be those of the project: one line says so."""
    project.serve(rows={"stories": stories(3)})
    shutil.rmtree(project.path / ".dlt")
    done = _materialize(project, "--partition", DAY)
    assert (done.returncode, done.stdout) == (1, "")
    assert re.fullmatch(r"Error: there is no folder .*Start Dagster in that folder, or set .*\n", done.stderr)
    assert project.table() == []


def test_what_looks_like_a_setting_is_said_once_and_stops_nothing(project: Project) -> None:
    """By the definitions when they load, and in the run's own log, once however many steps there are."""
    project.serve(rows={"stories": stories(3)})
    done = _materialize(project, "--partition", DAY, ANALYTICS_API_PAGE_SIZE="5", DESTINATION_WAREHOUSE_CREDENTIALS="x")
    assert done.returncode == 0, done.stderr
    for variable, meant in (
        ("ANALYTICS_API_PAGE_SIZE", "ANALYTICS_API__PAGE_SIZE"),
        ("DESTINATION_WAREHOUSE_CREDENTIALS", "DESTINATION__WAREHOUSE__CREDENTIALS"),
    ):
        sentence = f"Not a setting: the environment variable {variable}. Did you mean {meant}?"
        assert done.stderr.splitlines().count(sentence) == 1
        assert len([line for line in done.stderr.splitlines() if line.endswith(f" - {sentence}")]) == 1
    assert len(project.ids()) == 3


def test_a_failure_is_told_on_a_busy_machine(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """The reason reaches the terminal, also where Dagster's `tail`, which brings it there, comes late."""
    slow = project.path / "slow" / "tail"
    slow.parent.mkdir()
    slow.write_text(f'#!/bin/sh\nsleep 0.5\nexec {shutil.which("tail")} "$@"\n')
    slow.chmod(0o755)
    monkeypatch.setenv("PATH", f"{slow.parent}{os.pathsep}{os.environ['PATH']}")
    project.serve(rows={"stories": stories(3)})
    done = _materialize(project, "--partition", DAY, API_KEY="wrong+key/of=the&tests")
    assert "key refused: " in done.stdout + done.stderr
