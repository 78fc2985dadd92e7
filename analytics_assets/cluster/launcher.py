"""Sends a run to a worker by RabbitMQ, and knows whether its process lives. ``deploy/dagster.yaml`` names it."""

import logging
import time
import warnings
from collections.abc import Mapping
from typing import Any, Self

import dagster as dg
from celery.exceptions import DuplicateTaskNameWarning
from dagster._core.execution.stats import StepEventStatus
from dagster._core.launcher import CheckRunHealthResult, LaunchRunContext, WorkerStatus
from dagster._serdes import ConfigurableClassData
from dagster_celery.launcher import CeleryRunLauncher
from dagster_celery.tags import DAGSTER_CELERY_TASK_ID_TAG
from dagster_postgres.run_storage import PostgresRunStorage

from analytics_assets.cluster.alive import LOST_SECONDS, RunLock

# less than start_timeout_seconds, after which a run that waits counts as failed
_BROKER_SECONDS = 240.0
_LOG = logging.getLogger("analytics_assets")


class ClusterRunLauncher(CeleryRunLauncher):
    """Dagster's launcher, which asks the run's lock and not Celery whether the run's process lives.

    Of a worker that was killed Celery's result says ``STARTED`` for ever, and its ``rpc://`` results can be read by
    nobody but the process that sent the task.
    """

    lost_seconds = LOST_SECONDS
    not_held_since: dict[str, float]
    """Runs that were found to be held by nobody, and since when, by this process's clock."""

    @classmethod
    def config_type(cls) -> dict[str, Any]:
        """Return what ``dagster.yaml`` may say: what Dagster's launcher takes, and ``lost_seconds``."""
        what = "A run that no process has held for so long is lost, and is started again"
        taken: Any = super().config_type()
        return {**taken, "lost_seconds": dg.Field(float, default_value=LOST_SECONDS, description=what)}

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData, config_value: Mapping[str, Any]) -> Self:
        """Make one of what ``dagster.yaml`` says."""
        launcher = cls(
            inst_data=inst_data, **{name: value for name, value in config_value.items() if name != "lost_seconds"}
        )
        launcher.lost_seconds, launcher.not_held_since = config_value["lost_seconds"], {}
        # Dagster's launcher registers the same task anew with each run
        warnings.filterwarnings("ignore", category=DuplicateTaskNameWarning)
        return launcher

    def launch_run(self, context: LaunchRunContext) -> None:
        """Send the run to a worker; wait for RabbitMQ, or each run of the queue would fail while it is down."""
        self.wait_for_broker()
        super().launch_run(context)

    def wait_for_broker(self, seconds: float = _BROKER_SECONDS) -> None:
        """Return once RabbitMQ answers; raises kombu's ``OperationalError`` where it does not in time."""
        with self.celery.connection_for_write() as connection:
            connection.ensure_connection(
                _note_absence, interval_start=1, interval_step=1, interval_max=5, timeout=seconds
            )

    def terminate(self, run_id: str) -> bool:
        """Have the run's process told to end, and Dagster that somebody wants it: or it would start the run again."""
        run = self._instance.get_run_by_id(run_id)
        if run is None or run.is_finished:
            return False
        self._instance.report_run_canceling(run)
        return DAGSTER_CELERY_TASK_ID_TAG in run.tags and super().terminate(run_id)

    @property
    def supports_resume_run(self) -> bool:
        """Say no: in this version it fails, and a run that is lost begins anew as another one (``run_retries``)."""
        return False

    def check_run_worker_health(self, run: dg.DagsterRun) -> CheckRunHealthResult:
        """Say that a run has failed which nobody has held for ``lost_seconds``.

        Where only the run's end was lost, write it down instead: Dagster refuses to retry a run that has no step left,
        and it would stay failed though all of it is loaded.
        """
        seen = self.not_held_since
        if RunLock(address_of(self._instance), run.run_id).is_held():
            seen.pop(run.run_id, None)
            return CheckRunHealthResult(WorkerStatus.RUNNING)
        seconds = time.monotonic() - seen.setdefault(run.run_id, time.monotonic())
        if seconds < self.lost_seconds:
            # it may have a new connection in a moment
            return CheckRunHealthResult(WorkerStatus.RUNNING)
        del seen[run.run_id]
        if _has_done_all(self._instance, run):
            message = "Its process was lost when all steps had succeeded."
            event = dg.DagsterEvent(dg.DagsterEventType.RUN_SUCCESS.value, run.job_name, message=message)
            self._instance.report_dagster_event(event, run.run_id)
            return CheckRunHealthResult(WorkerStatus.SUCCESS)
        return CheckRunHealthResult(WorkerStatus.FAILED, f"no process has held the run for {seconds:.0f} s")


def _has_done_all(instance: dg.DagsterInstance, run: dg.DagsterRun) -> bool:
    """Say whether a run has not ended, though each of its steps has succeeded."""
    now = instance.get_run_by_id(run.run_id)
    if now is None or now.status != dg.DagsterRunStatus.STARTED or now.execution_plan_snapshot_id is None:
        return False
    steps = instance.get_execution_plan_snapshot(now.execution_plan_snapshot_id).step_keys_to_execute
    done = {step.step_key for step in instance.get_run_step_stats(run.run_id) if step.status == StepEventStatus.SUCCESS}
    return done.issuperset(steps)


def _note_absence(error: Exception, seconds: float) -> None:
    _LOG.warning("RabbitMQ does not answer (%s); it is asked again in %.0f s", error, seconds)


def address_of(instance: dg.DagsterInstance) -> str:
    """Return the address of Dagster's PostgreSQL; raises ``TypeError`` where its history is somewhere else."""
    storage = instance.run_storage
    if not isinstance(storage, PostgresRunStorage):
        raise TypeError("workers need Dagster's history in PostgreSQL: deploy/dagster.yaml shows it")
    return storage.postgres_url
