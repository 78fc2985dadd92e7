"""Causes: what failed and what ended, put together so that a cause is told of once, however many runs fail of it."""

from collections.abc import Collection, Mapping

import dagster as dg

from analytics_assets.alerts.days import ALL_HISTORY, newest
from analytics_assets.alerts.runs import Checked, Failed
from analytics_assets.alerts.state import Cause
from analytics_assets.failures import Told

GIVEN_UP = "given up"
CHECK = "check failed"
HOW_TO_LOAD = "gap_filler asks for these days no more. Mend what is wrong, then load them: make load DAY=… TO=…"
# What concerns every endpoint. Kinds of one key are one outage, which may begin as one of them and go on as another.
_OF_ALL: Mapping[str, str] = {
    "unreachable": "the API",
    "API failing": "the API",
    "key refused": "the key",
    "cannot connect": "the warehouse",
    "connection lost": "the warehouse",
    "warehouse failing": "the warehouse",
    "warehouse busy": "the warehouse",
    "cannot open": "the warehouse's file",
    "login refused": "the warehouse's login",
    "no permission": "the warehouse's permissions",
    "disk full": "the disk",
    "run died": "the runs",
    "cancelled": "the runs",
}
_RECORDS = 10_000
_MOST_LETTERS = 400


def after_failure(causes: list[Cause], failed: Failed, instance: dg.DagsterInstance) -> list[Cause]:
    """Return the causes, with what has failed among the days of its cause."""
    told = failed.told
    key = _OF_ALL.get(told.kind, f"{told.kind} {told.asset}")
    known = next((one for one in reversed(causes) if one.key == key), None)
    left, again = still_open(known, instance) if known else ({}, set())
    if known is None or has_ended(known, left, again):
        # what was over before this failure is told of as that, beside it
        return [*causes, _begun(key, failed)]
    # a day that fails once more is no news, nor are more days of an outage; days that fail after a load are
    is_news = bool(again) and not failed.days <= known.days.get(told.asset, frozenset())
    days = {**left, told.asset: newest(left.get(told.asset, frozenset()) | failed.days)}
    failed_at = {**known.failed_at, told.asset: max(failed.at, known.failed_at.get(told.asset, 0.0))}
    return _with(causes, known, {"days": days, "failed_at": failed_at, "came_again": known.came_again or is_news})


def after_check(causes: list[Cause], checked: Checked) -> list[Cause]:
    """Return the causes, with the days on which a check fails, and without those on which it does not any more."""
    key = f"{CHECK} {checked.asset} {checked.check}"
    known = next((one for one in causes if one.key == key), None)
    before = known.days.get(checked.asset, frozenset()) if known else frozenset()
    days = newest(before | checked.days) if checked.is_bad else before - checked.days
    if known:
        return _with(causes, known, {"days": {checked.asset: days} if days else {}})
    if not checked.is_bad:
        return causes
    told = Told(checked.asset, CHECK, f"{checked.check}: {checked.said}".strip(" :"))
    return [*causes, _begun(key, Failed(told, checked.days, checked.at, checked.run_id))]


def after_given_up(causes: list[Cause], given_up: Mapping[str, Mapping[str, str]], now: float) -> list[Cause]:
    """Return the causes, with one for each endpoint of which ``gap_filler`` has given days up: by day, and why."""
    for asset, reasons in given_up.items():
        key, days = f"{GIVEN_UP} {asset}", newest(reasons)
        known = next((one for one in causes if one.key == key), None)
        if known is None:
            told = Told(asset, GIVEN_UP, reasons[max(reasons)], HOW_TO_LOAD)
            causes = [*causes, _begun(key, Failed(told, days, now, ""))]
            continue
        has_more = not days <= known.days.get(asset, frozenset())
        more = {"days": {asset: days}, "failed_at": {asset: now}, "came_again": known.came_again or has_more}
        causes = _with(causes, known, more)
    return causes


def has_ended(cause: Cause, left: Mapping[str, frozenset[str]], again: Collection[str]) -> bool:
    """Say whether a cause is over: all is loaded, or each asset loads again where the cause was not of its days."""
    return not left or (cause.key in _OF_ALL.values() and left.keys() <= set(again))


def still_open(cause: Cause, instance: dg.DagsterInstance) -> tuple[dict[str, frozenset[str]], set[str]]:
    """Return the days of a cause that no run has loaded since, and those of its assets that have loaded any day."""
    left: dict[str, frozenset[str]] = {}
    again: set[str] = set()
    for asset, days in cause.days.items():
        # the days of a check leave its cause when it passes
        if cause.kind != CHECK and _loaded_since(instance, asset, cause.failed_at[asset], None):
            again.add(asset)
            asked = days - {ALL_HISTORY}
            loaded = _loaded_since(instance, asset, cause.failed_at[asset], sorted(asked)) if asked else set()
            left[asset] = asked - loaded
        else:
            left[asset] = days
    return {asset: days for asset, days in left.items() if days}, again


def _loaded_since(instance: dg.DagsterInstance, asset: str, moment: float, days: list[str] | None) -> set[str]:
    """Return which of these days were loaded after a moment; without days, whether the asset was loaded at all."""
    chosen = dg.AssetRecordsFilter(dg.AssetKey.from_user_string(asset), days, after_timestamp=moment)
    records = instance.fetch_materializations(chosen, limit=_RECORDS if days else 1).records
    return {one.partition_key or ALL_HISTORY for one in records}


def _begun(key: str, failed: Failed) -> Cause:
    told = failed.told
    return Cause(
        key=key,
        kind=told.kind,
        reason=told.reason[:_MOST_LETTERS],
        advice=told.advice,
        run_id=failed.run_id,
        since=failed.at,
        days={told.asset: newest(failed.days)},
        failed_at={told.asset: failed.at},
    )


def _with(causes: list[Cause], known: Cause, changed: Mapping[str, object]) -> list[Cause]:
    return [one.model_copy(update=changed) if one is known else one for one in causes]
