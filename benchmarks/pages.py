"""What the server sends: page bodies made once from the sandbox's rows, into which each page's own ids are filled.

Sixteen pages of an endpoint are made up; page 17 has the content of page 1 and other ids. So a million rows cost the
memory of 1,600, and rendering a page is one replacement in bytes.
"""

import datetime as dt
import functools
import itertools

import orjson

from analytics_assets.ingest.endpoint import Endpoint
from analytics_assets.ingest.endpoints import ENDPOINTS
from analytics_assets.sandbox.days import day_rows
from benchmarks.shapes import DECLARED, SHAPES, Shape

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

    def __init__(self, endpoint: Endpoint, shape: Shape) -> None:
        found = itertools.islice(itertools.cycle(day_rows(endpoint.name, DAY, scale=_SCALE)), _TEMPLATES * PAGE_SIZE)
        rows = [
            orjson.dumps(
                shape.row(endpoint, at, row | {"id": f"{endpoint.name}_{_PLACE.decode()}{at % PAGE_SIZE:02d}"})
            )
            for at, row in enumerate(found)
        ]
        self._shape = shape
        self._answer = shape.answer.encode()
        self._rows = [rows[first : first + PAGE_SIZE] for first in range(0, len(rows), PAGE_SIZE)]
        self._whole = [b",".join(page) for page in self._rows]

    def body(self, page: int, total: int) -> bytes:
        """Return the body of a page, counted from 0, of an endpoint that has ``total`` rows."""
        count = min(PAGE_SIZE, max(0, total - page * PAGE_SIZE))
        template = page % _TEMPLATES
        if self._shape.once and page == total // 2 // PAGE_SIZE:
            made = self._rows[template][:count]
            middle = total // 2 % PAGE_SIZE
            made[middle] = orjson.dumps(self._shape.rare(orjson.loads(made[middle])))
            rows = b",".join(made)
        else:
            rows = self._whole[template] if count == PAGE_SIZE else b",".join(self._rows[template][:count])
        return self._answer % (rows.replace(_PLACE, b"%06d" % page), total)


@functools.cache
def all_pages(shape: str = DECLARED) -> dict[str, Pages]:
    """Return the pages of every endpoint, by its path."""
    return {endpoint.path: Pages(endpoint, SHAPES[shape]) for endpoint in ENDPOINTS}
