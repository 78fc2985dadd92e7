"""One tick: what has ended since the last one, what follows from it, and what is sent. The sensor only calls it."""

import datetime as dt
import logging
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass

import dagster as dg

from analytics_assets.alerts.causes import after_check, after_failure, after_given_up, has_ended, still_open
from analytics_assets.alerts.given_up import given_up_days
from analytics_assets.alerts.outbox import deliver
from analytics_assets.alerts.runs import Failed, ended_since, found_in, is_run_again, newest_ends, seen_after
from analytics_assets.alerts.state import State, bounded
from analytics_assets.alerts.summary import PATIENCE_SECONDS, summarised
from analytics_assets.alerts.wording import recovered, told, told_again
from analytics_assets.ingest.errors import explain
from analytics_assets.ingest.settings import Settings

_AGAIN_SECONDS = 86400.0


def begun(instance: dg.DagsterInstance, due: float) -> State:
    """Return the state of an alerter that is switched on now: what failed before is no news."""
    return State(seen=newest_ends(instance), summarised=due)


@dataclass(frozen=True)
class Scope:
    """What the alerts watch: the assets of a Dagster instance, with their settings; and the tick's log."""

    instance: dg.DagsterInstance
    assets: Collection[str]
    settings: Settings
    log: logging.Logger


def after_tick(state: State, scope: Scope, due: dt.datetime | None) -> State:
    """Return the state after a tick, with what it has found and without what was delivered.

    ``due`` is the moment of the newest summary. Only the delivery does what cannot be done again: it comes last, and
    nothing raises behind it.
    """
    kept = len(state.outbox)
    state = _after_runs(state, scope)
    state = _after_ledger(state, scope)
    state = _with_messages(state, scope)
    state = summarised(state, due, scope.settings, scope.log)
    for message in state.outbox[kept:]:
        scope.log.warning("%s", message.text)
    return bounded(deliver(state, kept, scope.settings, scope.log), scope.log)


def _after_runs(state: State, scope: Scope) -> State:
    """Return the state with the causes of the runs that have ended; a run that Dagster may run again waits for that."""
    records = ended_since(scope.instance, state.seen)
    ended = {**state.waiting, **{one.run_id: one.timestamp for one in records}}
    causes, waiting, has_failed = list(state.causes), {}, False
    for run_id, at in ended.items():
        run = scope.instance.get_run_by_id(run_id)
        if run is None:
            # deleted
            continue
        if run.status is dg.DagsterRunStatus.FAILURE:
            again = is_run_again(scope.instance, run, at, time.time())
            if again is None:
                waiting[run_id] = at
            if again is not False:
                continue
        for found in found_in(scope.instance, run, scope.assets):
            if isinstance(found, Failed):
                causes, has_failed = after_failure(causes, found, scope.instance), True
            else:
                causes = after_check(causes, found)
    return state.model_copy(
        update={
            "seen": seen_after(state.seen, records),
            "waiting": waiting,
            "causes": causes,
            "look_for_given_up": state.look_for_given_up or has_failed,
        }
    )


def _after_ledger(state: State, scope: Scope) -> State:
    """Return the state with the days that were given up, where a load has failed since they were asked for last."""
    if not state.look_for_given_up:
        return state
    try:
        found = given_up_days(scope.settings, PATIENCE_SECONDS)
    except Exception as error:
        problem = explain(error)
        if problem is None:
            raise
        scope.log.info("Whether days were given up is asked by the next tick: %s", problem.message)
        return state
    causes = after_given_up(state.causes, found, time.time())
    return state.model_copy(update={"causes": causes, "look_for_given_up": False})


def _with_messages(state: State, scope: Scope) -> State:
    """Return the state with what is to be told of its causes, and without those that have ended."""
    now, causes, ended = time.time(), [], []
    left_open: dict[str, Mapping[str, frozenset[str]]] = {}
    for cause in state.causes:
        left, again = still_open(cause, scope.instance)
        # an asset that the settings have no more is not waited for
        left = {name: days for name, days in left.items() if name in scope.assets}
        if has_ended(cause, left, again):
            ended.append(cause)
            left_open[cause.key] = left
        else:
            causes.append(cause.model_copy(update={"days": left}))
    new = [one for one in causes if not one.told_at]
    more = [one for one in causes if one.told_at and one.came_again and now - one.told_at >= _AGAIN_SECONDS]
    messages = [
        *told(new, scope.settings.dagster_url),
        *(told_again(one, scope.settings.dagster_url) for one in more),
        *recovered(ended, left_open, now),
    ]
    said = {one.key for one in (*new, *more)}
    causes = [
        one.model_copy(update={"told_at": now, "came_again": False}) if one.key in said else one for one in causes
    ]
    return state.model_copy(update={"causes": causes, "outbox": [*state.outbox, *messages]})
