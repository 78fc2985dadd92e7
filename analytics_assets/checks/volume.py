"""As many rows as usual: compared with the same weekday of the eight weeks before, by median and deviation."""

import datetime as dt
import statistics

from analytics_assets.checks.seen import Part, Seen, Verdict, could_not_look, counted
from analytics_assets.ingest.warehouse.quality import WEEKS, Unknown

LEAST_DAYS = 4
"""Days of that weekday that have to be known before a number is compared with theirs."""
_DEVIATIONS = 5.0
_SHARE = 0.25
_FEW = 3


def volume_as_usual(seen: Seen) -> Verdict:
    """Compare the rows of each day that is over with those of the same weekday before it."""
    odd, compared, said = [], 0, ""
    rows = sum(report.rows_kept for report in seen.reports)
    for day, part in seen.by_day.items():
        for answer in (part.found.counts, part.found.days):
            if isinstance(answer, Unknown):
                return could_not_look(answer)
        usual = _usual(seen, part, day)
        count = part.found.rows_by_day.get(day, 0)
        if not seen.is_over(day):
            said = f"{counted(count, 'row')} by now; the day was not over, so it is compared with none."
        elif len(usual) < LEAST_DAYS:
            said = (
                f"{counted(count, 'row')}; {len(usual)} of the {WEEKS} {day:%A}s before are known, too few to compare."
            )
        else:
            compared += 1
            said = f"{counted(count, 'row')}; on the {len(usual)} {day:%A}s before that are known: {_spread(usual)}."
            if not _is_usual(count, usual):
                odd.append(f"{day} has {said}")
    if not seen.by_day:
        said = f"All history was read, {counted(rows, 'row')}; no day is compared with others."
    elif len(seen.by_day) > 1:
        said = f"{counted(compared, 'day')} of {len(seen.by_day):,} could be compared, and each is as usual."
    return Verdict(odd, said, {"rows": rows, "days_compared": compared})


def _usual(seen: Seen, part: Part, day: dt.date) -> list[int]:
    """Return the rows of that weekday, of the days that are known whole; one of these without rows counts."""
    known = {} if isinstance(part.found.days, Unknown) else part.found.days.get(seen.endpoint.name, {})
    before = [day - dt.timedelta(weeks=week) for week in range(1, WEEKS + 1)]
    return [part.found.rows_by_day.get(one, 0) for one in before if one in known and known[one].state == "proven"]


def _is_usual(count: int, usual: list[int]) -> bool:
    median = statistics.median(usual)
    deviation = statistics.median(abs(one - median) for one in usual)
    # a small number differs by chance, and eight equal ones have no deviation at all
    return abs(count - median) <= max(_DEVIATIONS * deviation, _SHARE * median, _FEW)


def _spread(usual: list[int]) -> str:
    median = statistics.median(usual)
    return f"{min(usual):,} to {max(usual):,} (median {median:,.0f})" if min(usual) < max(usual) else f"{median:,.0f}"
