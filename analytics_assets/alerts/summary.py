"""The line that comes every day, so that silence means that nobody watches."""

import datetime as dt
import logging

import dagster as dg

from analytics_assets.alerts.days import and_others
from analytics_assets.alerts.state import Cause, Message, State
from analytics_assets.ingest.configured import SettingError
from analytics_assets.ingest.errors import explain
from analytics_assets.ingest.opening import read_warehouse
from analytics_assets.ingest.settings import Settings
from analytics_assets.ingest.warehouse.coverage import DayOfEndpoint
from analytics_assets.ingest.warehouse.yesterday import DayInWarehouse, day_in_warehouse

_DAY = dt.timedelta(days=1)
PATIENCE_SECONDS = 2.0
_GIVES_UP_AFTER = dt.timedelta(hours=3)
_SAID = 200


def summary_calendar(settings: Settings) -> dg.TimeWindowPartitionsDefinition:
    """Return the moments of the summary, as Dagster reads a cron line; raises ``SettingError`` where that is wrong."""
    try:
        return dg.TimeWindowPartitionsDefinition(
            start=dt.datetime(2000, 1, 1, tzinfo=dt.UTC).replace(tzinfo=None),
            fmt="%Y-%m-%dT%H:%M%z",
            cron_schedule=settings.summary_cron,
            timezone=settings.timezone,
        )
    except dg.DagsterInvalidDefinitionError:
        what = "must be a cron expression of five fields, such as 0 8 * * *"
        raise SettingError(f"analytics_api.summary_cron = {settings.summary_cron!r}: {what}") from None


def last_due(calendar: dg.TimeWindowPartitionsDefinition) -> dt.datetime | None:
    """Return the moment of the newest summary that is due by now."""
    window = calendar.get_last_partition_window()
    return window.end if window else None


def summarised(state: State, due: dt.datetime | None, settings: Settings, log: logging.Logger) -> State:
    """Return the state with the summary among its messages, where one is due that was not made; an older one is not.

    Where the warehouse cannot be read it is made by a later tick, and after three hours it says so instead.
    """
    if due is None or due.timestamp() <= state.summarised:
        return state
    day = due.date() - _DAY
    try:
        with read_warehouse(log, PATIENCE_SECONDS) as client:
            line = in_words(day_in_warehouse(client, settings, day), settings)
    except Exception as error:
        problem = explain(error)
        if problem is None:
            raise
        late = dt.datetime.now(dt.UTC) - due
        if late < _GIVES_UP_AFTER:
            log.info("The summary of %s waits: %s", day, problem.message)
            return state
        line = f"Nothing can be said of {day}, for the warehouse could not be read since {due:%H:%M}: {problem.message}"
    text = "\n".join([line, *_open(state.causes)])
    message = Message(id=f"summary-{due:%Y%m%dT%H%M%z}", text=text)
    return state.model_copy(update={"outbox": [*state.outbox, message], "summarised": due.timestamp()})


def in_words(known: DayInWarehouse, settings: Settings) -> str:
    """Say of a day whether all of its windows are proven, with their figures; and of each that is not, why."""
    if known.day < settings.start_date:
        return f"No window is due yet: the first day is {settings.start_date}."
    bad = [one for one in known.endpoints.values() if one.state != "proven"]
    count, figures = len(known.endpoints), f"{known.rows:,} rows, {known.restated:,} restated"
    windows = f"{count} window{'s' * (count > 1)}"
    if not bad:
        whole = f"all {windows}" if count > 1 else "the one window"
        return f"{whole[:1].upper()}{whole[1:]} of {known.day} proven, {figures}."
    return f"{count - len(bad)} of {windows} of {known.day} proven, {figures}. {'; '.join(_reasons(bad))}."


def _reasons(bad: list[DayOfEndpoint]) -> list[str]:
    """Say why days are not proven: of those that were not loaded in one breath."""
    failed = [
        f"{one.endpoint} failed: {_shortened(one.reason or 'no reason is known')}"
        for one in bad
        if one.state == "failed"
    ]
    for state, what in (("partial", "loaded only while the day lasted"), ("missing", "not loaded")):
        if names := [one.endpoint for one in bad if one.state == state]:
            failed.append(f"{and_others(names)} {'was' if len(names) == 1 else 'were'} {what}")
    return failed


def _shortened(text: str) -> str:
    return f"{text[: _SAID - 1]}…" if len(text) > _SAID else text.rstrip(".")


def _open(causes: list[Cause]) -> list[str]:
    if not causes:
        return []
    since = dt.datetime.fromtimestamp(min(one.since for one in causes), dt.UTC)
    return [f"Not over yet: {and_others([one.kind for one in causes])}, since {since:%Y-%m-%d %H:%M} UTC."]
