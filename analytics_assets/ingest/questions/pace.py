"""How fast the API answered, and how many requests it says that it takes."""

import re
from collections.abc import Mapping

from analytics_assets.ingest.api.adapter import WireCounts
from analytics_assets.ingest.api.pace import rounded_down

# https://datatracker.ietf.org/doc/draft-ietf-httpapi-ratelimit-headers/: `"burst";q=100;w=60` in its newer versions,
# `100, 100;w=60` in the older ones. Nowhere else a number of requests comes with the seconds in which they may be made.
_POLICIES = ("RateLimit-Policy", "RateLimit-Limit", "X-RateLimit-Policy", "X-RateLimit-Limit")
_OF_PACE = re.compile(r"retry-after|(x-)?rate-?limit(-(limit|remaining|reset))?", re.IGNORECASE)
_SHOWN = 40
_DIGITS = 9


def pace_of(counts: WireCounts, max_requests_per_second: float) -> str:
    """Say how many requests were made, how long each took, and what the API's headers say of its limit."""
    count = f"{counts.requests} requests, one by one" if counts.requests > 1 else "1 request"
    said = [f"{count}, {1000 * counts.seconds / max(counts.requests, 1):,.0f} ms each"]
    if counts.retries:
        said.append(f"{counts.retries} of them made again after a 429")
    limit = _limit(counts.headers)
    if limit:
        requests, seconds = limit
        pace = rounded_down(requests / seconds)
        is_kept = 0 < max_requests_per_second <= requests / seconds
        said.append(
            f"it allows {requests:,} in {seconds:,} s"
            + ("" if is_kept else f": set max_requests_per_second = {pace:g}")
        )
    else:
        said += [
            f"it says {name}: {_plain(value)}" for name, value in counts.headers.items() if _OF_PACE.fullmatch(name)
        ]
    return ", ".join(said)


def _limit(headers: Mapping[str, str]) -> tuple[int, int] | None:
    """Return the slowest of the limits that are stated: requests, and the seconds in which they may be made."""
    limits = [limit for name in _POLICIES for item in headers.get(name, "").split(",") if (limit := _policy(item))]
    return min(limits, key=lambda limit: limit[0] / limit[1], default=None)


def _policy(item: str) -> tuple[int, int] | None:
    name, *parameters = item.split(";")
    given = {key.strip(): value.strip() for key, _, value in (one.partition("=") for one in parameters)}
    texts = (given.get("q", name.strip()), given.get("w", ""))
    if "qu" in given or not all(text.isascii() and text.isdecimal() and len(text) <= _DIGITS for text in texts):
        # of something else than requests
        return None
    requests, seconds = map(int, texts)
    return (requests, seconds) if requests and seconds else None


def _plain(value: str) -> str:
    return "".join(character if character.isprintable() else "\ufffd" for character in value[:_SHOWN])
