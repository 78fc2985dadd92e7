"""A worker: takes one run after the other from RabbitMQ, and executes it in a process of Celery's.

It is configured by the launcher in Dagster's ``dagster.yaml``, so both speak of one queue. By hand:
``python -m analytics_assets.cluster.worker``, with ``DAGSTER_HOME`` set.
"""

import errno
import functools
import importlib
import json
import logging
import os
import time
from typing import Any

import dagster as dg
from celery import Celery
from celery.exceptions import Reject
from dagster_celery.config import TASK_EXECUTE_JOB_NAME
from dagster_celery.tasks import create_execute_job_task

from analytics_assets.cluster.alive import RunLock
from analytics_assets.cluster.launcher import ClusterRunLauncher, address_of
from analytics_assets.ingest.workdir import has_room

_LOG = logging.getLogger("analytics_assets")
# Celery gives a process it has forked four seconds to say so, which a busy machine may not have.
_START_SECONDS = 60
# Short, for meanwhile the run is out of reach of a worker that becomes free.
_NO_ROOM_SECONDS = 1.0
_DEFINITIONS = "analytics_assets.definitions"


def main() -> None:
    """Work until SIGTERM, which lets the run be finished, or SIGQUIT, which does not."""
    with dg.DagsterInstance.get() as instance:
        launcher = instance.run_launcher
        if not isinstance(launcher, ClusterRunLauncher):
            raise TypeError("a worker needs the launcher that deploy/dagster.yaml names")
    # dlt would start processes of its own where somebody asks it to, which a process of Celery's cannot have
    os.environ["NORMALIZE__WORKERS"] = "1"
    app, name = launcher.celery, os.environ.get("WORKER_NAME", "worker")
    app.conf.update(
        worker_proc_alive_timeout=_START_SECONDS,
        broker_connection_retry_on_startup=True,
        # what a run says has the form of Dagster's log already
        worker_redirect_stdouts=False,
        worker_hijack_root_logger=False,
    )
    add_task(app, launcher.lost_runs.lost_seconds)
    # before it forks, so that no run pays for it
    importlib.import_module(_DEFINITIONS)
    options = ["--pool=prefork", "--concurrency=1", "--loglevel=WARNING", f"--queues={launcher.default_queue}"]
    app.start(["--quiet", "worker", *options, f"--hostname={name}-{os.getpid()}@%h"])


def add_task(app: Celery, lost_seconds: float) -> None:
    """Have the app execute runs, each only while it holds the run's lock.

    A task is acknowledged when it has ended. So a worker that is busy gets none that would wait behind its run, and one
    that dies leaves its task to another. That one finds either the lock held, or a run that has begun, which Dagster
    does not begin twice: it is started anew as a run of its own, once it is known to be lost.

    A worker without room gives the task back: each run would fail there at once, and so it would empty the queue.
    """
    own: Any = {"shared": False}
    execute: Any = create_execute_job_task(Celery("body", set_as_current=False), **own)

    def execute_job(execute_job_args_packed: dict[str, Any]) -> None:
        with dg.DagsterInstance.get() as instance:
            address = address_of(instance)
        # the class is private to Dagster, but not what it has sent
        arguments: Any = dg.deserialize_value(json.dumps(execute_job_args_packed))
        run_id = arguments.run_id
        if _is_full():
            _say_no_room(run_id)
            time.sleep(_NO_ROOM_SECONDS)
            raise Reject(requeue=True)
        with RunLock(address, run_id, lost_seconds).held() as is_only:
            if is_only:
                execute(execute_job_args_packed=execute_job_args_packed)
            else:
                _LOG.warning("run %s is executed by another worker already", run_id)

    # Celery writes a traceback for each time
    logging.getLogger("celery.app.trace").addFilter(lambda record: not _is_given_back(record))
    app.task(name=TASK_EXECUTE_JOB_NAME, acks_late=True, ignore_result=True)(execute_job)


def _is_full() -> bool:
    """Say whether there is no room here; of what else is wrong with the temporary folder the run itself fails."""
    try:
        return not has_room()
    except OSError as error:
        return error.errno in {errno.ENOSPC, errno.EDQUOT}


def _is_given_back(record: logging.LogRecord) -> bool:
    return isinstance((record.exc_info or (None, None))[1], Reject)


@functools.lru_cache(maxsize=1)
def _say_no_room(run_id: str) -> None:
    """Say it once of a run, which comes again and again."""
    _LOG.error("no room in the temporary folder: make some; run %s is left to another worker", run_id)


if __name__ == "__main__":
    main()
