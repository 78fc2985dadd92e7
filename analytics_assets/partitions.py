"""The calendar: one partition a day, and the windows that a run's partitions mean."""

from collections.abc import Sequence
from dataclasses import dataclass

import dagster as dg

from analytics_assets.ingest.configured import SettingError
from analytics_assets.ingest.settings import Settings
from analytics_assets.ingest.window import Window


@dataclass(frozen=True)
class Slice:
    """Consecutive partitions that are loaded as one window."""

    partition_keys: tuple[str, ...]
    window: Window


def daily_partitions(settings: Settings) -> dg.DailyPartitionsDefinition:
    """Return the partitions that all assets share.

    Today is one of them, though it is not over: stories vanish after 24 hours and have to be read while the day lasts.
    """
    return dg.DailyPartitionsDefinition(
        start_date=settings.start_date.isoformat(), timezone=settings.timezone, end_offset=1
    )


def backfill_policy(settings: Settings) -> dg.BackfillPolicy:
    """Return how a backfill is cut into runs; only one run for all of it can also be asked for by the command line."""
    days = settings.backfill_days
    return dg.BackfillPolicy.multi_run(days) if days else dg.BackfillPolicy.single_run()


def partition_keys_of(context: dg.AssetExecutionContext) -> list[str]:
    """Return the days of the run; empty where it was launched without a partition.

    Raises ``SettingError`` for days that are no partitions, which not every way to launch a run looks at.
    """
    if not (context.has_partition_key or context.has_partition_key_range):
        return []
    span = context.partition_key_range
    known = _daily(context).get_partition_keys()
    for day in (span.start, span.end):
        if day not in known:
            raise SettingError(f"{day!r} is no partition: these are the days from {known[0]} to {known[-1]}")
    if span.end < span.start:
        raise SettingError(f"the range {span.start}...{span.end} ends before it begins: its first day goes first")
    return list(context.partition_keys)


def slices_of(context: dg.AssetExecutionContext, max_days: int, keys: Sequence[str] | None = None) -> list[Slice]:
    """Return the windows of consecutive partitions, or else of all of the run's, none longer than ``max_days``."""
    partitions, keys = _daily(context), partition_keys_of(context) if keys is None else keys
    slices = []
    for first in range(0, len(keys), max_days):
        part = tuple(keys[first : first + max_days])
        start = partitions.time_window_for_partition_key(part[0]).start
        end = partitions.time_window_for_partition_key(part[-1]).end
        slices.append(Slice(part, Window(start, end)))
    return slices


def _daily(context: dg.AssetExecutionContext) -> dg.DailyPartitionsDefinition:
    partitions = context.assets_def.partitions_def
    if not isinstance(partitions, dg.DailyPartitionsDefinition):
        raise TypeError(f"{context.assets_def} has no daily partitions")
    return partitions
