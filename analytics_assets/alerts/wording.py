"""The messages: what happened, to which days, why, what to do, and where to look. Plain text, short."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence

from analytics_assets.alerts.causes import CHECK, GIVEN_UP
from analytics_assets.alerts.days import and_others, in_words
from analytics_assets.alerts.state import Cause, Message

_MOST_LETTERS = 3000
_MINUTE, _HOUR, _DAY = 60, 3600, 86400


def told(causes: Sequence[Cause], dagster_url: str) -> list[Message]:
    """Return a message for each kind of causes that were not told of before: endpoints of one cause are in one."""
    return [_message("failed", group, _failed(group, dagster_url)) for group in _by_kind(causes)]


def told_again(cause: Cause, dagster_url: str) -> Message:
    """Return the message of a cause that is open still, and got days after a load that went well."""
    return _message(f"again {cause.told_at:.0f}", [cause], f"Again. {_failed([cause], dagster_url)}")


def recovered(causes: Sequence[Cause], left: Mapping[str, Mapping[str, frozenset[str]]], now: float) -> list[Message]:
    """Return a message for each kind of causes that have ended; ``left`` are days of theirs that are open, by cause."""
    return [_message("recovered", group, _recovered(group, left, now)) for group in _by_kind(causes)]


def _by_kind(causes: Iterable[Cause]) -> Iterable[list[Cause]]:
    groups: dict[str, list[Cause]] = {}
    for one in causes:
        groups.setdefault(one.kind, []).append(one)
    return groups.values()


def _message(what: str, causes: Sequence[Cause], text: str) -> Message:
    """Return a message whose id is the same whenever it is made of the same causes."""
    parts = [what, *sorted(f"{one.key} {one.since:.6f} {one.run_id}" for one in causes)]
    text = text if len(text) <= _MOST_LETTERS else f"{text[: _MOST_LETTERS - 1]}…"
    return Message(id=hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16], text=text)


def _failed(causes: Sequence[Cause], dagster_url: str) -> str:
    kind = causes[0].kind
    days = _merged(one.days for one in causes)
    lines = [f"{_heading(kind)}: {_named(days)}"]
    reasons = {one.reason for one in causes if one.reason}
    if len(reasons) == 1:
        lines += [f"{reason.rstrip('.')}." for reason in reasons]
    else:
        lines += [f"{and_others(one.days)}: {one.reason.rstrip('.')}." for one in causes if one.reason]
    lines += dict.fromkeys(one.advice for one in causes if one.advice)
    if dagster_url and causes[0].run_id:
        lines.append(f"{dagster_url.rstrip('/')}/runs/{causes[0].run_id}")
    return "\n".join(lines)


def _recovered(causes: Sequence[Cause], left: Mapping[str, Mapping[str, frozenset[str]]], now: float) -> str:
    kind, since = causes[0].kind, min(one.since for one in causes)
    assets = {asset for one in causes for asset in one.failed_at}
    days = _merged(left.get(one.key, {}) for one in causes)
    one, more = ("loads again", "load again") if days else ("is loaded", "are loaded")
    what = "passes again" if kind == CHECK else one if len(assets) == 1 else more
    reasons = "" if all(one.told_at for one in causes) else f" {causes[0].reason.rstrip('.')}."
    text = f"Recovered after {_duration(now - since)}: {kind}: {and_others(assets)} {what}.{reasons}"
    count = sum(map(len, days.values()))
    if not count:
        return text
    verb = "window is" if count == 1 else "windows are"
    return f"{text}\n{count:,} {verb} still open: {_named(days)}. gap_filler fetches them."


def _heading(kind: str) -> str:
    return {GIVEN_UP: "Given up", CHECK: "Check failed"}.get(kind, f"Not loaded, {kind}")


def _merged(every: Iterable[Mapping[str, frozenset[str]]]) -> dict[str, frozenset[str]]:
    found: dict[str, frozenset[str]] = {}
    for days in every:
        for asset, some in days.items():
            found[asset] = found.get(asset, frozenset()) | some
    return found


def _named(days: Mapping[str, frozenset[str]]) -> str:
    """Return ``media_insights and stories of 2025-03-01; user_insights of 2025-03-01 to 2025-03-03``."""
    by_days: dict[frozenset[str], list[str]] = {}
    for asset in sorted(days):
        by_days.setdefault(days[asset], []).append(asset)
    return "; ".join(f"{and_others(assets)} of {in_words(some)}" for some, assets in by_days.items())


def _duration(seconds: float) -> str:
    """Return a duration in its two largest units."""
    minutes = max(round(seconds / _MINUTE), 1)
    if minutes < _HOUR // _MINUTE:
        return f"{minutes} min"
    if seconds < _DAY:
        return f"{minutes // 60} h {minutes % 60} min"
    hours = round(seconds / _HOUR)
    return f"{hours // 24} d {hours % 24} h"
