"""What a load says of its own quality, as asset checks. They warn: what would lose data has failed the run already."""

from collections import Counter

import dagster as dg

from analytics_assets.ingest.endpoints import Endpoint
from analytics_assets.ingest.report import WindowReport, undeclared_columns
from analytics_assets.ingest.table.names import shown


def check_specs(endpoint: Endpoint) -> list[dg.AssetCheckSpec]:
    """Return the checks of an endpoint's asset."""
    return [
        dg.AssetCheckSpec(
            "no_rows_rejected",
            asset=endpoint.name,
            description=f"Every row can be loaded as it is; those that cannot are in {endpoint.name}__rejected.",
        ),
        dg.AssetCheckSpec(
            "columns_as_expected",
            asset=endpoint.name,
            description=(
                "Every declared column was in at least one row of the window, and no column got values of another type "
                "than its own: these are in a column beside it, such as `mood__v_text`."
            ),
        ),
    ]


def check_results(endpoint: Endpoint, reports: list[WindowReport]) -> list[dg.AssetCheckResult]:
    """Return the results for the windows that were loaded."""
    rejected = sum((Counter(report.rejected) for report in reports), Counter[str]())
    seen = set().union(*(report.fields for report in reports))
    # no row, no column: nothing to say
    missing = [column.name for column in endpoint.columns if column.name not in seen] if seen else []
    beside = {
        column.name: f"{values} values of {shown(column.field)} are {column.data_type}: see {column.name}"
        for column, values in undeclared_columns(reports)
        if column.is_variant and values
    }
    return [
        dg.AssetCheckResult(
            check_name="no_rows_rejected",
            passed=not rejected,
            severity=dg.AssetCheckSeverity.WARN,
            metadata={"rows_rejected": rejected.total(), "by_reason": dict(rejected)},
        ),
        dg.AssetCheckResult(
            check_name="columns_as_expected",
            passed=not missing and not beside,
            severity=dg.AssetCheckSeverity.WARN,
            description=". ".join(
                [*([f"No row has {', '.join(missing)}"] if missing else []), *beside.values()],
            ),
            metadata={"missing": missing, "other_types": beside},
        ),
    ]
