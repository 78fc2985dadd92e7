"""Columns and metrics that appeared, vanished or changed type.

A metric is a value here, in the column that names it, so that no look at columns sees one that a vendor withdraws: the
metrics of a loaded day are compared with those of the days before it.
"""

import datetime as dt
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from analytics_assets.checks.seen import Part, Seen, Verdict, could_not_look, counted
from analytics_assets.ingest.warehouse.day_counts import DayCount
from analytics_assets.ingest.warehouse.quality import Unknown

LEAST_DAYS = 3
"""Days with rows that have to be known before anything can be missed, or be new."""
_WEEKS = dt.timedelta(weeks=4)
_USUAL = 0.5


@dataclass(frozen=True)
class _Change:
    what: Literal["metric", "column"]
    name: str
    how: Literal["appeared", "vanished", "changed type"]
    day: dt.date | None
    earlier: tuple[dt.date, ...] = ()
    """The days before on which it was there."""
    type: str = ""


def schema_unchanged(seen: Seen) -> Verdict:
    """Compare what each day has with the days before it, and what came with the table that there was."""
    changes: list[_Change] = []
    for part in seen.parts:
        if isinstance(part.found.counts, Unknown):
            return could_not_look(part.found.counts)
        if isinstance(part.found.ledger, Unknown):
            return could_not_look(part.found.ledger)
        changes += _new_columns(part, is_first=not part.found.ledger.get("earlier"))
    known = 0
    for day, part in seen.by_day.items():
        if not isinstance(part.found.counts, Unknown):
            known = max(known, len(_days_before(part.found.counts, day)))
            changes += _of_day(part.found.counts, day, is_over=seen.is_over(day))
    figures = {how.replace(" ", "_"): len({one.name for one in changes if one.how == how}) for how in _HOWS}
    fine = "No column appeared, vanished or changed its type"
    if seen.endpoint.metric and known >= LEAST_DAYS:
        fine += f", and no metric did, compared with {counted(known, 'day')} before"
    elif seen.endpoint.metric:
        few = (
            "no day before is known"
            if not known
            else f"only {counted(known, 'day')} before {'is' if known == 1 else 'are'} known"
        )
        fine += f"; metrics cannot be compared, for {few}"
    return Verdict(_sentences(changes), f"{fine}.", figures)


_HOWS: tuple[Literal["appeared", "vanished", "changed type"], ...] = ("appeared", "vanished", "changed type")


def _new_columns(part: Part, *, is_first: bool) -> Iterator[_Change]:
    """Yield the columns that this load has added; a first load adds all of them, which is no news."""
    for column in part.report.columns:
        if column.is_new and column.values and column.is_variant:
            yield _Change("column", column.field, "changed type", None, type=column.data_type)
        elif column.is_new and column.values and not is_first:
            yield _Change("column", column.name, "appeared", None, type=column.data_type)


def _of_day(counts: Iterable[DayCount], day: dt.date, *, is_over: bool) -> Iterator[_Change]:
    before = _days_before(counts, day)
    now = [one for one in counts if one.day == day]
    if len(before) < LEAST_DAYS or not now:
        return
    lately = {one for one in before if one >= day - _WEEKS}
    for what, there in (("metric", _metric_days(counts)), ("column", _column_days(counts))):
        for name, days in sorted(there.items()):
            earlier = tuple(sorted(days & before))
            if day in days and not earlier and what == "metric":
                yield _Change("metric", name, "appeared", day)
            # what is rare is not missed, and neither is what may yet come
            elif day not in days and is_over and lately and len(days & lately) / len(lately) >= _USUAL:
                yield _Change("metric" if what == "metric" else "column", name, "vanished", day, earlier)


def _days_before(counts: Iterable[DayCount], day: dt.date) -> set[dt.date]:
    return {one.day for one in counts if one.day and one.day < day}


def _metric_days(counts: Iterable[DayCount]) -> dict[str, set[dt.date]]:
    found: dict[str, set[dt.date]] = {}
    for one in counts:
        if one.metric is not None and one.day:
            found.setdefault(one.metric, set()).add(one.day)
    return found


def _column_days(counts: Iterable[DayCount]) -> dict[str, set[dt.date]]:
    found: dict[str, set[dt.date]] = {}
    for one in counts:
        for name, values in one.filled.items():
            if values and one.day:
                found.setdefault(name, set()).add(one.day)
    return found


def _sentences(changes: list[_Change]) -> list[str]:
    """Say each change once, with the days of it."""
    said: dict[tuple[str, str, str], list[_Change]] = {}
    for one in changes:
        said.setdefault((one.what, one.name, one.how), []).append(one)
    return [_sentence(of_it) for of_it in said.values()]


def _sentence(changes: list[_Change]) -> str:
    first = changes[0]
    named = f"The {first.what} {first.name}"
    days = sorted(one.day for one in changes if one.day)
    if first.how == "changed type":
        return f"{named} now has values that are {first.type}, which have a column of their own."
    if first.how == "appeared":
        return f"{named} appeared{f' on {days[0]}' if days else ''}" + (f", {first.type}." if first.type else ".")
    seen_on = f"seen from {first.earlier[0]} until {first.earlier[-1]}, on {counted(len(first.earlier), 'day')}"
    span = f"{days[0]}" if len(days) == 1 else f"{counted(len(days), 'day')} from {days[0]} until {days[-1]}"
    return f"{named} vanished: {seen_on}, and not on {span}."
