"""Each metric in a line: its last day, its last weeks, and whether that was more than in the weeks before."""

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass

from analytics_assets.ingest.upkeep_settings import AddsUp
from analytics_assets.report.series import DayOf, Series

_DAY = dt.timedelta(days=1)
_WEEKS = 28 * _DAY

KINDS: dict[AddsUp | None, dict[str, str]] = {
    "snapshot": {
        "title": "Followers, and what else is a standing",
        "id": "standings",
        "nav": "Followers",
        "short": "as it stood",
        "why": "A standing is what it was at that moment. The latest of a day counts, and days are not added up.",
        "none": "No metric that came is declared a snapshot, as follower_count is.",
    },
    "sum": {
        "title": "Views, and what else adds up",
        "id": "counts",
        "nav": "Views",
        "short": "sum",
        "why": "These are counts of events. Each day is the sum of all its rows, and days may be added up.",
        "none": "No metric that came is declared a sum, as views and likes are.",
    },
    "unique": {
        "title": "Reach, and what else counts people",
        "id": "people",
        "nav": "Reach",
        "short": "people",
        "why": (
            "These count people, each once a day. Who was reached on Monday may be the same who is reached on Tuesday, "
            "and who saw one post may have seen the next: a sum over days, posts or accounts would count them again. "
            "So nothing is added up here, and a longer span shows its highest day."
        ),
        "none": "No metric that came is declared unique, as reach is.",
    },
    None: {
        "title": "Metrics that nobody has declared",
        "id": "undeclared",
        "nav": "Undeclared",
        "short": "not declared",
        "why": (
            "Nobody has said how these add up, so they are not. The setting metrics takes sum, unique or snapshot for "
            "each of them."
        ),
        "none": "",
    },
}
"""How metrics add up, in the order of the page, in words for it."""


def ranked(series: Iterable[Series]) -> list[Series]:
    """Return metrics in the order of the page: those of few subjects first, and the higher ones before the lower."""
    return sorted(series, key=lambda one: (not one.lines, -one.highest, one.endpoint))


@dataclass(frozen=True)
class Glance:
    """A metric in figures, as it was until the day before ``today``. Sums, or the highest where nothing is added up."""

    series: Series
    today: dt.date

    @property
    def last_day(self) -> dt.date:
        """The last day with a number."""
        return max(self.series.days)

    @property
    def last(self) -> DayOf:
        """That day."""
        return self.series.days[self.last_day]

    @property
    def week(self) -> float | None:
        """The last seven days."""
        return self.series.over(self.today - 7 * _DAY, self.today - _DAY)

    @property
    def weeks(self) -> float | None:
        """The last four weeks."""
        return self.series.over(self.today - _WEEKS, self.today - _DAY)

    @property
    def change(self) -> float | None:
        """How much more that is than in the four weeks before, as a share; ``None`` where days are missing."""
        before = self.series.over(self.today - 2 * _WEEKS, self.today - _WEEKS - _DAY)
        days = [day for day in self.series.days if self.today - 2 * _WEEKS <= day < self.today]
        if not (self.series.is_sum and before and self.weeks is not None and len(days) == 2 * _WEEKS.days):
            return None
        return self.weeks / before - 1
