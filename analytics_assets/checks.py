"""What a load says of its own quality, as asset checks. They only warn: what would lose data has failed the run."""

import datetime as dt
from collections import Counter

import dagster as dg

from analytics_assets.ingest.endpoint import Endpoint
from analytics_assets.ingest.key import key_end
from analytics_assets.ingest.report import WindowReport, undeclared_columns
from analytics_assets.ingest.settings import Settings
from analytics_assets.ingest.table.names import shown

_DAY = dt.timedelta(days=1)
_WHY_OUTSIDE = (
    "None is missing inside the window: it was asked for again with one more day on each side. The API's days may be "
    "those of another time zone (timezone), it may return rows at the end itself (window_end), or not know the "
    "parameters (window_start_param, window_end_param, window_format)"
)


def check_specs(endpoint: Endpoint, settings: Settings) -> list[dg.AssetCheckSpec]:
    """Return the checks of an endpoint's asset; there is one of the key where the settings say when that ends."""
    key = dg.AssetCheckSpec(
        "key_valid",
        asset=endpoint.name,
        description="The API key is good for more than 14 days, by the setting key_expires_on.",
    )
    return [
        *([key] if settings.key_expires_on else []),
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


def check_results(endpoint: Endpoint, settings: Settings, reports: list[WindowReport]) -> list[dg.AssetCheckResult]:
    """Return the results for the windows that were loaded; ``settings`` are those that the specs were made with.

    What was found stands in each one's description, whether it passed or not: of JSON the UI shows only a button.
    """
    key = [_key(settings)] if settings.key_expires_on else []
    return [*key, _rejected(endpoint, reports), _columns(endpoint, reports), _window(reports)]


def _result(name: str, odd: list[str], fine: str, metadata: dict[str, str | int]) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        check_name=name,
        passed=not odd,
        severity=dg.AssetCheckSeverity.WARN,
        description=" ".join(odd) if odd else fine,
        metadata={key: value for key, value in metadata.items() if value != ""},
    )


def _key(settings: Settings) -> dg.AssetCheckResult:
    end, day = key_end(settings), str(settings.key_expires_on)
    odd = [f"{str(end)[:1].upper()}{str(end)[1:]}."] if end else []
    return _result("key_valid", odd, f"The API key ends on {day}.", {"key_expires_on": day})


def _rejected(endpoint: Endpoint, reports: list[WindowReport]) -> dg.AssetCheckResult:
    reasons = sum((Counter(report.rejected) for report in reports), Counter[str]())
    rejected, read = reasons.total(), sum(report.rows_read for report in reports)
    by_reason = "; ".join(f"{reason} ({count})" for reason, count in reasons.most_common())
    odd = [f"{rejected:,} of {read:,} rows went to {endpoint.name}__rejected: {by_reason}."] if rejected else []
    fine = f"{read:,} of {read:,} rows could be loaded as declared." if read else "No rows came."
    return _result("no_rows_rejected", odd, fine, {"rows_rejected": rejected, "by_reason": by_reason})


def _columns(endpoint: Endpoint, reports: list[WindowReport]) -> dg.AssetCheckResult:
    seen = set().union(*(report.fields for report in reports))
    # no row, no column: nothing to say
    missing = ", ".join(column.name for column in endpoint.sent_columns if column.field not in seen) if seen else ""
    beside = [
        f"{values} {'value' if values == 1 else 'values'} of {shown(column.field)} "
        f"{'is' if values == 1 else 'are'} {column.data_type}: see {column.name}."
        for column, values in undeclared_columns(reports)
        if column.is_variant and values
    ]
    odd = [*([f"No row has {missing}."] if missing else []), *beside]
    fine = "Every declared column came, and every value has its column's type." if seen else "No rows came."
    return _result("columns_as_expected", odd, fine, {"missing": missing, "other_types": " ".join(beside)})


def _window(reports: list[WindowReport]) -> dg.AssetCheckResult:
    strays = "; ".join(f"{report.window}: {report.strays}" for report in reports if report.strays.count)
    missing = "; ".join(f"{day}, {what}" for day, what in _missing_days(reports).items())
    odd = []
    if strays:
        rows, read = sum(one.strays.count for one in reports), sum(one.rows_read for one in reports)
        odd.append(f"{rows:,} of {read:,} rows are outside of what was asked: {strays}. {_WHY_OUTSIDE}.")
    if missing:
        odd.append(f"No rows came of {missing}.")
    asked_for_days = any(report.window for report in reports)
    fine = (
        "No row is outside of the window, and no day without rows lies between days that have some."
        if asked_for_days
        else "All history was asked for, so no row can be outside of it."
    )
    return _result("window_as_expected", odd, fine, {"not_asked_for": strays, "without_rows": missing})


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
