"""The gap filler: days that were never proven whole, newest first."""

import datetime as dt

import dagster as dg

from analytics_assets import pause
from analytics_assets.ingest.opening import requests_of_a_day
from analytics_assets.ingest.settings import Settings
from analytics_assets.ingest.warehouse.coverage import Coverage, DayOfEndpoint
from analytics_assets.ingest.warehouse.gaps import Gap, days_within_budget, given_up, grouped, wanted
from analytics_assets.jobs import load_all
from analytics_assets.runs import PRIORITY, days_under_way, fine_at, request

_MINUTES = 15
_NAMED = 5
_BEHIND = {PRIORITY: "-1"}


def gap_filler(settings: Settings) -> dg.SensorDefinition:
    """Return the sensor that asks for days without a proven window, as many at once as ``gap_days`` and pace allow."""

    @dg.sensor(
        name="gap_filler",
        job=load_all,
        minimum_interval_seconds=60 * _MINUTES,
        description="Asks for days that were never proven whole, newest first; what fails gap_tries times is given up.",
    )
    def sensor(context: dg.SensorEvaluationContext) -> list[dg.RunRequest] | dg.SkipReason:
        try:
            known = pause.known(settings)
            waiting = pause.paused(known, context)
            gaps = _gaps(context.instance, settings, {name: known[name] for name in known if name not in waiting})
        except pause.CannotTellError as error:
            return dg.SkipReason(str(error))
        dead = given_up(known, settings)
        for one in dead:
            context.log.warning("%s of %s is given up after %d tries: %s", one.endpoint, one.day, one.tries, one.reason)
        if not gaps:
            return dg.SkipReason(pause.why(waiting) if waiting else _nothing(dead, settings))
        minute = f"{dt.datetime.now(dt.UTC):%Y-%m-%dT%H:%M}"
        return [
            request(
                gap.first,
                gap.last,
                gap.endpoints,
                run_key=f"{gap.first} {gap.last} {' '.join(gap.endpoints)} {minute}",
                tags=_BEHIND,
            )
            for gap in gaps
        ]

    return sensor


def _gaps(instance: dg.DagsterInstance, settings: Settings, known: Coverage) -> list[Gap]:
    """Return what is to be asked for now: nothing that a run in the queue is about to load."""
    under_way = days_under_way(instance, load_all.name)
    days = [
        one
        for one in wanted(known, settings, dt.datetime.now(dt.UTC), fine_at(instance))
        if not {(one.endpoint, one.day), (None, one.day)} & under_way
    ]
    if not days or not settings.max_requests_per_second:
        return grouped(days, settings.gap_days)
    requests = pause.in_words(lambda: requests_of_a_day(settings, pause.PATIENCE_SECONDS))
    return grouped(days, days_within_budget(settings, requests, 60 * _MINUTES))


def _nothing(dead: list[DayOfEndpoint], settings: Settings) -> str:
    """Say why nothing is asked for, with the days that are given up."""
    if dead:
        days = ", ".join(f"{one.endpoint} {one.day}" for one in dead[:_NAMED]) + (" …" if len(dead) > _NAMED else "")
        return f"given up after {settings.gap_tries} tries: {days}; load them by hand to see why they fail"
    return "every day that is over is proven, or is about to be loaded"
