"""What the server sends: page bodies made once from the sandbox's rows, into which each page's own ids are filled.

Sixteen pages of an endpoint are made up; page 17 has the content of page 1 and other ids. So a million rows cost the
memory of 1,600, and rendering a page is one replacement in bytes.
"""

import datetime as dt
import itertools

import orjson

from analytics_assets.ingest.endpoints import ENDPOINTS
from analytics_assets.sandbox.days import day_rows

DAY = dt.date(2025, 1, 3)
PAGE_SIZE = 100

_TEMPLATES = 16
# so many accounts have enough rows on one day for the templates
_SCALE = 100
_PLACE = b"@@@@@@"


def pages_needed(rows: int) -> int:
    """Return how many pages hold so many rows; an empty endpoint is one request too."""
    return max(1, -(-rows // PAGE_SIZE))


class Pages:
    """The pages of one endpoint. Ids are distinct up to 100 million rows, and every cursor is on ``DAY``."""

    def __init__(self, name: str) -> None:
        found = itertools.islice(itertools.cycle(day_rows(name, DAY, scale=_SCALE)), _TEMPLATES * PAGE_SIZE)
        rows = [
            orjson.dumps(row | {"id": f"{name}_{_PLACE.decode()}{position % PAGE_SIZE:02d}"})
            for position, row in enumerate(found)
        ]
        self._rows = [rows[first : first + PAGE_SIZE] for first in range(0, len(rows), PAGE_SIZE)]
        self._whole = [b",".join(page) for page in self._rows]

    def body(self, page: int, total: int) -> bytes:
        """Return the body of a page, counted from 0, of an endpoint that has ``total`` rows."""
        count = min(PAGE_SIZE, max(0, total - page * PAGE_SIZE))
        template = page % _TEMPLATES
        rows = self._whole[template] if count == PAGE_SIZE else b",".join(self._rows[template][:count])
        return b'{"data":[%b],"total":%d}' % (rows.replace(_PLACE, b"%06d" % page), total)


def all_pages() -> dict[str, Pages]:
    """Return the pages of every endpoint, by its path."""
    return {endpoint.path: Pages(endpoint.name) for endpoint in ENDPOINTS}
