"""A run that is cancelled, as Dagster sees it: one signal ends it, and no step of it is tried again."""

import json
import os
import pty
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from typing import Any

import dagster as dg
import pytest

from analytics_assets.ingest.warehouse.ledger import LEDGER
from analytics_assets.sandbox.faults import Fault
from analytics_assets_tests.project import DAY, Project, stories

RETRIES = dg.RetryPolicy(max_retries=2)
_SECONDS = 60
_DAGSTER = [sys.executable, "-W", "ignore", "-m", "dagster"]
_MATERIALIZE = [*_DAGSTER, "asset", "materialize", "-m", "analytics_assets.definitions", "--partition", DAY]
_LAUNCH = """
mutation ($selector: JobOrPipelineSelector!, $tags: [ExecutionTag!]!) {
  launchRun(executionParams: {selector: $selector, mode: "default", executionMetadata: {tags: $tags}}) {
    __typename
    ... on LaunchRunSuccess { run { runId } }
    ... on PythonError { message }
  }
}
"""
_TERMINATE = "mutation ($run: String!) { terminateRun(runId: $run, terminatePolicy: SAFE_TERMINATE) { __typename } }"
_STATUS = "query ($run: ID!) { runOrError(runId: $run) { ... on Run { status stepStats { status } } } }"


def _outcomes(project: Project) -> list[tuple[str, str]]:
    return [(row["endpoint"], row["outcome"]) for row in project.table(LEDGER, order="started_at")]


def _wait(what: Callable[[], Any]) -> Any:  # noqa: ANN401 - whatever is waited for
    until = time.monotonic() + _SECONDS
    while not (found := what()):
        assert time.monotonic() < until
        time.sleep(0.05)
    return found


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_one_signal_ends_a_run_in_this_process(project: Project, number: signal.Signals) -> None:
    """The step is not tried again though its policy would, and the next one does not begin."""
    sandbox = project.serve(rows={"stories": stories(3)})
    sandbox.on_request = lambda _: os.kill(os.getpid(), number)
    result = project.materialize("stories", "story_insights", retry_policy=RETRIES)
    assert not result.success
    kinds = [event.event_type for event in result.all_events]
    assert dg.DagsterEventType.STEP_UP_FOR_RETRY not in kinds
    assert kinds.count(dg.DagsterEventType.STEP_START) == 1
    [failure] = [event for event in result.all_events if event.is_step_failure]
    assert f": cancelled: {number.name} came" in failure.step_failure_data.error.message
    assert _outcomes(project) == [(failure.step_key, "cancelled")]
    assert project.table() == project.table("story_insights") == []


def test_slices_that_were_loaded_by_then_stay(project: Project) -> None:
    """Cancelled within its second window, a range has its first, in the table and in Dagster's record."""
    rows = [{"id": f"s{day}", "timestamp": f"2025-03-0{day}T12:00:00Z"} for day in range(1, 5)]
    sandbox = project.serve(rows={"stories": rows})
    project.configure(max_window_days=2)
    sandbox.on_request = lambda _: len(sandbox.requests) == 2 and os.kill(os.getpid(), signal.SIGTERM)
    instance = project.instance()
    assert not project.materialize(
        day="2025-03-01", until="2025-03-04", instance=instance, retry_policy=RETRIES
    ).success
    assert project.ids() == ["s1", "s2"]
    assert _outcomes(project) == [("stories", "loaded"), ("stories", "cancelled")]
    assert instance.get_materialized_partitions(dg.AssetKey("stories")) == {"2025-03-01", "2025-03-02"}


@pytest.mark.parametrize("numbers", [[signal.SIGTERM], [signal.SIGINT, signal.SIGINT]], ids=["kill", "Ctrl-C twice"])
def test_the_command_line_ends_soon(project: Project, numbers: list[signal.Signals]) -> None:
    """An exit code that is not 0 within seconds, the reason, and a row in the ledger."""
    sandbox = project.serve(rows={"stories": stories(3)}, faults=[Fault("latency", seconds=60)])
    with subprocess.Popen([*_MATERIALIZE, "--select", "*"], stderr=subprocess.PIPE, text=True) as process:
        try:
            _wait(lambda: sandbox.requests)
            for number in numbers:
                process.send_signal(number)
                time.sleep(0.2)
            _, said = process.communicate(timeout=20)
        finally:
            process.kill()
    assert process.returncode == 1
    assert f"cancelled: {numbers[0].name} came, which cancels a run" in said
    assert "STEP_UP_FOR_RETRY" not in said
    [(_, outcome)] = _outcomes(project)
    assert outcome == "cancelled"


@pytest.mark.parametrize(
    ("fault", "event", "outcome"),
    [
        (Fault("latency", seconds=60), dg.DagsterEventType.STEP_START, "cancelled"),
        # by then it is none: what was tried has failed
        pytest.param(Fault("close"), dg.DagsterEventType.STEP_UP_FOR_RETRY, "failed", marks=pytest.mark.slow),
    ],
    ids=["while it asks the API", "before its next try"],
)
def test_the_terminal_is_closed(project: Project, fault: Fault, event: dg.DagsterEventType, outcome: str) -> None:
    """As when an ssh session breaks off: the run ends, and does not show as started for ever."""
    sandbox = project.serve(rows={"stories": stories(3)}, faults=[fault])
    process, terminal = pty.fork()
    if not process:
        os.execv(sys.executable, [*_MATERIALIZE, "--select", "stories"])  # noqa: S606 - no shell
    with dg.DagsterInstance.from_config(str(project.path)) as instance:
        try:
            _wait(lambda: sandbox.requests)
            [run] = instance.get_runs()
            _wait(lambda: instance.all_logs(run.run_id, of_type=event))
            os.close(terminal)
            _wait(lambda: os.waitpid(process, os.WNOHANG)[0])
        except BaseException:
            os.kill(process, signal.SIGKILL)
            raise
        [run] = instance.get_runs()
    assert run.status in {dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED}
    assert _outcomes(project) == [("stories", outcome)]


@pytest.mark.slow
def test_a_run_that_is_terminated_in_the_ui(project: Project) -> None:
    """A launched run is CANCELED by the terminate button, within seconds, whatever the API is at."""
    sandbox = project.serve(rows={"stories": stories(3)}, faults=[Fault("latency", seconds=60)])
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    environment = {**os.environ, "DAGSTER_HOME": str(project.path), "PYTHONWARNINGS": "ignore"}
    server = ["-m", "dagster", "dev", "-m", "analytics_assets.definitions", "-h", "127.0.0.1", "-p", str(port)]

    def ask(query: str, **variables: object) -> Any:  # noqa: ANN401 - JSON
        body = json.dumps({"query": query, "variables": variables}).encode()
        headers = {"content-type": "application/json"}
        request = urllib.request.Request(f"http://127.0.0.1:{port}/graphql", body, headers)
        with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310 - http
            return json.loads(answer.read())["data"]

    def is_up() -> bool:
        with socket.socket() as client:
            return client.connect_ex(("127.0.0.1", port)) == 0

    selector = {
        "repositoryLocationName": "analytics_assets.definitions",
        "repositoryName": "__repository__",
        "pipelineName": "load_all",
    }
    with subprocess.Popen([sys.executable, *server], env=environment, start_new_session=True) as process:
        try:
            _wait(is_up)
            launched = ask(_LAUNCH, selector=selector, tags=[{"key": "dagster/partition", "value": DAY}])["launchRun"]
            run = launched["run"]["runId"]
            _wait(lambda: sandbox.requests)
            assert ask(_TERMINATE, run=run)["terminateRun"]["__typename"] == "TerminateRunSuccess"
            began = time.monotonic()
            _wait(lambda: ask(_STATUS, run=run)["runOrError"]["status"] == "CANCELED")
            assert time.monotonic() - began < 40
            _wait(lambda: _outcomes(project))
        finally:
            os.killpg(process.pid, signal.SIGKILL)
    [(_, outcome)] = _outcomes(project)
    assert outcome == "cancelled"
