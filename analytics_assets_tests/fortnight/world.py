"""What the API has at any moment of the fortnight, and what goes wrong when; all of it follows from the clock."""

import datetime as dt
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

from analytics_assets.sandbox import data
from analytics_assets.sandbox.faults import Fault
from analytics_assets_tests.project import Row

ZONE = ZoneInfo("Europe/Berlin")
FIRST = dt.date(2025, 3, 22)
DAYS = 14
HOUR = dt.timedelta(hours=1)
WITHDRAWN = "taps_forward"
# Of one account, and three a day: each is looked for, and loaded when it is new.
_FOLLOWED = ("_0000_0", "_0000_1", "_0000_2")


def moment(day: int, hour: int = 0) -> dt.datetime:
    """Return a moment by the wall clock: day 1 is the first."""
    return dt.datetime.combine(FIRST + dt.timedelta(days=day - 1), dt.time(hour), ZONE)


@dataclass(frozen=True)
class Span:
    """A time in which something is the case."""

    start: dt.datetime
    end: dt.datetime

    def has(self, at: dt.datetime) -> bool:
        """Say whether a moment is in it; its end is not."""
        return self.start.astimezone(dt.UTC) <= at < self.end.astimezone(dt.UTC)


DOWN = Span(moment(3, 22), moment(4, 6))
FORBIDDEN = Span(moment(6), moment(7))
ASLEEP = Span(moment(10, 20), moment(11, 6))
"""Of the machine that everything runs on; the clocks change in the night before it, on day 9."""
METRIC_ENDS = moment(12)


def gone_at(story: Row) -> dt.datetime:
    """Return when a story is gone: after a day, but one in four is taken down after three hours."""
    posted = dt.datetime.fromisoformat(story["timestamp"])
    return posted + (24 if zlib.crc32(story["id"].encode()) % 4 else 3) * HOUR


class World(dict[str, Any]):
    """The rows that the sandbox serves, as of now: stories come and go, numbers grow, a metric is withdrawn."""

    def get(self, endpoint: str, default: object = None) -> Any:  # noqa: ANN401, ARG002 - the signature is a dict's
        """Return the rows of an endpoint."""
        return rows_of(endpoint, dt.datetime.now(dt.UTC))


def rows_of(endpoint: str, now: dt.datetime) -> Sequence[Row]:
    """Return all that an endpoint has at a moment; of the stories those that are followed here."""
    rows = data.rows(endpoint, moment(1), now=now, first_day=FIRST - dt.timedelta(days=1))
    match endpoint:
        case "stories":
            return [row for row in rows if row["id"].endswith(_FOLLOWED) and now < gone_at(row)]
        case "story_insights":
            return [row for row in rows if row["story_id"].endswith(_FOLLOWED) and not _is_withdrawn(row)]
        case _:
            return rows


def stories_until(end: dt.datetime) -> Iterator[Row]:
    """Yield every story that there ever was."""
    for row in data.rows("stories", moment(1), end, now=end, first_day=FIRST - dt.timedelta(days=1)):
        if row["id"].endswith(_FOLLOWED):
            yield row


def faults_at(now: dt.datetime) -> list[Fault]:
    """Return how the API misbehaves at a moment."""
    if DOWN.has(now):
        return [Fault("status", status=503)]
    return [Fault("status", status=403, endpoint="user_insights")] if FORBIDDEN.has(now) else []


def _is_withdrawn(row: Row) -> bool:
    return row["metric"] == WITHDRAWN and dt.datetime.fromisoformat(row["timestamp"]) >= METRIC_ENDS
