"""What ``Retry-After`` asks, in seconds: a number of them, or an HTTP date."""

import re
import time
from email.utils import mktime_tz, parsedate_tz

import requests

_NUMBER = re.compile(r"\s*[0-9]+\s*", re.ASCII)


def retry_after(response: requests.Response) -> float:
    """Return the seconds that the API asks to wait; 0 where it asks nothing, or nothing that can be understood.

    A date is compared with the answer's own ``Date``, for our clock may be wrong.
    """
    text = response.headers.get("Retry-After", "")
    if _NUMBER.fullmatch(text):
        # a number too long for a whole one is an endless wait
        return float(text)
    then = _moment(text)
    if then is None:
        return 0.0
    now = _moment(response.headers.get("Date", ""))
    return max(then - (time.time() if now is None else now), 0.0)


def _moment(text: str) -> float | None:
    """Return an HTTP date as seconds of the epoch; ``None`` where it is none, or lies beyond the calendar."""
    try:
        parsed = parsedate_tz(text)
        return None if parsed is None else float(mktime_tz(parsed))
    except (ValueError, OverflowError):
        return None
