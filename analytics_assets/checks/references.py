"""Coverage across endpoints: what is measured has insights, and insights are of something that is there."""

import datetime as dt
from collections.abc import Iterable

from analytics_assets.checks.seen import Seen, Verdict, could_not_look, counted
from analytics_assets.ingest.warehouse.kin import Alone, Kin
from analytics_assets.ingest.warehouse.quality import Unknown

_LOADED = {"proven", "partial"}


def references_covered(seen: Seen) -> Verdict:
    """Look for rows that refer to nothing, and for rows that nothing refers to although it should by now."""
    orphans = childless = 0
    odd = []
    for part in seen.parts:
        for answer in (part.found.kin, part.found.days):
            if isinstance(answer, Unknown):
                return could_not_look(answer)
        for one in [] if isinstance(part.found.kin, Unknown) else part.found.kin:
            without = _together(alone for day, alone in one.orphans.items() if _has_parents(seen, one, day))
            alone = _together(alone for day, alone in one.childless.items() if _has_had_time(seen, day))
            orphans += without.rows
            childless += alone.rows
            odd += _sentences(seen, one, without, alone)
    hours = counted(seen.settings.insights_after_hours, "hour")
    fine = f"Nothing of what was loaded lacks its counterpart, as far as that was loaded; a row has {hours} to get one."
    return Verdict(odd, fine, {"without_parent": orphans, "without_insights": childless})


def _has_parents(seen: Seen, kin: Kin, day: dt.date | None) -> bool:
    """Say whether what the rows of a day refer to was loaded, as far as it is of that day."""
    if day is None:
        recent = seen.newest.recent
        days = {} if isinstance(recent, Unknown) else recent.get(kin.parent, {})
        return any(one.state in _LOADED for one in days.values())
    return day in seen.by_day and seen.state(day, kin.parent) in _LOADED


def _has_had_time(seen: Seen, day: dt.date | None) -> bool:
    """Say whether the days were loaded on which what a day has would be referred to."""
    if day is None:
        return True
    last = day + dt.timedelta(days=-(-seen.settings.insights_after_hours // 24))
    days = [day + dt.timedelta(days=number) for number in range((last - day).days + 1)]
    known = seen.by_day[day].found.days if day in seen.by_day else {}
    own = {} if isinstance(known, Unknown) else known.get(seen.endpoint.name, {})
    return day in seen.by_day and all(one in own and own[one].state in _LOADED for one in days)


def _together(found: Iterable[Alone]) -> Alone:
    every = list(found)
    return Alone(sum(one.rows for one in every), min((one.example for one in every), default=""))


def _sentences(seen: Seen, kin: Kin, orphans: Alone, childless: Alone) -> list[str]:
    name = seen.endpoint.name
    odd = []
    if orphans.rows:
        refer = "refers" if orphans.rows == 1 else "refer"
        odd.append(
            f"{counted(orphans.rows, 'row')} of {name} {refer} by {kin.column} to no row of {kin.parent}, "
            f"such as {orphans.example}."
        )
    if childless.rows:
        have = "has" if childless.rows == 1 else "have"
        odd.append(
            f"{counted(childless.rows, 'row')} of {kin.parent} {have} no row in {name} "
            f"{counted(seen.settings.insights_after_hours, 'hour')} later, such as {childless.example}."
        )
    return odd
