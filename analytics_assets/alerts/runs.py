"""The runs that have ended since the last tick, in order, and what failed in each. Reads Dagster's event log.

A run is known by the number of the event that ended it. Two runs that end at once may get their numbers in one order
and be seen in the other, so the newest numbers are kept, and what was not among them is new.
"""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

import dagster as dg

from analytics_assets.alerts.days import ALL_HISTORY
from analytics_assets.failures import Told, days_of, told_by

_KEPT = 50
_MOST_RUNS = 100
_End = Literal[dg.DagsterEventType.RUN_SUCCESS, dg.DagsterEventType.RUN_FAILURE]
_ENDS: tuple[_End, ...] = (dg.DagsterEventType.RUN_SUCCESS, dg.DagsterEventType.RUN_FAILURE)
_OF_A_RUN = {
    dg.DagsterEventType.STEP_FAILURE,
    dg.DagsterEventType.ASSET_CHECK_EVALUATION,
    dg.DagsterEventType.ASSET_MATERIALIZATION,
    dg.DagsterEventType.ASSET_MATERIALIZATION_PLANNED,
    dg.DagsterEventType.RUN_FAILURE,
}
_TAGGED_SECONDS = 60.0
_RETRIED_SECONDS = 3600.0
_SAID = 300
_DIED = (
    "Its process was killed or lost, or could not be started, so no step could say why. Look at the memory of the "
    "machine, and at the run's log; then run it again: nothing is loaded twice."
)


@dataclass(frozen=True)
class Failed:
    """Days of an asset that a run has not loaded, and why."""

    told: Told
    days: frozenset[str]
    at: float
    run_id: str


@dataclass(frozen=True)
class Checked:
    """A check's result for days of an asset."""

    asset: str
    check: str
    is_bad: bool
    """Whether it failed, and not only warns."""
    said: str
    days: frozenset[str]
    at: float
    run_id: str


def newest_ends(instance: dg.DagsterInstance) -> list[int]:
    """Return the numbers of the newest runs' ends: what an alerter that begins now passes over."""
    return _kept(one.storage_id for kind in _ENDS for one in _fetch(instance, kind, None, _KEPT))


def ended_since(instance: dg.DagsterInstance, seen: list[int]) -> list[dg.EventLogRecord]:
    """Return the ends of runs that are not among those seen, oldest first, as many as one tick looks at."""
    after = min(seen) if len(seen) == _KEPT else 0
    found: list[dg.EventLogRecord] = []
    most, last = len(seen) + _MOST_RUNS, float("inf")
    for kind in _ENDS:
        records = _fetch(instance, kind, after, most)
        found += records
        if len(records) == most:
            # there are more of this kind, and those of the other kind behind it come later
            last = min(last, records[-1].storage_id)
    known = set(seen)
    new = [one for one in found if one.storage_id not in known and one.storage_id <= last]
    return sorted(new, key=lambda one: one.storage_id)[:_MOST_RUNS]


def seen_after(seen: list[int], records: list[dg.EventLogRecord]) -> list[int]:
    """Return the newest numbers of the ends that were looked at by now."""
    return _kept([*seen, *(one.storage_id for one in records)])


def _kept(numbers: Iterable[int]) -> list[int]:
    return sorted(numbers)[-_KEPT:]


def _fetch(instance: dg.DagsterInstance, kind: _End, after: int | None, limit: int) -> list[dg.EventLogRecord]:
    """Return ends of one kind: from a number on, oldest first; or without one the newest first."""
    chosen = dg.RunStatusChangeRecordsFilter(kind, after_storage_id=after)
    return list(instance.fetch_run_status_changes(chosen, limit, ascending=after is not None).records)


def is_run_again(instance: dg.DagsterInstance, run: dg.DagsterRun, failed_at: float, now: float) -> bool | None:
    """Say whether Dagster runs a failed run again, so that what counts is that one; ``None`` where it is not known yet.

    The tag that says so is written after the event of the failure, and the one that names the new run later still.
    """
    will = run.tags.get("dagster/will_retry")
    if will is None:
        return None if instance.run_retries_enabled and now - failed_at < _TAGGED_SECONDS else False
    if will != "true":
        return False
    if "dagster/auto_retry_run_id" in run.tags:
        return True
    return None if now - failed_at < _RETRIED_SECONDS else False


def found_in(instance: dg.DagsterInstance, run: dg.DagsterRun, assets: Collection[str]) -> Iterator[Failed | Checked]:
    """Yield what a run has to say of these assets, in order: results of checks, and what it failed to load."""
    asked = frozenset(days_of(run.tags) or [ALL_HISTORY])
    entries = instance.all_logs(run.run_id, of_type=_OF_A_RUN)
    events = [(entry.get_dagster_event(), entry.timestamp) for entry in entries]
    left = {name: asked - loaded for name, loaded in _loaded_in(event for event, _ in events).items()}
    kinds = {event.event_type for event, _ in events}
    for event, at in events:
        if event.event_type is dg.DagsterEventType.ASSET_CHECK_EVALUATION:
            checked = event.asset_check_evaluation_data
            if checked.asset_key.to_user_string() in assets:
                yield _checked(checked, asked, at, run.run_id)
        elif event.event_type is dg.DagsterEventType.STEP_FAILURE:
            told = told_by(event)
            if told.asset in assets:
                yield Failed(told, left.get(told.asset, asked), at, run.run_id)
        elif event.event_type is dg.DagsterEventType.RUN_FAILURE and dg.DagsterEventType.STEP_FAILURE not in kinds:
            for asset in sorted(left.keys() & set(assets)):
                if left[asset]:
                    yield Failed(_died(asset, event.message), left[asset], at, run.run_id)


def _loaded_in(events: Iterable[dg.DagsterEvent]) -> dict[str, set[str]]:
    """Return the days that a run has loaded, by asset: of all that it was to load."""
    loaded: dict[str, set[str]] = {}
    for event in events:
        if event.asset_key and event.event_type is dg.DagsterEventType.ASSET_MATERIALIZATION_PLANNED:
            loaded.setdefault(event.asset_key.to_user_string(), set())
        elif event.asset_key and event.event_type is dg.DagsterEventType.ASSET_MATERIALIZATION:
            loaded.setdefault(event.asset_key.to_user_string(), set()).add(event.partition or ALL_HISTORY)
    return loaded


def _died(asset: str, message: str | None) -> Told:
    said = (message or "").strip().partition("\n")[0][:_SAID]
    return Told(asset, "run died", f"Dagster says: {said}" if said else "", _DIED, is_transient=True)


def _checked(one: dg.AssetCheckEvaluation, asked: frozenset[str], at: float, run_id: str) -> Checked:
    days = frozenset([one.partition]) if one.partition else asked
    is_bad = not one.passed and one.severity is dg.AssetCheckSeverity.ERROR
    return Checked(one.asset_key.to_user_string(), one.check_name, is_bad, one.description or "", days, at, run_id)
