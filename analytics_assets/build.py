"""The assembly, as a function, so that tests can put other resources in."""

import logging
from typing import Any

import dagster as dg

from analytics_assets.alerts.sensor import alerts
from analytics_assets.assets import STEP_RETRIES, build_asset
from analytics_assets.ingest.configured import load_settings
from analytics_assets.ingest.key import key_end
from analytics_assets.ingest.warehouse.destination import HAS_LOCK, destination_kind, settings_to_doubt
from analytics_assets.jobs import check_connection, estimate, load_all
from analytics_assets.partitions import daily_partitions
from analytics_assets.report.asset import NAME, build_report
from analytics_assets.resources import described_api
from analytics_assets.schedules import connection_check, daily_load
from analytics_assets.sensors.gaps import gap_filler
from analytics_assets.sensors.stories import new_stories
from analytics_assets.translator import DltLoader

_LOG = logging.getLogger("analytics_assets")


def build_definitions(
    resources: dict[str, Any] | None = None, retry_policy: dg.RetryPolicy = STEP_RETRIES
) -> dg.Definitions:
    """Return all definitions. Reads the settings, but no key; opens no connection and writes nothing.

    Raises ``SettingError`` where a setting is wrong. What only looks like a setting is warned of.
    """
    settings = load_settings()
    for sentence in settings_to_doubt():
        _LOG.warning(sentence)
    if end := key_end(settings):
        _LOG.warning(end)
    partitions = daily_partitions(settings)
    loads = [build_asset(endpoint, settings, partitions, retry_policy) for endpoint in settings.resolved_endpoints]
    # what it asks is tried with these two kinds of warehouse, and a load is not to fail for a picture of it
    report = [build_report(settings)] if destination_kind() in HAS_LOCK else []
    assets = [*loads, *report]
    looks = [one for one in (new_stories(settings), gap_filler(settings)) if one]
    return dg.Definitions(
        assets=assets,
        jobs=[load_all, check_connection, estimate],
        schedules=[daily_load(settings, partitions, [NAME] if report else []), connection_check(settings)],
        sensors=[*looks, alerts(settings, [key for asset in assets for key in asset.keys])],
        # one process: DuckDB has one writer, and steps that are processes pay Python's start-up each
        executor=dg.in_process_executor,
        resources={"analytics_api": described_api(settings), "dlt_loader": DltLoader()} | (resources or {}),
    )
