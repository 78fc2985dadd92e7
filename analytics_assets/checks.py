"""What a load says of its own quality, as asset checks. They warn: what would lose data has failed the run already."""

import datetime as dt
from collections import Counter

import dagster as dg

from analytics_assets.ingest.endpoints import Endpoint
from analytics_assets.ingest.report import WindowReport, undeclared_columns
from analytics_assets.ingest.table.names import shown

_DAY = dt.timedelta(days=1)
_WHY_OUTSIDE = (
    "None is missing inside, for it was asked with a day more on each side. The API's days may be another time zone's "
    "(timezone), it may return rows at the end itself (window_end), or not know the parameters (window_start_param, "
    "window_end_param, window_format)"
)


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
        dg.AssetCheckSpec(
            "window_as_expected",
            asset=endpoint.name,
            description=(
                "The API returned no row outside of the window that it was asked for, and no day without rows stands "
                "between days that have some."
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
        _window(reports),
    ]


def _window(reports: list[WindowReport]) -> dg.AssetCheckResult:
    strays = {str(report.window): str(report.strays) for report in reports if report.strays.count}
    missing = _missing_days(reports)
    said = []
    if strays:
        rows, read = sum(one.strays.count for one in reports), sum(one.rows_read for one in reports)
        where = "; ".join(f"{window}: {what}" for window, what in strays.items())
        said.append(f"{rows} of {read} rows are outside of what was asked: {where}. {_WHY_OUTSIDE}")
    if missing:
        said.append(f"No rows came of {'; '.join(f'{day}, {what}' for day, what in missing.items())}")
    return dg.AssetCheckResult(
        check_name="window_as_expected",
        passed=not said,
        severity=dg.AssetCheckSeverity.WARN,
        description=". ".join(said),
        metadata={"not_asked_for": strays, "without_rows": missing},
    )


def _missing_days(reports: list[WindowReport]) -> dict[str, str]:
    """Return the days that are empty between two that are not, in these windows or in the table, with what is there."""
    found = {
        str(report.window): f"where the table has {before} rows of the day before and {after} of the day after"
        for report in reports
        if report.rows_beside and report.window
        for before, after in [report.rows_beside]
        # of yesterday's window the day after is not over
        if before and (after or report.started_at - report.window.end < _DAY)
    }
    full = {dt.date.fromisoformat(day) for report in reports if report.window for day in report.rows_by_day}
    between = sorted(day + _DAY for day in full if day + _DAY not in full and day + 2 * _DAY in full)
    return found | {f"{day}": "and some of the days before and after it" for day in between}
