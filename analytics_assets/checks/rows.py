"""Of rows: whether each has an id of its own, and whether each could be loaded as it is."""

from collections import Counter

from analytics_assets.checks.seen import Seen, Verdict, could_not_look, counted
from analytics_assets.ingest.warehouse.quality import Unknown


def ids_unique(seen: Seen) -> Verdict:
    """Look in the table for rows of what was loaded that have one id between them, or none."""
    key = ", ".join(seen.endpoint.merge_key)
    twice = none = 0
    odd = []
    for part in seen.parts:
        if isinstance(part.found.repeated, Unknown):
            return could_not_look(part.found.repeated)
        for one in part.found.repeated:
            if seen.day not in {None, one.day}:
                continue
            if None in one.values:
                none += one.rows
            else:
                twice += 1
                odd.append(
                    f"{counted(one.rows, 'row')} {'has' if one.rows == 1 else 'have'} {key} {_named(one.values)}."
                )
    if none:
        odd.insert(0, f"{counted(none, 'row')} {'has' if none == 1 else 'have'} no {key}.")
    fine = f"Each row of what was loaded has its own {key}."
    return Verdict(odd, fine, {"ids_twice": twice, "rows_without_id": none})


def no_rows_rejected(seen: Seen) -> Verdict:
    """Count the rows that were set aside because they cannot be loaded as their columns are declared."""
    reasons = sum((Counter(report.rejected) for report in seen.reports), Counter[str]())
    rejected, read = reasons.total(), sum(report.rows_read for report in seen.reports)
    by_reason = "; ".join(f"{reason} ({count})" for reason, count in reasons.most_common())
    odd = [f"{rejected:,} of {read:,} rows went to {seen.endpoint.name}__rejected: {by_reason}."] if rejected else []
    fine = f"{read:,} of {read:,} rows could be loaded as declared." if read else "No rows came."
    return Verdict(odd, fine, {"rows_rejected": rejected, "by_reason": by_reason})


def _named(values: tuple[object, ...]) -> str:
    return ", ".join(map(str, values))
