"""What a load says of its own quality, as asset checks. They warn: what would lose data has failed the run already."""

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


def check_results(endpoint: Endpoint, report: WindowReport) -> list[dg.AssetCheckResult]:
    """Return the results for a window that was loaded."""
    missing = [column.name for column in endpoint.columns if column.name not in report.seen_columns]
    return [
        dg.AssetCheckResult(
            check_name="no_rows_rejected",
            passed=not report.rejected,
            severity=dg.AssetCheckSeverity.WARN,
            metadata={"rows_rejected": report.rows_rejected, "by_reason": dict(report.rejected)},
        ),
        dg.AssetCheckResult(
            check_name="declared_columns_came",
            # no row, no column: nothing to say
            passed=not (report.rows_kept and missing),
            severity=dg.AssetCheckSeverity.WARN,
            metadata={"missing": missing if report.rows_kept else []},
        ),
    ]
