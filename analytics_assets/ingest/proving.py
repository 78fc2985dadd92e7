"""A window is read until it is proven whole: anew where rows moved meanwhile, and in smaller pages where the API asks.

What belongs here: when it is read anew. What proves it stands in ``api/walk.py`` and its like, and in ``doubts.py``.
"""

import logging
from collections.abc import Callable

from analytics_assets.ingest.doubts import look_again
from analytics_assets.ingest.errors import TooMuchError, WindowMovedError, causes
from analytics_assets.ingest.report import Reading

MAX_REREADS = 3


def read_proven(
    reading: Reading, log: logging.Logger, read: Callable[[], object], drop: Callable[[], object] = lambda: None
) -> None:
    """Read, and ask again where what came gives reason to; where it is no whole, drop what was read and begin anew.

    It begins anew ``MAX_REREADS`` times where rows moved, and beside that each time that pages are made smaller. Raises
    what ``read`` raises, ``WindowMovedError`` among it, and ``TooMuchError`` where pages cannot be smaller.
    """
    rereads = 0
    while True:
        try:
            read()
            look_again(reading, log)
        except Exception as failed:
            again = next((one for one in causes(failed) if isinstance(one, WindowMovedError | TooMuchError)), None)
            if again is None or (isinstance(again, WindowMovedError) and rereads == MAX_REREADS):
                raise
        else:
            return
        # outside of the `except`: what may be raised here has all that is to be said of what came before
        if isinstance(again, TooMuchError):
            _ask_for_less(reading, again, log)
        else:
            rereads += 1
            what = f"reading the window again, {rereads} of {MAX_REREADS}"
            log.warning("%s: %s: %s", reading.endpoint.name, what, again)
        drop()


def _ask_for_less(reading: Reading, refused: TooMuchError, log: logging.Logger) -> None:
    """Make pages smaller; raises ``TooMuchError`` where they cannot be, in words that say what to do."""
    portion, window = reading.pages.portion, reading.window
    before = portion.page_size
    if portion.halve_pages():
        less = f"pages of {portion.page_size} rows instead of {before}"
        log.warning("%s: the API asks for less data: %s: %s", reading.endpoint.name, less, refused.came)
        return
    of_the_page = "in pages of a size of its own" if before is None else f"{before} a page"
    what = f"{refused.came}. That was asked for {window or 'all history'}, {of_the_page}, and pages cannot be smaller"
    fields = "ask for fewer fields (extra_params)"
    if window is None:
        advice = f"All history is not cut into windows: load ranges of days (sync_mode incremental), or {fields}."
    elif window.days > 1:
        advice = f"Load fewer days at once (max_window_days), or {fields}."
    else:
        advice = f"A day is not cut further: {fields}."
    raise TooMuchError(refused.problem.kind, what, advice)
