"""Runs whose process is gone together with Dagster: they are found, and begun anew."""

import time

import pytest

from analytics_assets.sandbox.faults import Fault
from analytics_assets.sandbox.shape import Shape
from analytics_assets_tests.cluster.fleet import change, cluster, kill_all
from analytics_assets_tests.project import DAY, KEY, Project
from analytics_assets_tests.warehouses import Duckdb

_ANSWER_SECONDS = 60
_RELOAD = """mutation { reloadRepositoryLocation(repositoryLocationName: "analytics_assets.definitions") {
  __typename ... on PythonError { message } } }"""


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_machine_is_restarted(project: Project) -> None:
    """All of ``make dev`` is killed with a run; the next one says that the run has failed, and begins it anew."""
    configured = project.path / "dagster.yaml"
    change(configured, "poll_interval_seconds: 30", "poll_interval_seconds: 1")
    launcher = "  class: LocalRunLauncher\n"
    change(configured, launcher, f"{launcher}  config:\n    lost_seconds: 3.0\n")
    waits = Fault("latency", seconds=_ANSWER_SECONDS)
    sandbox = project.serve(shape=Shape(key=KEY), faults=[waits])
    with cluster(project.path, {}, command="dev") as running:
        running.wait_until_served()
        running.launch(DAY)
        running.until(lambda: sandbox.max_in_flight, 90)
        # a run that lives is not lost, however long it takes, and though the code server begins anew beside it
        running.ask(_RELOAD)
        time.sleep(6)
        assert [run["status"] for run in running.runs()] == ["STARTED"]
        kill_all(running.process.pid)
        running.process.wait()
    sandbox.faults.clear()
    with cluster(project.path, {}, command="dev") as running:
        running.wait_until_served()
        running.until(running.succeeded, 180)
        again, lost = running.runs()
    assert (again["status"], lost["status"]) == ("SUCCESS", "FAILURE")
    assert lost["tags"]["dagster/auto_retry_run_id"] == again["runId"]
    outcomes = "SELECT outcome, count(*) FROM analytics._analytics_windows GROUP BY outcome"
    assert Duckdb(project).execute(outcomes) == [("loaded", 4)]
