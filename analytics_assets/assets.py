"""Endpoint to asset: one factory over the endpoint table."""

import enum
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import dagster as dg
from pydantic import Field

from analytics_assets.catalogue import Loaded, materialization_metadata
from analytics_assets.checks.results import judged, of_run, record_days
from analytics_assets.checks.seen import Part, Seen
from analytics_assets.checks.specs import check_specs
from analytics_assets.failures import LoadCancelledError, days_of, failure
from analytics_assets.history import give_each_day_its_own, not_yet_loaded, record
from analytics_assets.ingest.cancelling import cancellable
from analytics_assets.ingest.configured import SettingError
from analytics_assets.ingest.endpoint import Endpoint
from analytics_assets.ingest.errors import Problem, TooMuchError, causes, explain
from analytics_assets.ingest.opening import open_pipeline
from analytics_assets.ingest.settings import Settings
from analytics_assets.ingest.warehouse.quality import Inquiry, look
from analytics_assets.ingest.window import Window
from analytics_assets.partitions import Slice, backfill_policy, partition_keys_of, slices_of
from analytics_assets.resources import AnalyticsApi
from analytics_assets.translator import DltLoader, EndpointTranslator

# The API's own retries are used up by then: give it 30 and then 90 seconds before the step begins anew. Without jitter,
# for the log says how long it will be; runs that wait for one API are kept apart by its pace.
STEP_RETRIES = dg.RetryPolicy(max_retries=2, delay=30, backoff=dg.Backoff.EXPONENTIAL)
# Dagster shows a terminal what a step wrote by way of a `tail` process, and ends that when the step has ended; what it
# has not read by then is never shown, and that is where the reason of a failure stands (dagster issue 23336).
_TAIL_WAIT = "DAGSTER_COMPUTE_LOG_TAIL_WAIT_AFTER_FINISH"


class SyncMode(enum.Enum):
    """``incremental`` merges the partition's window; ``full_refresh`` reads all history and replaces the table.

    Where rows expire it merges all history.
    """

    incremental = "incremental"
    full_refresh = "full_refresh"


class SyncConfig(dg.Config):
    """Run config of an asset. Of an enum's values the UI shows the names alone, so the field says what each does."""

    sync_mode: SyncMode = Field(
        default=SyncMode.incremental,
        description=(
            "incremental: load the chosen days and merge them by id. full_refresh: CAUTION, it reads ALL history from "
            "the API, whatever days are chosen (none is needed), and REPLACES the table; rows that the API no longer "
            "has are gone after it. Where rows expire, as stories do, it merges and removes none. It may take hours; "
            "make estimate says how long."
        ),
    )
    accept_empty: bool = Field(
        default=False,
        description=(
            "true: accept it if the API returns no rows where the table has some. CAUTION with full_refresh: an empty "
            "answer then empties the table, unless its rows expire. false: such a run fails and changes nothing."
        ),
    )


@dataclass(frozen=True)
class EndpointLoad:
    """One run's load of an endpoint: window after window."""

    endpoint: Endpoint
    context: dg.AssetExecutionContext
    api: AnalyticsApi
    loader: DltLoader
    config: SyncConfig
    checked_by: Settings
    """The settings that the asset's checks were made with."""

    def materialize(self) -> Iterator[dg.MaterializeResult[Any] | dg.AssetCheckResult]:
        """Load, and yield what Dagster's catalogue is to say of it; raises ``ApiError`` (cancelled) after a signal."""
        with cancellable():
            loaded = self.run()
            days = partition_keys_of(self.context)
            give_each_day_its_own(self.context, dg.AssetKey(self.endpoint.name), days, loaded)
            parts = tuple(Part(part.report, part.found, part.days) for part in loaded)
            seen = Seen(self.endpoint, self.checked_by, parts)
            checks = self._check(seen)
            metadata = materialization_metadata(self.endpoint, loaded, single=len(days) == 1)
        yield dg.MaterializeResult(asset_key=self.endpoint.name, metadata=metadata)
        with cancellable():
            record_days(self.context, seen)
        yield from checks

    def _check(self, seen: Seen) -> list[dg.AssetCheckResult]:
        """Have what was loaded judged as a whole; what is red is in the log too."""
        results = of_run(judged(seen, self.context.log))
        for check in results:
            if not check.passed:
                self.context.log.warning("%s: %s: %s", self.endpoint.name, check.check_name, check.description)
        return results

    def run(self) -> list[Loaded]:
        """Load all history, or the windows of the run's partitions; each is proven when it is returned.

        A list that cannot be asked for by a window is read whole, whatever partitions the run has.
        """
        settings = self.api.settings().of(self.endpoint)
        if self.config.sync_mode is SyncMode.full_refresh or not settings.has_window:
            loaded = [self._load(None, partition_keys_of(self.context))]
            self._record_history(loaded[0])
            return loaded
        if not partition_keys_of(self.context):
            raise SettingError(
                "no partition was chosen: choose a day or a range of days, or sync_mode full_refresh in the run's "
                "config, which needs none"
            )
        return self._load_slices(slices_of(self.context, settings.max_window_days))

    def _load_slices(self, slices: list[Slice]) -> list[Loaded]:
        """Load slice by slice; where one is too much data for the API, it in halves, and no longer ones after it."""
        asset_key, log = dg.AssetKey(self.endpoint.name), self.context.log
        rest, loaded, longest = not_yet_loaded(self.context, asset_key, slices), [], None
        while rest:
            part, *rest = rest
            days = len(part.partition_keys)
            try:
                loaded.append(self._load(part.window, part.partition_keys, longest))
            except TooMuchError as refused:
                if days == 1:
                    raise
                most = refused.most_days or -(-days // 2)
                # what was refused in an earlier run is not noted once more, or it would never be forgotten
                longest = longest if refused.most_days else most
                log.warning(
                    "%s: %d days are too much data at once, so they are loaded %d by %d",
                    self.endpoint.name,
                    days,
                    most,
                    most,
                )
                rest = [one for whole in (part, *rest) for one in slices_of(self.context, most, whole.partition_keys)]
                continue
            if days < len(partition_keys_of(self.context)):
                # at once, for what is loaded stays loaded when a later slice fails
                record(self.context, asset_key, part.partition_keys, loaded[-1])
        return loaded

    def _record_history(self, loaded: Loaded) -> None:
        """Have each day up to today show as materialized with its own rows; those of the run itself do by Dagster."""
        partitions = self.context.assets_def.partitions_def
        days = partitions.get_partition_keys() if partitions else []
        others = [day for day in days if day not in loaded.days]
        record(self.context, dg.AssetKey(self.endpoint.name), others, loaded)

    def _load(self, window: Window | None, days: Sequence[str], longest: int | None = None) -> Loaded:
        """Load a window, or all history; ``longest``: the API has just refused windows of more days."""
        name, log = self.endpoint.name, self.context.log
        source, reading = self.api.source(self.endpoint, window, self.context.run.run_id, log)
        if longest:
            reading.pages.portion.cut_windows(longest)
        reading = replace(reading, accepts_empty=self.config.accept_empty, can_be_cut=len(days) > 1)
        with open_pipeline(reading, log) as pipeline:
            # it yields what it would materialize, once the load has ended; the figures are the report's
            list(self.loader.run(self.context, source, pipeline, EndpointTranslator(self.endpoint)))
            warehouse, report = pipeline.warehouse, pipeline.report
            span = "all history" if window is None else " to ".join(dict.fromkeys((days[0], days[-1])))
            log.info("%s: loaded %s, %s rows, in %.1f s", name, span, f"{report.rows_kept:,}", report.seconds)
            found = look(warehouse, Inquiry.of(reading, report, source.schema.naming), log)
            place = warehouse.table_name(name), warehouse.location
            return Loaded(report, pipeline.standing, *place, frozenset(days), found)


def _failure(endpoint: Endpoint, problem: Problem, run: dg.DagsterRun) -> Exception:
    if problem.kind == "cancelled":
        return LoadCancelledError(f"{endpoint.name}: {problem.message}")
    return failure(endpoint.name, problem, days_of(run.tags))


def _say_if_tried_again(context: dg.AssetExecutionContext, policy: dg.RetryPolicy, name: str, error: Exception) -> None:
    """Log, where Dagster is to begin the step anew, when and why; Dagster itself does so at its debug level."""
    problem = explain(error)
    if (problem is None or problem.is_transient) and context.retry_number < policy.max_retries:
        seconds = policy.calculate_delay(context.retry_number + 1)
        why = problem.message if problem else f"{type(error).__name__}: {error}"
        context.log.warning("%s: trying again in %.0f s: %s", name, seconds, why)


@dg.failure_hook
def say_why(context: dg.HookContext) -> None:
    """Log why a step has failed once more, below the 20 lines of stack that Dagster's command line prints of it."""
    error = context.op_exception
    reasons = [cause.description for cause in causes(error) if isinstance(cause, dg.Failure)] if error else []
    context.log.error("%s", reasons[0] if reasons else f"{type(error).__name__}: {error}")


def build_asset(
    endpoint: Endpoint,
    settings: Settings,
    partitions: dg.PartitionsDefinition,
    retry_policy: dg.RetryPolicy = STEP_RETRIES,
) -> dg.AssetsDefinition:
    """Return the asset of an endpoint: a step of its own, daily partitions, a range in a single run."""

    @dg.multi_asset(
        name=endpoint.name,
        specs=[EndpointTranslator(endpoint).get_asset_spec()],
        check_specs=check_specs(endpoint, settings, partitions),
        partitions_def=partitions,
        backfill_policy=backfill_policy(settings),
        retry_policy=retry_policy,
        hooks={say_why},
    )
    def load(
        context: dg.AssetExecutionContext,
        config: SyncConfig,
        analytics_api: AnalyticsApi,
        dlt_loader: DltLoader,
    ) -> Iterator[dg.MaterializeResult[Any] | dg.AssetCheckResult]:
        try:
            yield from EndpointLoad(endpoint, context, analytics_api, dlt_loader, config, settings).materialize()
        except Exception as error:
            os.environ.setdefault(_TAIL_WAIT, "1")
            problem = explain(error)
            _say_if_tried_again(context, retry_policy, endpoint.name, error)
            if problem is None:
                raise
            failed = _failure(endpoint, problem, context.run)
        else:
            return
        # outside of the `except`, so that the reader sees one message and not dlt's layers around it
        raise failed

    return load
