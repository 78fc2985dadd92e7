"""The sensor ``alerts``. What it knows stands in its cursor, what it does in ``tick.py``."""

import logging
from collections.abc import Iterable

import dagster as dg

from analytics_assets.alerts.state import read_state
from analytics_assets.alerts.summary import last_due, summary_calendar
from analytics_assets.alerts.tick import Scope, after_tick, begun
from analytics_assets.ingest.settings import Settings

_LOG = logging.getLogger("analytics_assets")


def alerts(settings: Settings, assets: Iterable[dg.AssetKey]) -> dg.SensorDefinition:
    """Return the sensor that tells of what these assets fail to load; it launches nothing.

    Raises ``SettingError`` where ``summary_cron`` is wrong.
    """
    names, calendar = frozenset(key.to_user_string() for key in assets), summary_calendar(settings)

    @dg.sensor(
        name="alerts",
        minimum_interval_seconds=60,
        description=(
            "Tells of each cause of failed loads once, when it has ended, and each day of what has arrived: to the "
            "webhook of ALERT_WEBHOOK and to the log. docs/alerts.md has the details."
        ),
    )
    def sensor(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        due = last_due(calendar)
        state = read_state(context.cursor, _LOG) or begun(context.instance, due.timestamp() if due else 0.0)
        after = after_tick(state, Scope(context.instance, names, settings, context.log), due)
        said = f"open causes: {len(after.causes)}, messages that wait: {len(after.outbox)}"
        return dg.SensorResult(skip_reason=said, cursor=after.model_dump_json())

    return sensor
