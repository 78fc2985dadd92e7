"""Whether a row comes and can be loaded: the API is reached, takes the key and the path; the row has id and cursor."""

from analytics_assets.ingest.questions.asker import Seen


def gives_a_row(seen: Seen) -> str | None:
    """Ask for one row; raises what reading it raises, where the API is not reached or answers otherwise."""
    report, endpoint = seen.row, seen.asker.endpoint
    its_setting = f"analytics_api.endpoints.{endpoint.name}"
    if report.rejected:
        reasons = "; ".join(report.rejected)
        return f"the row that came cannot be loaded: {reasons}. Check {its_setting}.id and .cursor"
    if report.rows_without_cursor:
        has = f"it has {', '.join(sorted(report.fields))}"
        return f"the row that came has no {endpoint.cursor!r}, and {has}: name its time in {its_setting}.cursor"
    return None
