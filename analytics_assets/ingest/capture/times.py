"""Moments in a capture: each keeps its day, in its own time zone, in UTC and in the partitions', and how it is written.

The window, and the rows that stand outside of it, are told by days. A full hour stays as well, for daily and hourly
figures are given for one. What is more than a year away from the recorded day is no part of the window, but may be
somebody's birthday: it gets another day.
"""

import datetime as dt
import re
import zoneinfo
from collections.abc import Callable

from analytics_assets.ingest.capture.made_up import MadeUp, Number
from analytics_assets.ingest.table.values import RejectedError, moment

_TEXT = re.compile(
    r"(?P<date>\d{4}-\d\d-\d\d)(?P<between>[T ](?=\d)|)"
    r"(?:(?P<hour>\d\d):(?P<minute>\d\d)(?P<second>:\d\d)?(?P<fraction>[.,]\d+)?)?(?P<zone> ?(?:[Zz]|[+-]\d\d:?\d\d)?)",
    re.ASCII,
)
_EPOCH_TEXT = re.compile(r"[0-9]{9,13}", re.ASCII)
_FAR = dt.timedelta(days=366)
_MOVED_DAYS = 180
_HOUR, _DAY = 3600, 86_400
_MILLISECONDS_FROM = 10**11
# 1990 to 2099
_FIRST, _LAST = 631_152_000, 4_102_444_800
_TRIES = 200


class Times:
    """Makes up moments around the recorded day."""

    def __init__(self, made_up: MadeUp, day: dt.date, zone: zoneinfo.ZoneInfo) -> None:
        self._made_up = made_up
        self._noon = dt.datetime.combine(day, dt.time(12), dt.UTC)
        self._zone = zone

    def is_text(self, text: str) -> bool:
        """Say whether a text is a moment in ISO 8601, or looks like one."""
        return _TEXT.fullmatch(text) is not None

    def is_epoch(self, number: float) -> bool:
        """Say whether a number may be a moment, in seconds or milliseconds."""
        return _FIRST <= (number / 1000 if abs(number) >= _MILLISECONDS_FROM else number) < _LAST

    def text(self, text: str) -> str:
        """Return another moment of the day, written alike; what is no moment, such as a 13th month, stays."""
        if _EPOCH_TEXT.fullmatch(text):
            return str(self.epoch(int(text)))
        found = _TEXT.fullmatch(text)
        when = _moment(text)
        if found is None or when is None:
            return text
        moved = self._made_up.choose(-_MOVED_DAYS, _MOVED_DAYS) if self._is_far(when) else 0
        date = (dt.date.fromisoformat(found["date"]) + dt.timedelta(days=moved)).isoformat()
        if found["hour"] is None or not (set((found["second"] or "") + found["minute"]) - {"0", ":"}):
            return self._made_up.drawn(text, lambda: date + text[len(date) :]) if moved else text
        return self._made_up.drawn(text, lambda: self._time(found, date), self._same_days(text, is_far=moved != 0))

    def epoch(self, number: Number) -> Number:
        """Return another moment of the day as a number of the same type."""
        unit = 1000 if abs(number) >= _MILLISECONDS_FROM else 1
        if not number % (_HOUR * unit) and not self._is_far(_moment(number)):
            return number
        made = self._made_up.drawn(
            repr(number),
            lambda: self._epoch(number, unit),
            self._same_days(number, is_far=self._is_far(_moment(number))),
        )
        return type(number)(made)

    def _epoch(self, number: Number, unit: int) -> str:
        days = self._made_up.choose(-_MOVED_DAYS, _MOVED_DAYS) if self._is_far(_moment(number)) else 0
        fraction = number % unit if unit > 1 or isinstance(number, float) else 0
        start = number - number % (_DAY * unit) + days * _DAY * unit
        made = start + self._made_up.choose(1, _DAY - 1) * unit + fraction
        return repr(type(number)(made))

    def _time(self, found: re.Match[str], date: str) -> str:
        hour, minute, second = (self._made_up.choose(0, most) for most in (23, 59, 59))
        time = f"{found['between']}{hour:02d}:{minute:02d}" + (f":{second:02d}" if found["second"] else "")
        return date + time + self._made_up.digits(found["fraction"] or "") + found["zone"]

    def _is_far(self, when: dt.datetime | None) -> bool:
        return when is not None and abs(when - self._noon) > _FAR

    def _same_days(self, value: object, *, is_far: bool) -> Callable[[str], bool]:
        days = self._days(_moment(value))

        def fits(made: str) -> bool:
            when = _moment(type(value)(made) if isinstance(value, int | float) else made)
            return when is not None and (is_far or self._days(when) == days)

        return fits

    def _days(self, when: dt.datetime | None) -> tuple[dt.date, ...]:
        return (when.date(), when.astimezone(self._zone).date()) if when else ()


def _moment(value: object) -> dt.datetime | None:
    try:
        return moment(value)
    except RejectedError:
        return None
