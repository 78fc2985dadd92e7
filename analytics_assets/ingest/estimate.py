"""What a backfill will cost, before it starts: one request per endpoint, then arithmetic."""

import math
from dataclasses import dataclass

from analytics_assets.ingest.endpoints import Endpoint
from analytics_assets.ingest.settings import Settings
from analytics_assets.ingest.source import read_only
from analytics_assets.ingest.window import Window


@dataclass(frozen=True)
class Estimate:
    """Rows, requests and minutes that a window of one endpoint takes; ``None`` where the API gives no total."""

    endpoint: str
    rows: int | None
    requests: int | None
    minutes: float | None

    def __str__(self) -> str:
        if self.rows is None:
            return f"{self.endpoint}: the API gives no total, so nothing can be said before it is read"
        return f"{self.endpoint}: {self.rows:,} rows, {self.requests:,} requests, about {self.minutes:.1f} minutes"


def estimate_window(endpoint: Endpoint, settings: Settings, window: Window | None) -> Estimate:
    """Ask for the first page of a window and work out the rest. Raises what reading it would raise.

    The pace is the smaller of ``max_requests_per_second`` and what ``max_concurrent_requests`` reach if each takes as
    long as this one did. A pace that the API enforces by refusals shows only when it is loaded.
    """
    report = read_only(endpoint, settings, window, pages=1).report()
    if report.total is None:
        return Estimate(endpoint.name, None, None, None)
    requests = max(1, math.ceil(report.total / max(report.rows_read, 1)))
    per_second = settings.max_concurrent_requests / max(report.seconds, 1e-3)
    if settings.max_requests_per_second:
        per_second = min(per_second, settings.max_requests_per_second)
    return Estimate(endpoint.name, report.total, requests, requests / per_second / 60)
