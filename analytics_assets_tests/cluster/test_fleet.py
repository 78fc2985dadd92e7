"""Workers take runs from one queue; what a killed one leaves is started again, and nothing is lost or there twice."""

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from analytics_assets.sandbox.faults import Fault
from analytics_assets.sandbox.shape import Shape
from analytics_assets_tests.cluster.fleet import Fleet, change, quicken, what_is_wrong
from analytics_assets_tests.project import KEY, Project

pytestmark = [pytest.mark.postgres, pytest.mark.slow, pytest.mark.timeout(600)]

_TERMINATE = """mutation ($run: String!) { terminateRun(runId: $run) {
  __typename ... on PythonError { message } ... on TerminateRunFailure { message } } }"""
# Of Python's, in each process that it starts: a worker's disk is full as long as a file has its name.
_FULL_DISKS = """import os, shutil
usage = shutil.disk_usage
def disk_usage(path):
    is_full = os.path.exists(os.path.join({folder!r}, os.environ.get("WORKER_NAME", "none") + " is full"))
    return usage(path)._replace(free=0) if is_full else usage(path)
shutil.disk_usage = disk_usage
"""
# What ends sooner is not started again.
_SETTLED_SECONDS = 16
DAYS = [f"2025-03-{day:02d}" for day in range(1, 7)]


def test_a_worker_is_killed(project: Project, fleet: Callable[..., Fleet]) -> None:
    """Two workers share six days; one is killed with -9 in the middle: its run goes on as another, all is there."""
    quicken(project.path)
    sandbox = project.serve(shape=Shape(key=KEY), faults=[Fault("latency", seconds=0.4)])
    running = fleet(2)
    running.launch(*DAYS)
    running.until(running.succeeded, 120)
    # both are in the middle of a run, which has steps left
    sandbox.faults.append(Fault("latency", seconds=10))
    running.until(lambda: len({asked.params["since"] for asked in sandbox.requests if not asked.status}) == 2, 90)
    sandbox.faults.pop()
    os.killpg(running.processes("analytics_assets.cluster.worker")[0], signal.SIGKILL)
    running.until(lambda: running.succeeded() == DAYS, 180)
    [lost] = [run for run in running.runs() if run["status"] != "SUCCESS"]
    assert lost["status"] == "FAILURE"
    again = next(run for run in running.runs() if run["runId"] == lost["tags"]["dagster/auto_retry_run_id"])
    assert (again["status"], again["tags"]["dagster/retry_number"]) == ("SUCCESS", "1")
    assert "worker-1 ended with code -9, and is started again" in running.said
    # though RabbitMQ gave the task of the killed worker to the other one, no run was begun twice
    assert what_is_wrong(running.database, project.configured("base_url"), KEY, DAYS) == []


def test_daemon_api_and_a_disk_fail_at_once(project: Project, fleet: Callable[..., Fleet]) -> None:
    """The daemon is killed while the API is away, and one worker's disk is full: no run fails, and all is there."""
    quicken(project.path)
    fill(project.path, "worker-1")
    sandbox = project.serve(shape=Shape(key=KEY), faults=[Fault("latency", seconds=0.05)])
    running = fleet(2)
    began = time.monotonic()
    running.launch(*DAYS[:3])
    running.until(lambda: sandbox.requests and time.monotonic() - began > _SETTLED_SECONDS, 120)
    away = Fault("close", reset=True)
    sandbox.faults.append(away)
    os.killpg(running.processes("dagster._daemon")[0], signal.SIGKILL)
    running.until(lambda: "daemon ended with code -9, and is started again" in running.said, 30)
    sandbox.faults.remove(away)
    running.until(lambda: running.succeeded() == DAYS[:3], 240)
    assert [run["status"] for run in running.runs()] == ["SUCCESS"] * 3
    # the worker that has no room was given some, gave them back, and said so in a line
    assert "celery.exceptions.Reject" not in running.said
    assert "no room in the temporary folder: make some; run " in running.said
    assert what_is_wrong(running.database, project.configured("base_url"), KEY, DAYS[:3]) == []


def test_no_worker_has_room(project: Project, fleet: Callable[..., Fleet]) -> None:
    """A run that nobody can take fails when it has waited to start, and another one loads once there is room."""
    quicken(project.path)
    configured = project.path / "deploy" / "dagster.yaml"
    change(configured, "start_timeout_seconds: 300", "start_timeout_seconds: 10")
    full = fill(project.path, "worker-1", "worker-2")
    sandbox = project.serve(shape=Shape(key=KEY))
    running = fleet(2)
    running.launch(DAYS[0])
    running.until(lambda: [run["status"] for run in running.runs()][1:] == ["FAILURE"], 90)
    assert sandbox.requests == []
    for one in full:
        one.unlink()
    running.until(running.succeeded, 120)
    again, *_, first = running.runs()
    assert (again["status"], first["status"]) == ("SUCCESS", "FAILURE")
    # the tasks of those that have failed are still with RabbitMQ, and are begun by no worker
    assert what_is_wrong(running.database, project.configured("base_url"), KEY, DAYS[:1]) == []


def fill(folder: Path, *workers: str) -> list[Path]:
    """Fill the disks of workers, before a fleet is started in the folder; each is until its file is removed."""
    (folder / "sitecustomize.py").write_text(_FULL_DISKS.format(folder=str(folder)))
    full = [folder / f"{name} is full" for name in workers]
    for one in full:
        one.touch()
    return full


def test_a_run_is_terminated(project: Project, fleet: Callable[..., Fleet]) -> None:
    """*Terminate* in the UI ends a run as cancelled, and nothing starts it again; the worker takes the next one."""
    quicken(project.path)
    sandbox = project.serve(shape=Shape(key=KEY), faults=[Fault("latency", seconds=60)])
    running = fleet(1)
    running.launch(DAYS[0])
    running.until(lambda: sandbox.max_in_flight, 120)
    [run] = running.runs()
    answer = running.ask(_TERMINATE, run=run["runId"])
    assert answer["terminateRun"]["__typename"] == "TerminateRunSuccess", answer
    running.until(lambda: running.runs()[0]["status"] == "CANCELED", 60)
    sandbox.faults.clear()
    running.launch(DAYS[1])
    running.until(lambda: running.succeeded() == DAYS[1:2], 120)
    assert [run["status"] for run in running.runs()] == ["SUCCESS", "CANCELED"]
    outcomes = (
        "SELECT outcome FROM analytics._analytics_windows WHERE endpoint = 'media_insights' ORDER BY window_start"
    )
    assert running.database.execute(outcomes) == [("cancelled",), ("loaded",)]
