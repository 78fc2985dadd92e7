"""Sends a run to a worker by RabbitMQ, and knows whether its process lives. ``deploy/dagster.yaml`` names it."""

import logging
import warnings
from collections.abc import Mapping
from typing import Any, Self

import dagster as dg
from celery.exceptions import DuplicateTaskNameWarning
from dagster._core.launcher import CheckRunHealthResult, LaunchRunContext
from dagster._serdes import ConfigurableClassData
from dagster_celery.launcher import CeleryRunLauncher
from dagster_celery.tags import DAGSTER_CELERY_TASK_ID_TAG
from dagster_postgres.run_storage import PostgresRunStorage

from analytics_assets.cluster.alive import RunLock
from analytics_assets.cluster.broker import EXAMPLE, checked_broker
from analytics_assets.lost import LostRuns, lost_seconds_field

# less than start_timeout_seconds, after which a run that waits counts as failed
_BROKER_SECONDS = 240.0
_LOG = logging.getLogger("analytics_assets")


class ClusterRunLauncher(CeleryRunLauncher):
    """Dagster's launcher, which asks the run's lock and not Celery whether the run's process lives.

    Of a worker that was killed Celery's result says ``STARTED`` for ever, and its ``rpc://`` results can be read by
    nobody but the process that sent the task.
    """

    lost_runs: LostRuns

    @classmethod
    def config_type(cls) -> dict[str, Any]:
        """Return what ``dagster.yaml`` may say: what Dagster's launcher takes, and ``lost_seconds``."""
        taken: Any = super().config_type()
        return {**taken, **lost_seconds_field()}

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData, config_value: Mapping[str, Any]) -> Self:
        """Make one of what ``dagster.yaml`` says; raises ``SettingError`` where the broker's address is none."""
        checked_broker("broker in dagster.yaml", config_value.get("broker") or EXAMPLE)
        launcher = cls(
            inst_data=inst_data, **{name: value for name, value in config_value.items() if name != "lost_seconds"}
        )
        launcher.lost_runs = LostRuns(config_value["lost_seconds"])
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
        """Say that a run has failed which nobody has held for ``lost_seconds``."""
        is_held = RunLock(address_of(self._instance), run.run_id).is_held()
        return self.lost_runs.judge(self._instance, run, is_held=is_held)


def _note_absence(error: Exception, seconds: float) -> None:
    _LOG.warning("RabbitMQ does not answer (%s); it is asked again in %.0f s", error, seconds)


def address_of(instance: dg.DagsterInstance) -> str:
    """Return the address of Dagster's PostgreSQL; raises ``TypeError`` where its history is somewhere else."""
    storage = instance.run_storage
    if not isinstance(storage, PostgresRunStorage):
        raise TypeError("workers need Dagster's history in PostgreSQL: deploy/dagster.yaml shows it")
    return storage.postgres_url
