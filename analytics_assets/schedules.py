"""When things run: yesterday's partition every morning, and the days before it whose figures the API still restates."""

import datetime as dt
from collections import defaultdict

import dagster as dg

from analytics_assets.ingest.settings import Settings
from analytics_assets.jobs import load_all

_DAY = dt.timedelta(days=1)


def daily_load(settings: Settings, partitions: dg.DailyPartitionsDefinition) -> dg.ScheduleDefinition:
    """Return the schedule that loads the day that has just ended, and ``lookback_days`` before it.

    Endpoints that look back equally far are one run; those that look back are loaded as a range.
    ``build_schedule_from_partitioned_job`` would take the last partition, which is today's and not over.
    """
    endpoints = defaultdict(list)
    for endpoint in settings.resolved_endpoints:
        endpoints[settings.of(endpoint).lookback_days].append(endpoint.name)

    @dg.schedule(
        name="daily_load",
        job=load_all,
        cron_schedule="0 1 * * *",
        execution_timezone=partitions.timezone,
        description="Loads every endpoint for the day that ended at midnight, with its lookback_days before it.",
    )
    def schedule(context: dg.ScheduleEvaluationContext) -> list[dg.RunRequest] | dg.SkipReason:
        now = context.scheduled_execution_time.astimezone(partitions.start.tzinfo)
        yesterday, first = now.date() - _DAY, partitions.start.date()
        if yesterday < first:
            return dg.SkipReason(f"{yesterday} lies before the first partition, {first}")
        return [
            _request(max(yesterday - back * _DAY, first), yesterday, names if len(endpoints) > 1 else None)
            for back, names in endpoints.items()
        ]

    return schedule


def _request(first: dt.date, last: dt.date, names: list[str] | None) -> dg.RunRequest:
    """Return the run of a day or of a range, for the assets of these names or for all."""
    span = {"dagster/asset_partition_range_start": str(first), "dagster/asset_partition_range_end": str(last)}
    return dg.RunRequest(
        run_key=f"{last}" if names is None else f"{last} {' '.join(names)}",
        partition_key=str(last) if first == last else None,
        tags=span if first < last else None,
        asset_selection=[dg.AssetKey(name) for name in names] if names else None,
    )
