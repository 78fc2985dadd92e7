"""The calendar: one partition a day, and the window that a partition or a range of them means."""

import dagster as dg

from analytics_assets.ingest.settings import Settings
from analytics_assets.ingest.window import Window


def daily_partitions(settings: Settings) -> dg.DailyPartitionsDefinition:
    """Return the partitions that all assets share.

    Today is one of them, though it is not over: stories vanish after 24 hours and have to be read while the day lasts.
    """
    return dg.DailyPartitionsDefinition(
        start_date=settings.start_date.isoformat(), timezone=settings.timezone, end_offset=1
    )


def window_of(context: dg.AssetExecutionContext) -> Window:
    """Return the window of the run's partition, or of its whole range of partitions."""
    span = context.partition_time_window
    return Window(span.start, span.end)
