"""Whether the automation waits: an endpoint whose key was refused is not asked again until the check is fine."""

from collections.abc import Callable
from typing import TypeVar

import dagster as dg

from analytics_assets.ingest.errors import explain
from analytics_assets.ingest.opening import known_days
from analytics_assets.ingest.settings import Settings
from analytics_assets.ingest.warehouse.coverage import Coverage, DayOfEndpoint
from analytics_assets.ingest.warehouse.gaps import refused
from analytics_assets.runs import fine_at

T = TypeVar("T")
PATIENCE_SECONDS = 10.0
"""How long a tick waits for a warehouse that is being written."""


class CannotTellError(Exception):
    """What the ledger says cannot be read now; the message says why."""


def known(settings: Settings) -> Coverage:
    """Return what the ledger says of each day; raises ``CannotTellError`` where it cannot be read within seconds."""
    return in_words(lambda: known_days(settings, PATIENCE_SECONDS))


def in_words(read: Callable[[], T]) -> T:
    """Return what is read of the ledger; raises ``CannotTellError`` where that fails for a cause that has words."""
    try:
        return read()
    except Exception as error:
        problem = explain(error)
        if problem is None:
            raise
        raise CannotTellError(f"the ledger cannot be read now: {problem.message}") from None


def paused(
    coverage: Coverage, context: dg.SensorEvaluationContext | dg.ScheduleEvaluationContext
) -> dict[str, DayOfEndpoint]:
    """Return the endpoints that wait, each with the day whose load was refused."""
    found = refused(coverage, None)
    return dict(refused(coverage, fine_at(context.instance))) if found else {}


def why(waiting: dict[str, DayOfEndpoint]) -> str:
    """Say in a sentence which endpoints wait, since when, and what ends it."""
    since = min((one.tried_at for one in waiting.values() if one.tried_at), default=None)
    return (
        f"paused: the key was refused for {', '.join(sorted(waiting))} since {since:%Y-%m-%d %H:%M} UTC; "
        "it goes on when the job check_connection is fine, or when somebody has loaded a day"
    )
