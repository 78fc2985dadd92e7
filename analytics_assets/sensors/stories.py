"""The look for new rows where rows expire: they are to be read while the day lasts."""

import datetime as dt
import json
import zlib
import zoneinfo
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import dagster as dg

from analytics_assets import pause
from analytics_assets.ingest.endpoint import Endpoint
from analytics_assets.ingest.errors import explain, is_lasting
from analytics_assets.ingest.news import Known, look
from analytics_assets.ingest.settings import Settings
from analytics_assets.ingest.warehouse.coverage import Coverage
from analytics_assets.ingest.warehouse.gaps import newest_try
from analytics_assets.jobs import load_all
from analytics_assets.resources import AnalyticsApi
from analytics_assets.runs import NOT_ENDED, PRIORITY, newest_of, raise_priority, request

NAME = "new_stories"
_EXPIRES = "analytics/expires_at"
_HOUR = dt.timedelta(hours=1)
_DAY = dt.timedelta(days=1)
# Besides news: likes move, and a row may be posted late.
_AT_LEAST_EVERY = 4 * _HOUR
_LONGEST_WAIT = _HOUR
_VERSION = 1
_FULL_DAY = 24


@dataclass(frozen=True)
class Watch:
    """What the sensor keeps from tick to tick, as its cursor."""

    known: Mapping[str, Known] = field(default_factory=dict)
    loaded_at: dt.datetime | None = None
    """When it last asked for a load."""
    failures: int = 0
    """Looks, or loads, that failed one after the other."""
    not_before: dt.datetime | None = None

    def written(self) -> str:
        """Return the cursor."""
        moments = {
            name: at and at.isoformat() for name, at in (("loaded_at", self.loaded_at), ("not_before", self.not_before))
        }
        known = {name: one.noted() for name, one in self.known.items()}
        return json.dumps({"version": _VERSION, "known": known, "failures": self.failures, **moments})

    @classmethod
    def read(cls, cursor: str | None) -> "Watch":
        """Return what a cursor says; one that cannot be read is as none."""
        try:
            noted: Any = json.loads(cursor or "")
            if noted["version"] != _VERSION:
                return cls()
            loaded, wait = (
                noted[name] and dt.datetime.fromisoformat(noted[name]) for name in ("loaded_at", "not_before")
            )
            known = {name: Known.read(one) for name, one in noted["known"].items()}
            return cls(known, loaded or None, int(noted["failures"]), wait or None)
        except (ValueError, TypeError, KeyError, AttributeError):
            return cls()

    def failed(self, now: dt.datetime, seconds: float) -> "Watch":
        """Return it with a wait that doubles with each failure, from the interval up to an hour."""
        wait = min(dt.timedelta(seconds=seconds * 2**self.failures), _LONGEST_WAIT)
        return replace(self, failures=self.failures + 1, not_before=now + wait)


def watched(settings: Settings) -> tuple[list[Endpoint], list[str]]:
    """Return the endpoints whose rows expire, and the names of all that are loaded with them: what references them."""
    expiring = [one for one in settings.resolved_endpoints if one.expires_by and settings.of(one).has_window]
    names = {one.name for one in expiring}
    loaded = [
        one.name
        for one in settings.resolved_endpoints
        if one.name in names or any(column.references in names for column in one.columns)
    ]
    return expiring, loaded


def priority(expires: dt.datetime | None, now: dt.datetime) -> int:
    """Return where a run stands in the queue: 24 less the whole hours until its first row expires, at least 1."""
    return max(1, _FULL_DAY - int((expires - now) / _HOUR)) if expires else 1


def new_stories(settings: Settings) -> dg.SensorDefinition | None:
    """Return the sensor that asks every ``stories_minutes`` whether rows that expire are new, and has them loaded.

    ``None`` where no endpoint has such rows.
    """
    expiring, loaded = watched(settings)
    if not expiring:
        return None
    names = ", ".join(loaded)

    @dg.sensor(
        name=NAME,
        job=load_all,
        minimum_interval_seconds=60 * settings.stories_minutes,
        description=f"Looks whether there is something new that expires, and loads it: {names}.",
    )
    def sensor(context: dg.SensorEvaluationContext, analytics_api: AnalyticsApi) -> dg.SensorResult | dg.SkipReason:
        now, watch = dt.datetime.now(dt.UTC), Watch.read(context.cursor)
        if (run := newest_of(context.instance, NAME)) and run.status in NOT_ENDED:
            return dg.SkipReason(_under_way(context.instance, run, now))
        if watch.not_before and now < watch.not_before:
            return dg.SkipReason(f"the last {watch.failures} looks failed: the next is at {watch.not_before:%H:%M} UTC")
        try:
            known = pause.known(settings)
            waiting = pause.paused(known, context)
        except pause.CannotTellError as error:
            return dg.SkipReason(str(error))
        if all(one.name in waiting for one in expiring):
            return dg.SkipReason(pause.why(waiting))
        rest = {name: days for name, days in known.items() if name not in waiting}
        return _tick(context, analytics_api.settings(), watch, rest, now)

    return sensor


def _tick(
    context: dg.SensorEvaluationContext,
    settings: Settings,
    watch: Watch,
    known: Coverage,
    now: dt.datetime,
) -> dg.SensorResult:
    """Look at the endpoints that are ``known``, and ask for a load where there is a reason for one."""
    expiring, loaded = watched(settings)
    since, names = now - _DAY, [name for name in loaded if name in known]
    try:
        found = {
            one.name: look(one, settings.of(one), watch.known.get(one.name, Known(since)), now)
            for one in expiring
            if one.name in known
        }
    except Exception as error:
        problem = explain(error)
        if problem is None:
            raise
        watch = watch.failed(now, 60 * settings.stories_minutes)
        return dg.SensorResult(cursor=watch.written(), skip_reason=dg.SkipReason(problem.message))
    is_due = watch.loaded_at is None or now - watch.loaded_at >= _AT_LEAST_EVERY
    is_missed = _may_be_repeated(context.instance, known, names)
    if not (is_due or is_missed or any(one.is_new for one in found.values())):
        seen = replace(watch, failures=0, not_before=None)
        return dg.SensorResult(cursor=seen.written(), skip_reason=dg.SkipReason("nothing new"))
    expires = min((one.expires for one in found.values() if one.expires), default=None)
    then = Watch({name: one.known for name, one in found.items()}, now)
    if is_missed:
        then = replace(watch.failed(now, 60 * settings.stories_minutes), known=then.known, loaded_at=now)
    today = now.astimezone(zoneinfo.ZoneInfo(settings.timezone)).date()
    run = request(
        max(today - _DAY, settings.start_date),
        today,
        names,
        run_key=f"{zlib.crc32((context.cursor or '').encode()):08x} {watch.loaded_at}",
        tags={PRIORITY: str(priority(expires, now)), **({_EXPIRES: expires.isoformat()} if expires else {})},
    )
    return dg.SensorResult(run_requests=[run], cursor=then.written())


def _under_way(instance: dg.DagsterInstance, run: dg.DagsterRun, now: dt.datetime) -> str:
    """Raise the priority of a run that is still in the queue, and say that there is one."""
    expires = run.tags.get(_EXPIRES)
    higher = priority(dt.datetime.fromisoformat(expires) if expires else None, now)
    raised = f", now with priority {higher}" if raise_priority(instance, run, higher) else ""
    return f"run {run.run_id} is under way ({run.status.value}){raised}"


def _may_be_repeated(instance: dg.DagsterInstance, known: Coverage, names: list[str]) -> bool:
    """Say whether the last load failed, and for a cause that may pass."""
    run = newest_of(instance, NAME)
    if run is None or run.status is not dg.DagsterRunStatus.FAILURE:
        return False
    newest = newest_try(one for name in names for one in known[name].values())
    return newest is None or not is_lasting(newest.reason or "")
