"""Endpoint to asset: one factory over the endpoint table."""

import collections
import enum
import os
from collections.abc import Iterator
from typing import Any

import dagster as dg

from analytics_assets.catalogue import Loaded, materialization_metadata
from analytics_assets.checks import check_results, check_specs
from analytics_assets.ingest.endpoints import Endpoint
from analytics_assets.ingest.errors import explain
from analytics_assets.ingest.pipeline import open_pipeline
from analytics_assets.ingest.report import Journal
from analytics_assets.ingest.window import Window
from analytics_assets.partitions import Slice, slices_of
from analytics_assets.resources import AnalyticsApi
from analytics_assets.translator import DagsterDltResource, EndpointTranslator

# the API's own retries are used up by then: give it a minute or two before the step begins anew
STEP_RETRIES = dg.RetryPolicy(max_retries=2, delay=30, backoff=dg.Backoff.EXPONENTIAL, jitter=dg.Jitter.PLUS_MINUS)
# set by Dagster on "re-execute from failure", and on no other run that has a parent
_RESUMES = "dagster/is_resume_retry"
_RECORDS = 1000
# Dagster shows a terminal what a step wrote by way of a `tail` process, and ends that when the step has ended; what it
# has not read by then is never shown, and that is where the reason of a failure stands (dagster issue 23336).
_TAIL_WAIT = "DAGSTER_COMPUTE_LOG_TAIL_WAIT_AFTER_FINISH"


class SyncMode(enum.Enum):
    """``incremental`` merges the partition's window; ``full_refresh`` reads all history and replaces the table."""

    incremental = "incremental"
    full_refresh = "full_refresh"


class SyncConfig(dg.Config):
    """Run config of an asset."""

    sync_mode: SyncMode = SyncMode.incremental


def build_asset(
    endpoint: Endpoint, partitions: dg.PartitionsDefinition, retry_policy: dg.RetryPolicy = STEP_RETRIES
) -> dg.AssetsDefinition:
    """Return the asset of an endpoint: a step of its own, daily partitions, a range in a single run."""
    translator = EndpointTranslator(endpoint)
    key = dg.AssetKey(endpoint.name)

    @dg.multi_asset(
        name=endpoint.name,
        specs=[translator.get_asset_spec()],
        check_specs=check_specs(endpoint),
        partitions_def=partitions,
        backfill_policy=dg.BackfillPolicy.single_run(),
        retry_policy=retry_policy,
    )
    def load(
        context: dg.AssetExecutionContext,
        config: SyncConfig,
        analytics_api: AnalyticsApi,
        dlt_loader: DagsterDltResource,
    ) -> Iterator[dg.MaterializeResult[Any]]:
        def load_window(window: Window | None) -> Loaded:
            journal = Journal(context.run.run_id, context.log)
            with open_pipeline(journal) as pipeline:
                source = analytics_api.source(endpoint, window, journal)
                context.log.info("%s: asking for %s", endpoint.name, window or "all history")
                # dagster-dlt's own metadata names a table that does not exist, and no rows when there are none
                collections.deque(dlt_loader.run(context, source, pipeline, translator), maxlen=0)
                return Loaded(journal.reports[endpoint.name], pipeline.table_name(endpoint.name), pipeline.location)

        failure = None
        try:
            if config.sync_mode is SyncMode.full_refresh:
                loaded = [load_window(None)]
            else:
                slices = slices_of(context, analytics_api.settings().max_window_days)
                loaded = []
                for part in _not_yet_loaded(context, key, slices):
                    loaded.append(load_window(part.window))
                    if len(slices) > 1:
                        # at once, for what is loaded stays loaded when a later slice fails
                        _record(context, key, part, loaded[-1])
            yield dg.MaterializeResult(
                asset_key=key,
                metadata=materialization_metadata(endpoint, loaded, single=len(context.partition_keys) == 1),
                check_results=check_results(endpoint, [part.report for part in loaded]),
            )
        except Exception as error:
            os.environ.setdefault(_TAIL_WAIT, "1")
            problem = explain(error)
            if problem is None:
                raise
            failure = dg.Failure(f"{endpoint.name}: {problem.message}", allow_retries=problem.is_transient)
        if failure is not None:
            # outside of the `except`, so that the reader sees one message and not dlt's layers around it
            raise failure

    return load


def _not_yet_loaded(context: dg.AssetExecutionContext, key: dg.AssetKey, slices: list[Slice]) -> list[Slice]:
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
        dg.AssetRecordsFilter(asset_key=key, asset_partitions=last_days), limit=_RECORDS
    ).records
    loaded = {record.partition_key for record in records if record.run_id in runs}
    rest = [part for part in slices if part.partition_keys[-1] not in loaded]
    context.log.info("%s: %d of %d slices were loaded before", key.path[-1], len(slices) - len(rest), len(slices))
    # the run has to say something of its partitions: the last slice is cheap to load again
    return rest or slices[-1:]


def _record(context: dg.AssetExecutionContext, key: dg.AssetKey, part: Slice, loaded: Loaded) -> None:
    for day in part.partition_keys:
        context.log_event(
            dg.AssetMaterialization(
                asset_key=key, partition=day, metadata={"window": str(part.window), "rows": loaded.report.rows_kept}
            )
        )
