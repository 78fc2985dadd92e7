"""The API returned what was asked for and nothing else, and no day is empty between two that are not."""

import datetime as dt

from analytics_assets.checks.seen import Seen, Verdict

_DAY = dt.timedelta(days=1)
_WHY_OUTSIDE = (
    "None is missing inside the window: it was asked for again with one more day on each side. The API's days may be "
    "those of another time zone (timezone), it may return rows at the end itself (window_end), or not know the "
    "parameters (window_start_param, window_end_param, window_format)"
)


def window_as_expected(seen: Seen) -> Verdict:
    """Look for rows that nobody asked for, and for days without rows between days that have some."""
    reports = seen.reports
    strays = "; ".join(f"{report.window}: {report.strays}" for report in reports if report.strays.count)
    missing = "; ".join(f"{day}, {what}" for day, what in _missing_days(seen).items())
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
    return Verdict(odd, fine, {"not_asked_for": strays, "without_rows": missing})


def _missing_days(seen: Seen) -> dict[str, str]:
    """Return the days that are empty between two that are not, in these windows or in the table, with what is there."""
    found = {
        str(report.window): f"where the table has {before} rows of the day before and {after} of the day after"
        for report in seen.reports
        if report.rows_beside and report.window
        for before, after in [report.rows_beside]
        # of yesterday's window the day after is not over
        if before and (after or report.started_at - report.window.end < _DAY)
    }
    full = {dt.date.fromisoformat(day) for report in seen.reports if report.window for day in report.rows_by_day}
    between = sorted(day + _DAY for day in full if day + _DAY not in full and day + 2 * _DAY in full)
    return found | {f"{day}": "and some of the days before and after it" for day in between if seen.day in {None, day}}
