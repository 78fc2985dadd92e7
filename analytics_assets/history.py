"""Dagster's record of an asset's days: which of them an earlier attempt has loaded, and the figures of each."""

from collections.abc import Iterable, Mapping
from typing import Any

import dagster as dg

from analytics_assets.catalogue import DAY_METADATA, Loaded, day_metadata
from analytics_assets.partitions import Slice

# set by Dagster on "re-execute from failure", and on no other run that has a parent
_RESUMES = "dagster/is_resume_retry"
_RECORDS = 10_000


def not_yet_loaded(context: dg.AssetExecutionContext, asset_key: dg.AssetKey, slices: list[Slice]) -> list[Slice]:
    """Leave out the slices that an earlier attempt has recorded: of this step, or of the run that this one resumes.

    A run that is executed anew as a whole leaves out nothing, for its parent may have been a success.
    """
    run = context.run
    runs = {run.run_id}
    if run.tags.get(_RESUMES) == "true":
        runs |= {run.parent_run_id or "", run.root_run_id or ""}
    elif not context.retry_number:
        return slices
    if len(slices) == 1:
        return slices
    last_days = [part.partition_keys[-1] for part in slices]
    records = context.instance.fetch_materializations(
        dg.AssetRecordsFilter(asset_key=asset_key, asset_partitions=last_days), limit=_RECORDS
    ).records
    loaded = {one.partition_key for one in records if one.run_id in runs}
    rest = [part for part in slices if part.partition_keys[-1] not in loaded]
    context.log.info("%s: %d of %d slices were loaded before", asset_key.path[-1], len(slices) - len(rest), len(slices))
    # Where all were loaded, the last one is loaded once more: a step has to end with a materialization, and its figures
    # are those of a load. That is cheap, and a merge changes nothing.
    return rest or slices[-1:]


def give_each_day_its_own(
    context: dg.AssetExecutionContext, asset_key: dg.AssetKey, days: list[str], loaded: list[Loaded]
) -> None:
    """Record the rows of each day of the run, because the step's materialization has those of all of them together."""
    if len(days) > 1 or any(part.report.window is None for part in loaded):
        for day, metadata in _of_each_day(context, asset_key, days, loaded).items():
            context.add_asset_metadata(metadata, asset_key, day)


def _of_each_day(
    context: dg.AssetExecutionContext, asset_key: dg.AssetKey, days: list[str], loaded: list[Loaded]
) -> dict[str, Mapping[str, Any]]:
    """Return what each day has of its own; one that an earlier attempt has loaded, what it said then."""
    found: dict[str, Mapping[str, Any]] = {
        day: day_metadata(part.report, day) for part in loaded for day in part.days if day in days
    }
    if earlier := [day for day in days if day not in found]:
        records = context.instance.fetch_materializations(
            dg.AssetRecordsFilter(asset_key=asset_key, asset_partitions=earlier), limit=_RECORDS
        ).records
        for one in records:
            made = one.asset_materialization
            if made and one.partition_key and made.metadata.keys() >= DAY_METADATA:
                # the newest comes first
                found.setdefault(one.partition_key, {name: made.metadata[name] for name in DAY_METADATA})
    return found


def record(context: dg.AssetExecutionContext, asset_key: dg.AssetKey, days: Iterable[str], loaded: Loaded) -> None:
    """Have days show as materialized now, each with its own rows."""
    for day in days:
        metadata: dict[str, str | int] = {
            "window": str(loaded.report.window or "all history"),
            **day_metadata(loaded.report, day),
        }
        context.log_event(dg.AssetMaterialization(asset_key=asset_key, partition=day, metadata=metadata))
