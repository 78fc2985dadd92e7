"""What a load says of its own quality, as asset checks. They warn: what would lose data has failed the run already."""

from collections import Counter

import dagster as dg

from analytics_assets.ingest.endpoints import Endpoint
from analytics_assets.ingest.report import WindowReport


def check_specs(endpoint: Endpoint) -> list[dg.AssetCheckSpec]:
    """Return the checks of an endpoint's asset."""
    return [
        dg.AssetCheckSpec(
            "no_rows_rejected",
            asset=endpoint.name,
            description=f"Every row fits its declared columns; those that do not are in {endpoint.name}__rejected.",
        ),
        dg.AssetCheckSpec(
            "declared_columns_came",
            asset=endpoint.name,
            description="Every declared column was in at least one row of the window.",
        ),
    ]


def check_results(endpoint: Endpoint, reports: list[WindowReport]) -> list[dg.AssetCheckResult]:
    """Return the results for the windows that were loaded."""
    rejected = sum((report.rejected for report in reports), Counter[str]())
    seen = set().union(*(report.seen_columns for report in reports))
    # no row, no column: nothing to say
    missing = [column.name for column in endpoint.columns if column.name not in seen] if seen else []
    return [
        dg.AssetCheckResult(
            check_name="no_rows_rejected",
            passed=not rejected,
            severity=dg.AssetCheckSeverity.WARN,
            metadata={"rows_rejected": rejected.total(), "by_reason": dict(rejected)},
        ),
        dg.AssetCheckResult(
            check_name="declared_columns_came",
            passed=not missing,
            severity=dg.AssetCheckSeverity.WARN,
            metadata={"missing": missing},
        ),
    ]
