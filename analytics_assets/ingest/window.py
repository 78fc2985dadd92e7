"""The window ``[start, end)``: what it means, how it is sent, and which rows stand inside it."""

import datetime as dt
from dataclasses import dataclass
from typing import Self

from analytics_assets.ingest.settings import Settings

_DAY = dt.timedelta(days=1)
_SECOND = dt.timedelta(seconds=1)


@dataclass(frozen=True)
class Window:
    """A half-open span of time, in UTC: rows with ``start <= cursor < end``.

    Raises ``ValueError`` for naive datetimes and for an end that is not after the start.
    """

    start: dt.datetime
    end: dt.datetime

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
    def of_day(cls, day: dt.date) -> Self:
        """Return the window of one UTC day."""
        start = dt.datetime.combine(day, dt.time(), dt.UTC)
        return cls(start, start + _DAY)

    def __str__(self) -> str:
        return f"[{_iso(self.start)}, {_iso(self.end)})"

    def params(self, settings: Settings) -> dict[str, str | int]:
        """Return the two query parameters that ask for this window, or for the smallest one around it in the format.

        A format of whole days or seconds cannot say every instant: the start is rounded down and the end up, and the
        rows outside are dropped when they come. An inclusive end is the last day, or the end itself: a second before
        it would leave out 23:59:59.5.
        """
        unit = _DAY if settings.window_format == "date" else _SECOND
        start = _floor(self.start, unit)
        end = -_floor_delta(-(self.end - _EPOCH), unit) + _EPOCH
        if settings.window_end == "inclusive" and settings.window_format == "date":
            end -= unit
        return {
            settings.window_start_param: _written(start, settings.window_format),
            settings.window_end_param: _written(end, settings.window_format),
        }


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
