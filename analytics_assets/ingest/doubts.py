"""When an answer makes it doubtful that the API understood the question, a second question is asked.

This costs nothing if a window has rows and all of them were asked for, and one request if it is empty.
"""

import datetime as dt
import logging
from dataclasses import replace

from analytics_assets.ingest.errors import ApiError, WindowMovedError
from analytics_assets.ingest.report import Reading
from analytics_assets.ingest.source import read_only
from analytics_assets.ingest.window import HOW_IT_IS_ASKED, Window

_DAY = dt.timedelta(days=1)
_INSTANT = dt.timedelta(microseconds=1)


def look_again(reading: Reading, log: logging.Logger) -> None:
    """Ask again where nothing came, where rows came that nobody had asked for, and where an end may mean midnight.

    Raises ``WindowMovedError`` when the answers contradict each other, and ``ApiError`` (setting) when they do so again
    after the window was read anew.
    """
    said = _empty(reading, log) or _unasked(reading, log) or _midnight(reading, log)
    if not said:
        return
    what = f"incomplete: {said}"
    if reading.pages.is_first_reading:
        raise WindowMovedError(what)
    advice = f"The API understands the window differently from what the settings say: check {HOW_IT_IS_ASKED}"
    raise ApiError("setting", f"setting: {what}, each time it was read. {advice}")


def _empty(reading: Reading, log: logging.Logger) -> str | None:
    """Ask for an empty window again, because a server that is failing may give an empty answer too."""
    if reading.pages.walk.rows_read:
        return None
    window = reading.window
    if window and _ends_with_a_day(reading):
        window = replace(window, around=window.widened(after=_DAY))
    again = _read(reading, window, log, pages=1)
    came = again.rows.kept.kept if window and window.around else again.pages.walk.rows_read
    what = (
        f"the window came empty, and when it was asked for again {came} rows came (asked {dict(again.asked) or 'all'})"
    )
    return what if came else None


def _unasked(reading: Reading, log: logging.Logger) -> str | None:
    """Read the window with one more day on each side; if no row was missing, as many rows are inside."""
    window, kept = reading.window, reading.rows.kept
    if window is None or not kept.strays.count:
        return None
    log.warning("%s: %s: asking with one more day on each side", reading.endpoint.name, kept.strays)
    again = _read(reading, replace(window, around=window.widened(before=_DAY, after=_DAY)), log)
    here, there = (one.kept - one.without_cursor for one in (kept, again.rows.kept))
    if here == there:
        return None
    asked_again = "when it was asked for with one more day on each side"
    return f"{here} rows of {window} came, and {there} {asked_again} ({kept.strays})"


def _midnight(reading: Reading, log: logging.Logger) -> str | None:
    """Look whether the last day is there, where it is named as the end: some APIs take it for its first instant.

    An empty window was asked for with a day more already.
    """
    window, kept = reading.window, reading.rows.kept
    if window is None or not reading.pages.walk.rows_read or not _ends_with_a_day(reading):
        return None
    last_day = window.asked(reading.settings).end - _DAY
    if kept.latest and kept.latest > last_day:
        return None
    rest = Window(last_day + _INSTANT, window.end, around=Window(last_day, last_day + 2 * _DAY))
    again = _read(reading, rest, log, pages=1)
    came = again.rows.kept.kept - again.rows.kept.without_cursor
    return f"no row of the window's last day came, and {came} when it was asked for with one more day" if came else None


def _ends_with_a_day(reading: Reading) -> bool:
    return reading.settings.window_format == "date" and reading.settings.window_end == "inclusive"


def _read(reading: Reading, window: Window | None, log: logging.Logger, pages: int | None = None) -> Reading:
    """Ask the second question; rows that cannot be loaded do not matter here."""
    changed = {"rejected_rows": "set_aside", "page_size": reading.pages.portion.page_size or reading.settings.page_size}
    settings = reading.settings.model_copy(update=changed)
    again = read_only(reading.endpoint, settings, window, pages=pages, log=log)
    reading.counts.include(again.counts)
    return again
