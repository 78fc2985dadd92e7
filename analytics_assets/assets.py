"""Endpoint to asset: one factory over the endpoint table."""

import collections
import enum
from collections.abc import Iterator
from typing import Any

import dagster as dg

from analytics_assets.catalogue import materialization_metadata
from analytics_assets.checks import check_results, check_specs
from analytics_assets.ingest.endpoints import Endpoint
from analytics_assets.ingest.errors import explain
from analytics_assets.ingest.pipeline import open_pipeline
from analytics_assets.ingest.report import Journal
from analytics_assets.partitions import window_of
from analytics_assets.resources import AnalyticsApi
from analytics_assets.translator import DagsterDltResource, EndpointTranslator

# the API's own retries are used up by then: give it a minute or two before the step begins anew
STEP_RETRIES = dg.RetryPolicy(max_retries=2, delay=30, backoff=dg.Backoff.EXPONENTIAL, jitter=dg.Jitter.PLUS_MINUS)


class SyncMode(enum.Enum):
    """``incremental`` merges the partition's window; ``full_refresh`` reads all history and replaces the table."""

    INCREMENTAL = "incremental"
    FULL_REFRESH = "full_refresh"


class SyncConfig(dg.Config):
    """Run config of an asset."""

    sync_mode: SyncMode = SyncMode.INCREMENTAL


def build_asset(
    endpoint: Endpoint, partitions: dg.PartitionsDefinition, retry_policy: dg.RetryPolicy = STEP_RETRIES
) -> dg.AssetsDefinition:
    """Return the asset of an endpoint: a step of its own, daily partitions, a range in a single run."""
    translator = EndpointTranslator(endpoint)

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
        window = None if config.sync_mode is SyncMode.FULL_REFRESH else window_of(context)
        journal = Journal(context.run_id, context.log)
        failure = None
        try:
            with open_pipeline(journal) as pipeline:
                source = analytics_api.source(endpoint, window, journal)
                context.log.info("%s: asking for %s", endpoint.name, window or "all history")
                loaded = dlt_loader.run(context, source, pipeline, translator)
                # dagster-dlt's own metadata names a table that does not exist, and no rows when there are none
                collections.deque(loaded, maxlen=0)
                report = journal.reports[endpoint.name]
                yield dg.MaterializeResult(
                    asset_key=endpoint.name,
                    metadata=materialization_metadata(endpoint, report, pipeline),
                    check_results=check_results(endpoint, report),
                )
        except Exception as error:
            problem = explain(error)
            if problem is None:
                raise
            failure = dg.Failure(f"{endpoint.name}: {problem.message}", allow_retries=problem.is_transient)
        if failure is not None:
            # outside of the `except`, so that the reader sees one message and not dlt's layers around it
            raise failure

    return load
