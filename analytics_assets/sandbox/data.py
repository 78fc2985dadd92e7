"""The rows of a window: what the made-up account has between two moments, and not before it happened.

What belongs here: windows over ``days.py``. How they are asked for and answered stands in ``shape.py`` and ``app.py``.
"""

import datetime as dt

from analytics_assets.ingest.endpoints import ENDPOINTS
from analytics_assets.sandbox.days import LONGEST_RESTATEMENT, Row, day_rows, text

FIRST_DAY = dt.date(2025, 1, 1)

_CURSORS = {endpoint.name: str(endpoint.cursor) for endpoint in ENDPOINTS}


def rows(  # noqa: PLR0913 - each option is a plain setting of the made-up data
    endpoint_name: str,
    start: dt.datetime | None = None,
    end: dt.datetime | None = None,
    *,
    seed: int = 7,
    scale: int = 1,
    first_day: dt.date = FIRST_DAY,
    now: dt.datetime | None = None,
) -> list[Row]:
    """Return the rows with ``start <= cursor < end`` (aware datetimes; ``None`` is open), by cursor and then id.

    Nothing exists before ``first_day`` or after ``now`` (the clock by default). The dicts are shared: do not change
    them. ``KeyError`` when no endpoint has that name.
    """
    now = now or dt.datetime.now(dt.UTC)
    floor = dt.datetime.combine(first_day, dt.time(), dt.UTC)
    low = max(floor, start.astimezone(dt.UTC)) if start else floor
    after_now = now.astimezone(dt.UTC) + dt.timedelta(microseconds=1)
    high = min(after_now, end.astimezone(dt.UTC)) if end else after_now
    cursor = _CURSORS[endpoint_name]
    found: list[Row] = []
    day = low.date()
    while day <= high.date() and low < high:
        of_day = day_rows(endpoint_name, day, seed, scale)
        if low.date() < day < high.date():
            found += of_day
        else:
            found += [row for row in of_day if low <= dt.datetime.fromisoformat(row[cursor]) < high]
        day += dt.timedelta(days=1)
    return _not_yet_restated(found, now)


def _not_yet_restated(found: list[Row], now: dt.datetime) -> list[Row]:
    """Replace every ``updated_at`` that lies after ``now``; only the newest rows can have one."""
    latest = text(now)
    for index in range(len(found) - 1, -1, -1):
        restated = found[index].get("updated_at")
        if restated is not None and restated > latest:
            found[index] = {**found[index], "updated_at": latest}
        elif restated is not None and restated < text(now - 2 * LONGEST_RESTATEMENT):
            break
    return found
