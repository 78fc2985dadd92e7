"""Workers take runs from one queue; what a killed one leaves is started again, and nothing is lost or there twice."""

import os
import signal
from collections.abc import Callable

import pytest
import requests

from analytics_assets.ingest.configured import load_settings
from analytics_assets.sandbox.faults import Fault
from analytics_assets.sandbox.shape import Shape
from analytics_assets_tests.cluster.conftest import Fleet
from analytics_assets_tests.project import KEY, Project

pytestmark = [pytest.mark.postgres, pytest.mark.slow, pytest.mark.timeout(600)]

_TERMINATE = """mutation ($run: String!) { terminateRun(runId: $run) {
  __typename ... on PythonError { message } ... on TerminateRunFailure { message } } }"""
DAYS = [f"2025-03-{day:02d}" for day in range(1, 7)]


def quicken(project: Project) -> None:
    """Have a lost run found within seconds."""
    path = project.path / "deploy" / "dagster.yaml"
    text = path.read_text().replace("poll_interval_seconds: 10", "poll_interval_seconds: 1")
    assert "  config:\n    broker:" in text
    path.write_text(text.replace("  config:\n    broker:", "  config:\n    lost_seconds: 6.0\n    broker:"))


def of_the_api(project: Project) -> dict[str, int]:
    """Return how many rows the API says that it has of these days, by endpoint."""
    span = {
        "since": f"{DAYS[0]}T00:00:00Z",
        "until": "2025-03-07T00:00:00Z",
        "limit": "1",
        "offset": "0",
        "api_key": KEY,
    }
    address = project.configured("base_url")
    return {
        endpoint.name: requests.get(address + endpoint.path, params=span, timeout=30).json()["total"]
        for endpoint in load_settings().resolved_endpoints
    }


def succeeded(running: Fleet) -> list[str]:
    """Return the days of the runs that have succeeded, in order."""
    return sorted(run["tags"]["dagster/partition"] for run in running.runs() if run["status"] == "SUCCESS")


def test_a_worker_is_killed(project: Project, fleet: Callable[..., Fleet]) -> None:
    """Two workers share six days; one is killed with -9 in the middle: its run goes on as another, all is there."""
    quicken(project)
    project.serve(shape=Shape(key=KEY), faults=[Fault("latency", seconds=0.05)])
    running = fleet(2)
    running.launch(*DAYS)
    running.until(lambda: succeeded(running), 120)
    running.until(lambda: sum(run["status"] == "STARTED" for run in running.runs()) == 2, 90)
    os.killpg(running.processes("analytics_assets.cluster.worker")[0], signal.SIGKILL)
    running.until(lambda: succeeded(running) == DAYS, 180)
    [lost] = [run for run in running.runs() if run["status"] != "SUCCESS"]
    assert lost["status"] == "FAILURE"
    again = next(run for run in running.runs() if run["runId"] == lost["tags"]["dagster/auto_retry_run_id"])
    assert (again["status"], again["tags"]["dagster/retry_number"]) == ("SUCCESS", "1")
    assert "worker-1 ended with code -9, and is started again" in running.said
    for name, total in of_the_api(project).items():
        assert running.database.execute(f"SELECT count(*), count(DISTINCT id) FROM analytics.{name}") == [  # noqa: S608
            (total, total)
        ]
        loaded = f"SELECT count(DISTINCT window_start) FROM analytics._analytics_windows WHERE endpoint = '{name}'"  # noqa: S608
        assert running.database.execute(f"{loaded} AND outcome = 'loaded'") == [(len(DAYS),)]
    # though RabbitMQ gave the task of the killed worker to the other one, no run was begun twice
    began = "SELECT max(count) FROM (SELECT count(*) FROM event_logs WHERE dagster_event_type = 'PIPELINE_START' "
    assert running.database.execute(f"{began} GROUP BY run_id) AS runs") == [(1,)]


def test_a_run_is_terminated(project: Project, fleet: Callable[..., Fleet]) -> None:
    """*Terminate* in the UI ends a run as cancelled, and nothing starts it again; the worker takes the next one."""
    quicken(project)
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
    running.until(lambda: succeeded(running) == DAYS[1:2], 120)
    assert [run["status"] for run in running.runs()] == ["SUCCESS", "CANCELED"]
    outcomes = (
        "SELECT outcome FROM analytics._analytics_windows WHERE endpoint = 'media_insights' ORDER BY window_start"
    )
    assert running.database.execute(outcomes) == [("cancelled",), ("loaded",)]
