"""The window ``[start, end)``: what it means, how it is sent, and which rows stand inside it."""

import datetime as dt
import itertools
import zoneinfo
from dataclasses import dataclass, replace
from typing import Self

from analytics_assets.ingest.settings import Settings

_DAY = dt.timedelta(days=1)
_SECOND = dt.timedelta(seconds=1)
_NONE = dt.timedelta()
HOW_IT_IS_ASKED = "window_format, window_end, timezone, window_start_param and window_end_param"
"""The settings that may be wrong where an API takes a window for another one."""


@dataclass(frozen=True)
class Window:
    """A half-open span of time, in UTC: rows with ``start <= cursor < end``.

    Raises ``ValueError`` for naive datetimes and for an end that is not after the start.
    """

    start: dt.datetime
    end: dt.datetime
    around: Self | None = None
    """A wider window that is asked for in the place of this one."""

    def __post_init__(self) -> None:
        if self.start.tzinfo is None or self.end.tzinfo is None:
            msg = f"a window needs time zones, got {self.start} and {self.end}"
            raise ValueError(msg)
        if self.end <= self.start:
            msg = f"a window must end after it starts, got {self.start} and {self.end}"
            raise ValueError(msg)
        object.__setattr__(self, "start", self.start.astimezone(dt.UTC))
        object.__setattr__(self, "end", self.end.astimezone(dt.UTC))

    @classmethod
    def of_day(cls, day: dt.date, zone: dt.tzinfo = dt.UTC) -> Self:
        """Return the window of one day of a time zone, from midnight to midnight."""
        return cls(midnight(day, zone), midnight(day + _DAY, zone))

    def __str__(self) -> str:
        return f"[{_iso(self.start)}, {_iso(self.end)})"

    @property
    def days(self) -> int:
        """Whole days, of 23 or 25 hours where clocks change; what is shorter counts as one."""
        return max(round((self.end - self.start) / _DAY), 1)

    def widened(self, *, before: dt.timedelta = _NONE, after: dt.timedelta = _NONE) -> Self:
        """Return the window that begins so much earlier and ends so much later."""
        return replace(self, start=self.start - before, end=self.end + after)

    def asked(self, settings: Settings) -> Self:
        """Return the smallest window around this one that the format can ask for.

        A format of whole days or seconds cannot say every instant: the start is rounded down and the end up, and the
        rows outside are dropped when they come.
        """
        if self.around:
            return self.around.asked(settings)
        unit = _DAY if settings.window_format == "date" else _SECOND
        end = -_floor_delta(-(self.end - _EPOCH), unit) + _EPOCH
        return replace(self, start=_floor(self.start, unit), end=end)

    def parts(self, settings: Settings, most: int) -> list[Self]:
        """Cut the window that is asked for into up to ``most`` consecutive ones, each of one or several whole days.

        They are days of the settings' time zone, and of UTC where the format names days. Only the first may begin
        within one, and only the last may end so.
        """
        asked = replace(self.asked(settings), around=None)
        zone = dt.UTC if settings.window_format == "date" else zoneinfo.ZoneInfo(settings.timezone)
        first, last = (edge.astimezone(zone).date() for edge in (asked.start, asked.end))
        days = [midnight(first + number * _DAY, zone) for number in range(1, (last - first).days + 1)]
        edges = [asked.start, *(day for day in days if asked.start < day < asked.end), asked.end]
        count = min(most, len(edges) - 1)
        cuts = [edges[number * (len(edges) - 1) // count] for number in range(count + 1)]
        return [replace(asked, start=start, end=end) for start, end in itertools.pairwise(cuts)]

    def params(self, settings: Settings) -> dict[str, str | int]:
        """Return the two query parameters that ask for this window, or for the smallest one around it in the format.

        An inclusive end is the last day, or the end itself: a second before it would leave out 23:59:59.5.
        """
        asked = self.asked(settings)
        start, end = asked.start, asked.end
        if settings.window_end == "inclusive" and settings.window_format == "date":
            end -= _DAY
        return {
            settings.window_start_param: _written(start, settings.window_format),
            settings.window_end_param: _written(end, settings.window_format),
        }


def midnight(day: dt.date, zone: dt.tzinfo) -> dt.datetime:
    """Return the beginning of a day in a time zone."""
    return dt.datetime.combine(day, dt.time(), zone)


_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


def _floor_delta(delta: dt.timedelta, unit: dt.timedelta) -> dt.timedelta:
    return delta // unit * unit


def _floor(moment: dt.datetime, unit: dt.timedelta) -> dt.datetime:
    return _EPOCH + _floor_delta(moment - _EPOCH, unit)


def _iso(moment: dt.datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")


def _written(moment: dt.datetime, window_format: str) -> str | int:
    if window_format == "date":
        return moment.date().isoformat()
    return int(moment.timestamp()) if window_format == "epoch" else _iso(moment)
