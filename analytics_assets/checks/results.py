"""The results of all checks of a load."""

from collections.abc import Sequence

import dagster as dg

from analytics_assets.catalogue import Loaded
from analytics_assets.checks.arrived import arrived_results
from analytics_assets.checks.stored import stored_results
from analytics_assets.ingest.endpoint import Endpoint
from analytics_assets.ingest.settings import Settings


def check_results(endpoint: Endpoint, settings: Settings, loaded: Sequence[Loaded]) -> list[dg.AssetCheckResult]:
    """Return a result for each spec that was made with ``settings``, of the windows that were loaded.

    What was found stands in each one's description, whether it passed or not: of JSON the UI shows only a button.
    """
    reports = [part.report for part in loaded]
    return [*arrived_results(endpoint, settings, reports), *stored_results(endpoint, loaded)]
