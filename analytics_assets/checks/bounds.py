"""Numbers that cannot be: below zero where something is counted, or outside of the setting ``bounds``."""

from collections.abc import Iterator

from analytics_assets.checks.seen import Seen, Verdict, could_not_look
from analytics_assets.ingest.warehouse.day_counts import DayCount
from analytics_assets.ingest.warehouse.quality import Unknown, bounds_of

_Extent = tuple[float, float]


def numbers_in_bounds(seen: Seen) -> Verdict:
    """Compare the least and the largest number of each metric and column with what these can be."""
    extents: dict[str, _Extent] = {}
    for part in seen.parts:
        if isinstance(part.found.counts, Unknown):
            return could_not_look(part.found.counts)
        for one in part.found.counts:
            if one.day is None or one.day in seen.by_day:
                for name, (least, most) in _extents(seen, one):
                    known = extents.get(name, (least, most))
                    extents[name] = (min(known[0], least), max(known[1], most))
    judged = {name: limits for name in sorted(extents) if (limits := bounds_of(seen.settings, name))}
    odd = [said for name, limits in judged.items() for said in _outside(name, extents[name], limits)]
    names = ", ".join(judged)
    fine = f"All numbers are within their bounds: {names}." if judged else "No number came that has bounds."
    return Verdict(odd, fine, {"compared": len(judged), "outside": len(odd)})


def _extents(seen: Seen, count: DayCount) -> Iterator[tuple[str, _Extent]]:
    computed = {column.name for column in seen.endpoint.columns if column.number_in}
    for name, extent in count.extent.items():
        if name not in computed:
            yield name, extent
        elif count.metric is not None:
            yield count.metric, extent


def _outside(name: str, extent: _Extent, limits: _Extent) -> Iterator[str]:
    (least, most), (low, high) = extent, limits
    if least < low:
        yield f"{name} goes down to {least:,.12g}, and {low:,.12g} is the least that it can be."
    if most > high:
        yield f"{name} goes up to {most:,.12g}, and {high:,.12g} is the most that it can be."
