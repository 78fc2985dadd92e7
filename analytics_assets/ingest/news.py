"""Whether an endpoint has rows that were not there before: one request."""

import datetime as dt
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from analytics_assets.ingest.endpoint import Endpoint
from analytics_assets.ingest.fields import values_at
from analytics_assets.ingest.questions.asker import Asker, Page, known_by
from analytics_assets.ingest.settings import Settings
from analytics_assets.ingest.table.unnest import unnested
from analytics_assets.ingest.table.values import typed_column
from analytics_assets.ingest.window import Window

_SECOND = dt.timedelta(seconds=1)
# The daemon gives a tick a minute.
_PATIENCE = {"connect_timeout": 5.0, "read_timeout": 10.0, "response_timeout": 20.0}


@dataclass(frozen=True)
class Known:
    """What is known of the newest rows: their moment, digests of the ids that have it, and the total from there on."""

    newest: dt.datetime
    ids: tuple[str, ...] = ()
    total: int | None = None

    def noted(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return {"newest": self.newest.isoformat(), "ids": list(self.ids), "total": self.total}

    @classmethod
    def read(cls, noted: Mapping[str, Any]) -> "Known":
        """Return what was noted; raises ``KeyError``, ``TypeError`` or ``ValueError`` where it was not."""
        return cls(dt.datetime.fromisoformat(noted["newest"]), tuple(map(str, noted["ids"])), noted["total"])


@dataclass(frozen=True)
class News:
    """What one look has found: whether there is something new, what is known now, and when the first of it expires."""

    is_new: bool
    known: Known
    expires: dt.datetime | None


def look(endpoint: Endpoint, settings: Settings, known: Known, now: dt.datetime) -> News:
    """Ask for what is newer than what is known, with one request; raises what reading a page raises.

    Where there are more rows than a page has, their number tells; where the API does not say it, a full page is news.
    """
    hasty = settings.model_copy(update={name: min(getattr(settings, name), most) for name, most in _PATIENCE.items()})
    page = Asker(endpoint, hasty, most_again=0).page(Window(known.newest, now + _SECOND))
    came = {one: at for one, at in page.moments.items() if at >= known.newest}
    fresh = {one for one, at in came.items() if at > known.newest or _digest(one) not in known.ids}
    is_full = len(page.rows) >= page.limit
    is_more = is_full and (page.total is None or page.total != known.total)
    newest = max(came.values(), default=known.newest)
    ids = tuple(sorted(_digest(one) for one, at in came.items() if at == newest)) or known.ids
    then = Known(newest, ids, page.total)
    return News(bool(fresh) or is_more, then, _nearest(endpoint, page, fresh, now))


def _digest(one: str) -> str:
    """Return what stands for an id: where it is noted, ids may be nobody's business."""
    return hashlib.sha256(one.encode()).hexdigest()[:16]


def _nearest(endpoint: Endpoint, page: Page, fresh: set[str], now: dt.datetime) -> dt.datetime | None:
    """Return when the first of the new rows expires that has not done so."""
    if endpoint.expires_by is None:
        return None
    found = unnested(page.rows, endpoint.unnest)[0] if endpoint.unnest else page.rows
    key = tuple(endpoint.column(name).field for name in endpoint.merge_key)
    rows = [row for row in found if isinstance(row, dict) and fresh.intersection(known_by([row], key))]
    column, _ = typed_column(values_at(endpoint.column(endpoint.expires_by).field, rows), "timestamp")
    return min((at for at in column.to_pylist() if at and at > now), default=None)
