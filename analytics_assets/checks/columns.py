"""Declared columns came, and no column got values of another type than its own."""

from analytics_assets.checks.seen import Seen, Verdict
from analytics_assets.ingest.report import undeclared_columns
from analytics_assets.ingest.table.names import shown


def columns_as_expected(seen: Seen) -> Verdict:
    """Compare the fields that came with the columns that are declared."""
    came = set().union(*(report.fields for report in seen.reports))
    # no row, no column: nothing to say
    missing = (
        ", ".join(column.name for column in seen.endpoint.sent_columns if column.field not in came) if came else ""
    )
    beside = [
        f"{values} {'value' if values == 1 else 'values'} of {shown(column.field)} "
        f"{'is' if values == 1 else 'are'} {column.data_type}: see {column.name}."
        for column, values in undeclared_columns(seen.reports)
        if column.is_variant and values
    ]
    odd = [*([f"No row has {missing}."] if missing else []), *beside]
    fine = "Every declared column came, and every value has its column's type." if came else "No rows came."
    return Verdict(odd, fine, {"missing": missing, "other_types": " ".join(beside)})
