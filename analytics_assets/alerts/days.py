"""Days as the alerts keep them: a set of ISO dates, short as JSON and in words. ``""`` stands for all history."""

import datetime as dt
from collections.abc import Collection, Iterator
from typing import Annotated

from pydantic import BeforeValidator, PlainSerializer

ALL_HISTORY = ""
_DAY = dt.timedelta(days=1)
_MOST_DAYS = 1000
_MOST_NAMED = 6


def newest(days: Collection[str]) -> frozenset[str]:
    """Return the days, or the newest 1000 of them."""
    return frozenset(sorted(days)[-_MOST_DAYS:])


def _spans(days: Collection[str]) -> Iterator[tuple[str, str]]:
    """Yield first and last of days that follow each other, in order."""
    first = last = ""
    for day in sorted(one for one in days if one):
        if last and dt.date.fromisoformat(day) - dt.date.fromisoformat(last) == _DAY:
            last = day
            continue
        if first:
            yield first, last
        first = last = day
    if first:
        yield first, last


def _folded(days: frozenset[str]) -> list[str]:
    whole = [ALL_HISTORY] if ALL_HISTORY in days else []
    return [*whole, *("/".join(dict.fromkeys(span)) for span in _spans(days))]


def _unfolded(value: object) -> object:
    """Return the days of a list of spans, such as ``["2025-03-01/2025-03-07"]``."""
    if not isinstance(value, list):
        return value
    found = set()
    for span in map(str, value):
        first, _, last = span.partition("/")
        found.add(first)
        while last and first < last:
            first = str(dt.date.fromisoformat(first) + _DAY)
            found.add(first)
    return frozenset(found)


Days = Annotated[frozenset[str], BeforeValidator(_unfolded), PlainSerializer(_folded)]


def in_words(days: Collection[str]) -> str:
    """Name days, those that follow each other as a span; of more than six spans the newest, and how many days more."""
    spans = list(_spans(days))
    named = [" to ".join(dict.fromkeys(span)) for span in spans[-_MOST_NAMED:]]
    if ALL_HISTORY in days:
        named.insert(0, "all history")
    left_out = sum(
        (dt.date.fromisoformat(last) - dt.date.fromisoformat(first)).days + 1 for first, last in spans[:-_MOST_NAMED]
    )
    return f"{', '.join(named)} and {left_out:,} more" if left_out else ", ".join(named)


def and_others(names: Collection[str]) -> str:
    """Write names as ``a, b and c``, each once, in order."""
    *first, last = sorted(set(names)) or [""]
    return f"{', '.join(first)} and {last}" if first else last
