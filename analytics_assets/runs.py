"""What is asked of Dagster's queue by itself: runs of days, in what order, and what stands in the queue already."""

import datetime as dt
from collections.abc import Mapping, Sequence

import dagster as dg

from analytics_assets.failures import days_of

_START, _END = "dagster/asset_partition_range_start", "dagster/asset_partition_range_end"
PRIORITY = "dagster/priority"
"""The tag by which the queue is ordered: the highest number goes first, and none is 0."""
_SENSOR = "dagster/sensor_name"
NOT_ENDED = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]


def request(
    first: dt.date,
    last: dt.date,
    endpoints: Sequence[str] | None,
    *,
    run_key: str,
    tags: Mapping[str, str] | None = None,
) -> dg.RunRequest:
    """Return the run of a day or of a range, for the endpoints of these names or for all."""
    span = {_START: str(first), _END: str(last)} if first < last else {}
    return dg.RunRequest(
        run_key=run_key,
        partition_key=str(last) if first == last else None,
        tags={**span, **(tags or {})},
        asset_selection=[dg.AssetKey(name) for name in endpoints] if endpoints is not None else None,
    )


def days_under_way(instance: dg.DagsterInstance, job_name: str) -> set[tuple[str | None, dt.date]]:
    """Return endpoint (``None``: all of them) and day of all that runs of a job, or of the UI, are about to load."""
    found: set[tuple[str | None, dt.date]] = set()
    for run in instance.get_runs(dg.RunsFilter(statuses=NOT_ENDED)):
        if run.job_name not in {job_name, "__ASSET_JOB"}:
            continue
        names = [key.path[-1] for key in run.asset_selection] if run.asset_selection else [None]
        found |= {(name, dt.date.fromisoformat(day)) for name in names for day in days_of(run.tags)}
    return found


def newest_of(instance: dg.DagsterInstance, sensor: str) -> dg.DagsterRun | None:
    """Return the newest run that a sensor has asked for."""
    return next(iter(instance.get_runs(dg.RunsFilter(tags={_SENSOR: sensor}), limit=1)), None)


def raise_priority(instance: dg.DagsterInstance, run: dg.DagsterRun, priority: int) -> bool:
    """Give a run that is still queued a higher priority, which the queue reads anew; whether it got one."""
    if run.status is not dg.DagsterRunStatus.QUEUED or int(run.tags.get(PRIORITY, 0)) >= priority:
        return False
    instance.add_run_tags(run.run_id, {PRIORITY: str(priority)})
    return True


def fine_at(instance: dg.DagsterInstance) -> dt.datetime | None:
    """Return when the connection check last succeeded."""
    filters = dg.RunsFilter(job_name="check_connection", statuses=[dg.DagsterRunStatus.SUCCESS])
    newest = next(iter(instance.get_run_records(filters, limit=1)), None)
    return dt.datetime.fromtimestamp(newest.start_time, dt.UTC) if newest and newest.start_time else None
