"""When things run: yesterday's partition every morning."""

import datetime as dt

import dagster as dg

from analytics_assets.jobs import load_all


def daily_load(partitions: dg.DailyPartitionsDefinition) -> dg.ScheduleDefinition:
    """Return the schedule that loads the day that has just ended.

    ``build_schedule_from_partitioned_job`` would take the last partition, which is today's and not over.
    """

    @dg.schedule(
        name="daily_load",
        job=load_all,
        cron_schedule="0 1 * * *",
        execution_timezone=partitions.timezone,
        description="Loads every endpoint for the day that ended at midnight.",
    )
    def schedule(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        now = context.scheduled_execution_time.astimezone(partitions.start.tzinfo)
        yesterday = now - dt.timedelta(days=1)
        day = yesterday.strftime("%Y-%m-%d")
        if day < f"{partitions.start:%Y-%m-%d}":
            return dg.SkipReason(f"{day} lies before the first partition, {partitions.start:%Y-%m-%d}")
        return dg.RunRequest(run_key=day, partition_key=day)

    return schedule
