"""Whether the API takes a window as it is meant: asked for a day, its rows come, all of them, and no others."""

import datetime as dt
import zoneinfo
from collections import Counter
from collections.abc import Mapping

from analytics_assets.ingest.errors import ApiError, Kind, RefusedError, causes, explain
from analytics_assets.ingest.questions.asker import Asker, Page, Seen
from analytics_assets.ingest.settings import Settings
from analytics_assets.ingest.window import HOW_IT_IS_ASKED, Window

Dated = Mapping[str, dt.datetime]
_DAY = dt.timedelta(days=1)
# No two time zones are further apart than their days overlap; what comes from further away is no matter of them.
_FURTHEST = dt.timedelta(hours=14)
# asked for at most behind the first one, when rows of the day came otherwise than with it
_MORE_PAGES = 2
# what APIs answer to parameters that they do not know, or cannot read
_MAY_BE_THE_WINDOW: tuple[Kind, ...] = ("request refused", "key refused", "API failing")
# behind that, search engines refuse to look
_DEEPEST = 10_000
_OTHER_ZONE = "its days seem to be those of another time zone. Check timezone, window_format and window_end"


def honours_window(seen: Seen) -> str | None:
    """Ask for a day of which rows have come, for the days beside it, and for all three in one.

    What the day is compared with is asked for before it, so that a row which arrives meanwhile is not missed. Days that
    have not begun are not asked for, since some APIs refuse them.
    """
    asker, settings = seen.asker, seen.asker.settings
    zone = zoneinfo.ZoneInfo(settings.timezone)
    date = _day_of_most_rows(seen.page, zone)
    if date is None:
        return None
    before, day, after = (Window.of_day(date + days * _DAY, zone) for days in (-1, 0, 1))
    beside = [before] if after.start > dt.datetime.now(dt.UTC) else [before, after]
    around = Window(before.start, max(day.end, beside[-1].end))
    wide = [_page(asker, around)] if settings.max_window_days > len(beside) else []
    seen.days = [_page(asker, window) for window in (day, *beside)]
    pages = [*seen.days, *wide]
    known = {one: at for page in (seen.page, *pages) for one, at in page.inside(day).items()}
    seen.notes.append(f"those of {date} came as asked")
    return (
        _strays([*pages, *_tail(seen, day)], known, settings) or _missing(seen, day, known) or _too_few(seen.days, wide)
    )


def _page(asker: Asker, window: Window) -> Page:
    """Ask for a window; where the API refuses it, or fails, say that it has answered what had none."""
    try:
        return asker.page(window)
    except Exception as error:
        problem = explain(error)
        is_busy = any(isinstance(cause, RefusedError) for cause in causes(error))
        if problem is None or problem.kind not in _MAY_BE_THE_WINDOW or is_busy:
            raise
        raise ApiError(problem.kind, f"{problem.message} Rows came without a window: check {HOW_IT_IS_ASKED}") from None


def _day_of_most_rows(page: Page, zone: zoneinfo.ZoneInfo) -> dt.date | None:
    """Return the day of which the page has most rows, an earlier one than today if it has one."""
    rows = Counter(moment.astimezone(zone).date() for moment in page.moments.values())
    today = dt.datetime.now(zone).date()
    return max(rows, key=lambda day: (day < today, rows[day]), default=None)


def _tail(seen: Seen, day: Window) -> list[Page]:
    """Return the last row of the day, where its total says that the first page has not got it."""
    total = seen.days[0].total or 0
    if not seen.asker.skips or not len(seen.days[0].rows) < total <= _DEEPEST:
        return []
    seen.tail = seen.asker.page(day, limit=1, offset=total - 1)
    return [seen.tail]


def _strays(pages: list[Page], known: Dated, settings: Settings) -> str | None:
    """Say which rows came that were not asked for, and which setting is probably wrong."""
    odd = next((page for page in pages if page.strays.count), None)
    if odd is None:
        return None
    advice = _end_is_inclusive(pages, known, settings) or _ignored(pages, settings) or _OTHER_ZONE
    return f"asked for {dict(odd.asked)}, the API returned {odd.strays}: {advice}"


def _end_is_inclusive(pages: list[Page], known: Dated, settings: Settings) -> str | None:
    """Advise where all that came too much is what an API returns that takes the end for inclusive."""
    if settings.window_end == "inclusive" or any(page.strays.before for page in pages):
        return None
    by_day, day = settings.window_format == "date", pages[0]
    for page in (page for page in pages if page.strays.count):
        end, first, last = _asked(page, settings).end, page.strays.earliest, page.strays.latest
        if first is None or last is None or (last >= end + _DAY if by_day else not first == last == end):
            return None
    came = _inside(day)
    if by_day and came and len(day.rows) < day.limit and min(known.values()) < min(came.values()):
        # what came too much is missing at the beginning
        return None
    until = f"{settings.window_end_param!r} (window_end_param)"
    also = f"; if that does not mend it, {until} is not honoured" if by_day else ""
    return f'the API returns rows at the end too. Set window_end = "inclusive"{also}'


def _ignored(pages: list[Page], settings: Settings) -> str | None:
    """Advise where one of the two parameters, or both, keep nothing away."""
    early = late = False
    for page in pages:
        asked, strays = _asked(page, settings), page.strays
        # A row of the day that also comes for the day before it was not kept away by the end, and one that comes for
        # the day behind it was not by the start.
        is_twice = _is_beside(page, pages[0]) and bool(_inside(pages[0]).keys() & page.moments.keys())
        if strays.earliest and strays.before:
            early |= is_twice or asked.start - strays.earliest > _FURTHEST
        if strays.latest and strays.after:
            late |= is_twice or strays.latest - asked.end > _FURTHEST
    start, end = (
        f"{settings.window_start_param!r} (window_start_param)",
        f"{settings.window_end_param!r} (window_end_param)",
    )
    named = [name for name, is_ignored in ((start, early), (end, late)) if is_ignored]
    return f"the API does not honour {' and '.join(named)}. Check the name, and window_format" if named else None


def _missing(seen: Seen, day: Window, known: Dated) -> str | None:
    """Say which rows of the day do not come when it is asked for, though they came otherwise."""
    page, *_ = seen.days
    came, read = page.inside(day), len(page.rows)
    for _ in range(1 + _MORE_PAGES):
        missing = {one: at for one, at in known.items() if one not in came}
        if not missing:
            return None
        more = seen.asker.page(day, offset=read) if page.rows and seen.asker.skips else None
        if more is None or not more.inside(day).keys() - came.keys():
            what = f"asked for {dict(page.asked)}, the API did not return {len(missing)} rows of that day"
            first = f"{min(missing.values()):%Y-%m-%dT%H:%M:%SZ}"
            why = _why_missing(_asked(page, seen.asker.settings).start, came, missing, seen.asker.settings)
            return f"{what} that came otherwise, the first of {first}: {why}"
        came, read = came | more.inside(day), read + len(more.rows)
    # the day has more pages than are asked for here
    return None


def _why_missing(start: dt.datetime, came: Dated, missing: Dated, settings: Settings) -> str:
    """Advise by where in the day that begins at ``start`` rows are missing."""
    first, last = min(missing.values()), max(missing.values())
    is_named_by_day = settings.window_format == "date" and settings.window_end == "inclusive"
    if is_named_by_day and all(at == start for at in came.values()):
        return 'the API may take the end for its first instant. Set window_end = "exclusive"'
    if first == last == start:
        name = f"{settings.window_start_param!r} (window_start_param)"
        return f"the API leaves out rows at the start itself. Check {name}, such as [_gt] where [_gte] is meant"
    if came and (last < min(came.values()) or first > max(came.values())):
        return _OTHER_ZONE
    return f"check {HOW_IT_IS_ASKED}"


def _too_few(days: list[Page], wide: list[Page]) -> str | None:
    """Say that the days, asked for one by one, have fewer rows than all of them together."""
    totals = [page.total for page in (*days, *wide) if page.total is not None]
    if not wide or len(totals) < len(days) + 1 or sum(totals[:-1]) >= totals[-1]:
        return None
    of_days = f"a total of {totals[-1]:,}, and of {sum(totals[:-1]):,} day by day"
    return f"asked for {dict(wide[0].asked)}, the API says {of_days}: check {HOW_IT_IS_ASKED}"


def _is_beside(page: Page, day: Page) -> bool:
    """Whether a window was asked for that has nothing in common with that of the day."""
    if page.window is None or day.window is None:
        return False
    return page.window.end <= day.window.start or day.window.end <= page.window.start


def _inside(page: Page) -> Dated:
    return page.inside(page.window) if page.window else {}


def _asked(page: Page, settings: Settings) -> Window:
    """Return the window as it could be asked for."""
    if page.window is None:
        raise AssertionError(page)
    return page.window.asked(settings)
