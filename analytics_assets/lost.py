"""Runs whose process is gone, as after a restart of the machine: Dagster would show them as started for hours.

They stand in the way until then: of the next look for new stories, of the days that they were to load, and of a place
among the runs that may execute at once. ``dagster.yaml`` names the launcher that finds them.
"""

import time
from collections.abc import Mapping
from typing import Any, Self

import dagster as dg
import grpc
from dagster._core.errors import DagsterUserCodeUnreachableError
from dagster._core.execution.stats import StepEventStatus
from dagster._core.launcher import CheckRunHealthResult, WorkerStatus
from dagster._serdes import ConfigurableClassData

LOST_SECONDS = 30.0
"""A run that no process has held for so long is lost."""
_ANSWER_SECONDS = 10


class LostRuns:
    """Judges runs by whether a process holds them, each time that Dagster's daemon asks."""

    def __init__(self, lost_seconds: float) -> None:
        """Know of no run yet."""
        self.lost_seconds = lost_seconds
        self._not_held_since: dict[str, float] = {}

    def judge(self, instance: dg.DagsterInstance, run: dg.DagsterRun, *, is_held: bool) -> CheckRunHealthResult:
        """Say that a run has failed which nobody has held for ``lost_seconds``.

        Where only the run's end was lost, write it down instead: Dagster refuses to retry a run that has no step left,
        and it would stay failed though all of it is loaded.
        """
        if is_held:
            self._not_held_since.pop(run.run_id, None)
            return CheckRunHealthResult(WorkerStatus.RUNNING)
        seconds = time.monotonic() - self._not_held_since.setdefault(run.run_id, time.monotonic())
        if seconds < self.lost_seconds:
            # it may have a new connection in a moment, or have ended just now
            return CheckRunHealthResult(WorkerStatus.RUNNING)
        del self._not_held_since[run.run_id]
        if _has_done_all(instance, run):
            message = "Its process was lost when all steps had succeeded."
            event = dg.DagsterEvent(dg.DagsterEventType.RUN_SUCCESS.value, run.job_name, message=message)
            instance.report_dagster_event(event, run.run_id)
            return CheckRunHealthResult(WorkerStatus.SUCCESS)
        return CheckRunHealthResult(WorkerStatus.FAILED, f"no process has held the run for {seconds:.0f} s")


class LocalRunLauncher(dg.DefaultRunLauncher):
    """Dagster's launcher, which also asks whether the code server that a run was given to is still there.

    A code server writes down what became of a run whose process ends; where it is gone itself, nobody does. It is not
    asked for the run: once its code was reloaded, it does not know those that began before, though they go on. A run
    that was not launched, such as that of ``dagster asset materialize``, has no code server.
    """

    lost_runs: LostRuns

    @classmethod
    def config_type(cls) -> dict[str, Any]:
        """Return what ``dagster.yaml`` may say."""
        return lost_seconds_field()

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData, config_value: Mapping[str, Any]) -> Self:
        """Make one of what ``dagster.yaml`` says."""
        launcher = cls(inst_data)
        launcher.lost_runs = LostRuns(config_value["lost_seconds"])
        return launcher

    @property
    def supports_check_run_worker_health(self) -> bool:
        """Say yes."""
        return True

    def check_run_worker_health(self, run: dg.DagsterRun) -> CheckRunHealthResult:
        """Say that a run has failed whose code server is gone."""
        return self.lost_runs.judge(self._instance, run, is_held=self._has_server(run.run_id))

    def _has_server(self, run_id: str) -> bool:
        find: Any = self._get_grpc_client_for_termination
        server = find(run_id)
        if server is None:
            return True
        try:
            server.get_server_id(timeout=_ANSWER_SECONDS)
        except DagsterUserCodeUnreachableError as error:
            cause = error.__cause__
            # one that is only slow is there
            return not (isinstance(cause, grpc.RpcError) and cause.code() == grpc.StatusCode.UNAVAILABLE)
        return True


def lost_seconds_field() -> dict[str, Any]:
    """Return the setting of ``dagster.yaml`` that says when a run is lost."""
    what = "A run that no process has held for so long is lost, and is started again"
    return {"lost_seconds": dg.Field(float, default_value=LOST_SECONDS, description=what)}


def _has_done_all(instance: dg.DagsterInstance, run: dg.DagsterRun) -> bool:
    """Say whether a run has not ended, though each of its steps has succeeded."""
    now = instance.get_run_by_id(run.run_id)
    if now is None or now.status != dg.DagsterRunStatus.STARTED or now.execution_plan_snapshot_id is None:
        return False
    steps = instance.get_execution_plan_snapshot(now.execution_plan_snapshot_id).step_keys_to_execute
    done = {step.step_key for step in instance.get_run_step_stats(run.run_id) if step.status == StepEventStatus.SUCCESS}
    return done.issuperset(steps)
