"""Loads a window and has it judged, without Dagster."""

import datetime as dt
import logging
from typing import Any

from analytics_assets.checks.results import Judged, judged
from analytics_assets.checks.seen import Part, Seen
from analytics_assets.ingest.configured import load_settings
from analytics_assets.ingest.opening import open_pipeline, open_warehouse
from analytics_assets.ingest.source import build_source
from analytics_assets.ingest.warehouse.quality import Inquiry, look
from analytics_assets.ingest.window import Window
from analytics_assets_tests.project import endpoint_of, settings_of

LOG = logging.getLogger("analytics_assets")
FIRST = dt.date(2025, 3, 1)


def day(number: int, first: dt.date = FIRST) -> dt.date:
    """Return the day that comes so many days after the first."""
    return first + dt.timedelta(days=number)


class Look:
    """A window that was loaded, to be judged as often as one likes."""

    def __init__(self, name: str, first: dt.date | None = FIRST, days: int = 1) -> None:
        """Load ``days`` days from the first, or all history."""
        self.endpoint, self.settings = endpoint_of(name), settings_of(name)
        window = first and Window(Window.of_day(first).start, Window.of_day(day(days - 1, first)).end)
        source, reading = build_source(self.endpoint, self.settings, window)
        with open_pipeline(reading) as pipeline:
            pipeline.run(source)
            self.report = pipeline.report
        self._reading, self._naming = reading, source.schema.naming
        self._days = frozenset(str(day(number, first)) for number in range(days)) if first else frozenset()

    def seen(self) -> Seen:
        """Look into the warehouse as it is now."""
        inquiry = Inquiry.of(self._reading, self.report, self._naming)
        with open_warehouse() as warehouse:
            found = look(warehouse, inquiry, LOG)
        return Seen(self.endpoint, load_settings(), (Part(self.report, found, self._days),))

    def check(self, name: str, of: dt.date | None = None) -> Judged:
        """Return what a check says of the window, or of one of its days."""
        seen = self.seen()
        return next(one for one in judged(seen.of(of) if of else seen, LOG) if one.check.name == name)


def insights(first: dt.date, days: int, metrics: tuple[str, ...] = ("likes", "reach"), **fields: Any) -> list[Any]:  # noqa: ANN401 - fields of a row
    """Return a row of media_insights for each day and metric."""
    return [
        {"id": f"{metric}{day(number, first)}", "metric": metric, "value": 5, **_moments(day(number, first)), **fields}
        for number in range(days)
        for metric in metrics
    ]


def _moments(of: dt.date) -> dict[str, str]:
    return {"timestamp": f"{of}T12:00:00Z", "updated_at": f"{of}T13:00:00Z"}
