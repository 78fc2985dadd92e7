"""The rows of a window: what the made-up account has between two moments, and not before it happened.

What belongs here: windows over ``days.py``. How they are asked for and answered stands in ``shape.py`` and ``app.py``.
"""

import datetime as dt

from analytics_assets.ingest.endpoint import Endpoint
from analytics_assets.sandbox.days import DECLARED, LONGEST_RESTATEMENT, Row, added_rows, day_rows, text
from analytics_assets.sandbox.sent import as_sent

FIRST_DAY = dt.date(2025, 1, 1)

_HOUR = dt.timedelta(hours=1)


def rows(  # noqa: PLR0913 - each option is a plain setting of the made-up data
    endpoint_name: str,
    start: dt.datetime | None = None,
    end: dt.datetime | None = None,
    *,
    seed: int = 7,
    scale: int = 1,
    first_day: dt.date = FIRST_DAY,
    now: dt.datetime | None = None,
    endpoint: Endpoint | None = None,
) -> list[Row]:
    """Return the rows with ``start <= cursor < end`` (aware datetimes; ``None`` is open), by cursor and then id.

    With an ``endpoint`` of that name they have its fields; it need not be declared. Without a cursor there is one day.

    Nothing exists before ``first_day`` or after ``now`` (the clock by default). The dicts are shared: do not change
    them. ``KeyError`` when no endpoint has that name.
    """
    now = now or dt.datetime.now(dt.UTC)
    floor = dt.datetime.combine(first_day, dt.time(), dt.UTC)
    low = max(floor, start.astimezone(dt.UTC)) if start else floor
    after_now = now.astimezone(dt.UTC) + dt.timedelta(microseconds=1)
    high = min(after_now, end.astimezone(dt.UTC)) if end else after_now
    ours = DECLARED[endpoint_name] if endpoint is None else DECLARED.get(endpoint_name)
    if endpoint and not endpoint.cursor:
        made = day_rows(endpoint_name, first_day, seed, scale) if ours else added_rows(endpoint, first_day, seed, scale)
        return [as_sent(row, endpoint, ours) for row in made]
    cursor = str(ours.cursor if ours else endpoint and endpoint.cursor)
    found: list[Row] = []
    day = low.date()
    while day <= high.date() and low < high:
        is_added = endpoint is not None and ours is None
        of_day = added_rows(endpoint, day, seed, scale) if is_added else day_rows(endpoint_name, day, seed, scale)
        whole = low.date() < day < high.date()
        found += of_day if whole else _within(of_day, cursor, low, high)
        day += dt.timedelta(days=1)
    found = _not_yet_restated(found, now)
    return [as_sent(row, endpoint, ours) for row in found] if endpoint and endpoint != ours else found


def _within(rows: tuple[Row, ...], cursor: str, low: dt.datetime, high: dt.datetime) -> list[Row]:
    return [row for row in rows if low <= dt.datetime.fromisoformat(row[cursor]) < high]


def _not_yet_restated(found: list[Row], now: dt.datetime) -> list[Row]:
    """Replace every row that is restated after ``now`` by its state then; only the newest rows can be."""
    latest = text(now)
    for index in range(len(found) - 1, -1, -1):
        restated = found[index].get("updated_at")
        if restated is not None and restated > latest:
            found[index] = _as_of(found[index], restated, now)
        elif restated is not None and restated < text(now - 2 * LONGEST_RESTATEMENT):
            break
    return found


def _as_of(row: Row, restated: str, now: dt.datetime) -> Row:
    """Return the row as it was then: its value has three fifths of what it ends with, and grows with every hour."""
    measured = dt.datetime.fromisoformat(row.get("timestamp") or row["end_time"])
    hours = int((now - measured) / _HOUR)
    whole = (dt.datetime.fromisoformat(restated) - measured) / _HOUR
    grown, value = 0.6 + 0.4 * hours / whole, row.get("value")
    if isinstance(value, dict):
        value = {part: int(count * grown) for part, count in value.items()}
    elif isinstance(value, int):
        value = int(value * grown)
    return {**row, "value": value, "updated_at": text(measured + hours * _HOUR)}
