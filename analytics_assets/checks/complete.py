"""Complete window: what was asked for, what came and what is in the table are the same, as the ledger has it."""

from collections.abc import Iterator, Mapping
from typing import Any

from analytics_assets.checks.seen import Part, Seen, Verdict, could_not_look, counted
from analytics_assets.ingest.warehouse.quality import Unknown


def complete_window(seen: Seen) -> Verdict:
    """Compare the figures of the ledger's row with each other, and with the rows that the table holds."""
    odd: list[str] = []
    for part in seen.parts:
        if isinstance(part.found.ledger, Unknown):
            return could_not_look(part.found.ledger)
        if isinstance(part.found.counts, Unknown):
            return could_not_look(part.found.counts)
        odd += _disagreements(part, part.found.ledger)
    read, kept = (sum(getattr(one, name) for one in seen.reports) for name in ("rows_read", "rows_kept"))
    rejected, outside = (sum(getattr(one, name) for one in seen.reports) for name in ("rows_rejected", "rows_outside"))
    aside = "".join(f", {rows:,} {what}" for rows, what in ((rejected, "set aside"), (outside, "outside")) if rows)
    fine = f"All that was asked for came and is in the table: {counted(read, 'row')} read{aside}, {kept:,} kept."
    return Verdict(odd, fine, {"rows_read": read, "rows_kept": kept})


def _disagreements(part: Part, row: Mapping[str, Any]) -> Iterator[str]:
    window = part.report.window or "all history"
    if not row:
        yield f"The ledger has no row of {window}."
        return
    if row["outcome"] != "loaded":
        yield f"The ledger says of {window} that it is {row['outcome']}."
    total, different, read, kept = (row[name] for name in ("api_total", "distinct_ids", "rows_read", "rows_kept"))
    if total is not None and different != total:
        yield f"Of {window} the API has {total:,}, and {different:,} came."
    aside = row["rows_outside"] + row["rows_rejected"]
    if read != kept + aside:
        yield f"Of {window} {read:,} rows were read, {kept:,} were kept and {aside:,} set aside or dropped."
    loaded, held = row["rows_loaded"], _held(part)
    if loaded is None:
        yield f"Nobody has looked whether the rows of {window} are in the table."
    elif loaded > kept or loaded > held:
        yield f"Of {window} {kept:,} rows were kept and {loaded:,} found in the table, which now holds {held:,} of it."


def _held(part: Part) -> int:
    """Return the rows of the window that the table holds, and those that are of no day."""
    by_day = part.found.rows_by_day
    if part.report.window is None:
        return sum(by_day.values())
    return sum(by_day.get(day, 0) for day in part.dates) + part.report.rows_without_cursor
