"""When things run: yesterday's partition every morning with the days before it, and the check of the connection."""

import datetime as dt
from collections import defaultdict
from collections.abc import Mapping, Sequence

import dagster as dg

from analytics_assets import pause
from analytics_assets.ingest.configured import SettingError
from analytics_assets.ingest.settings import Settings
from analytics_assets.ingest.warehouse.coverage import DayOfEndpoint
from analytics_assets.jobs import check_connection, load_all
from analytics_assets.runs import request

_DAY = dt.timedelta(days=1)


def daily_load(
    settings: Settings, partitions: dg.DailyPartitionsDefinition, behind: Sequence[str] = ()
) -> dg.ScheduleDefinition:
    """Return the schedule that loads the day that has just ended, and ``lookback_days`` before it.

    Endpoints that look back equally far are one run; those that look back are loaded as a range. One whose key is
    refused is left out. Each run ends with the assets ``behind`` the endpoints.
    ``build_schedule_from_partitioned_job`` would take the last partition, which is today's.
    Raises ``SettingError`` for a ``daily_cron`` that is none.
    """

    @dg.schedule(
        name="daily_load",
        job=load_all,
        cron_schedule=_cron("daily_cron", settings.daily_cron),
        execution_timezone=partitions.timezone,
        description="Loads every endpoint for the day that ended at midnight, with its lookback_days before it.",
    )
    def schedule(context: dg.ScheduleEvaluationContext) -> list[dg.RunRequest] | dg.SkipReason:
        now = context.scheduled_execution_time.astimezone(partitions.start.tzinfo)
        yesterday, first = now.date() - _DAY, partitions.start.date()
        if yesterday < first:
            return dg.SkipReason(f"{yesterday} lies before the first partition, {first}")
        waiting = _paused(settings, context)
        endpoints = _by_lookback(settings, waiting)
        if not endpoints:
            return dg.SkipReason(pause.why(waiting))
        is_all = len(endpoints) == 1 and not waiting
        return [
            request(
                max(yesterday - back * _DAY, first),
                yesterday,
                None if is_all else [*names, *behind],
                run_key=f"{yesterday}" if is_all else f"{yesterday} {' '.join(names)}",
            )
            for back, names in endpoints.items()
        ]

    return schedule


def connection_check(settings: Settings) -> dg.ScheduleDefinition:
    """Return the schedule that asks, while something is paused, whether it may go on.

    Raises ``SettingError`` for a ``check_cron`` that is none.
    """

    @dg.schedule(
        name="connection_check",
        job=check_connection,
        cron_schedule=_cron("check_cron", settings.check_cron),
        execution_timezone=settings.timezone,
        description="While a key is refused: asks each endpoint whether it is fine again. What is paused goes on then.",
    )
    def schedule(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        if not _paused(settings, context):
            return dg.SkipReason("nothing is paused")
        return dg.RunRequest(run_key=f"{context.scheduled_execution_time:%Y-%m-%dT%H:%M%z}")

    return schedule


def _by_lookback(settings: Settings, waiting: Mapping[str, DayOfEndpoint]) -> Mapping[int, list[str]]:
    """Return the names of the endpoints that do not wait, by how many days they look back."""
    found: dict[int, list[str]] = defaultdict(list)
    for endpoint in settings.resolved_endpoints:
        if endpoint.name not in waiting:
            found[settings.of(endpoint).lookback_days].append(endpoint.name)
    return found


def _paused(settings: Settings, context: dg.ScheduleEvaluationContext) -> dict[str, DayOfEndpoint]:
    """Return the endpoints that wait; none where the ledger cannot be read, for a day is better asked for twice."""
    try:
        return pause.paused(pause.known(settings), context)
    except pause.CannotTellError as error:
        context.log.warning("%s: so nothing counts as paused", error)
        return {}


def _cron(name: str, expression: str) -> str:
    """Return a cron expression that Dagster takes; it says so only where a schedule is made of it."""
    try:
        dg.ScheduleDefinition(job=check_connection, cron_schedule=expression)
    except dg.DagsterInvalidDefinitionError:
        raise SettingError(
            f"analytics_api.{name} = {expression!r}: must be a cron expression, such as 0 1 * * *"
        ) from None
    return expression
