"""Endpoint to asset: one factory over the endpoint table."""

import enum
from collections.abc import Iterator

import dagster as dg

from analytics_assets.catalogue import materialization_metadata
from analytics_assets.ingest.endpoints import Endpoint
from analytics_assets.ingest.errors import explain
from analytics_assets.ingest.pipeline import open_pipeline
from analytics_assets.ingest.report import WindowReport
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
        partitions_def=partitions,
        backfill_policy=dg.BackfillPolicy.single_run(),
        retry_policy=retry_policy,
    )
    def load(
        context: dg.AssetExecutionContext, config: SyncConfig, analytics_api: AnalyticsApi, dlt_loader: DagsterDltResource
    ) -> Iterator[dg.MaterializeResult]:
        window = None if config.sync_mode is SyncMode.FULL_REFRESH else window_of(context)
        reports: dict[str, WindowReport] = {}
        failure = None
        try:
            with open_pipeline(context.log) as pipeline:
                source = analytics_api.source(endpoint, window, reports=reports, log=context.log)
                context.log.info(f"{endpoint.name}: asking for {window or 'all history'}")
                for result in dlt_loader.run(
                    context=context, dlt_source=source, dlt_pipeline=pipeline, dagster_dlt_translator=translator
                ):
                    yield result._replace(metadata=materialization_metadata(endpoint, reports[endpoint.name], pipeline))
        except Exception as error:
            problem = explain(error)
            if problem is None:
                raise
            failure = dg.Failure(f"{endpoint.name}: {problem.message}", allow_retries=problem.is_transient)
        if failure is not None:
            # outside of the `except`, so that the reader sees one message and not dlt's layers around it
            raise failure

    return load
