"""What a check has before it, and what it says: the loads' reports, what the warehouse answered, and a verdict."""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

from analytics_assets.ingest.endpoint import Endpoint
from analytics_assets.ingest.report import WindowReport
from analytics_assets.ingest.settings import Settings
from analytics_assets.ingest.warehouse.quality import Findings, Unknown

Figure = str | int | float
_MOST_SENTENCES = 5


@dataclass(frozen=True)
class Verdict:
    """What a check has found.

    ``odd`` are sentences on what is not as it should be; where there are none the check has passed, and ``fine`` says
    what was seen. ``could_not_look``: it was not to be found out, which is no reason to hold anything back.
    """

    odd: Sequence[str]
    fine: str
    figures: Mapping[str, Figure] = field(default_factory=dict)
    could_not_look: bool = False

    @property
    def passed(self) -> bool:
        """Whether nothing is odd."""
        return not self.odd

    @property
    def said(self) -> str:
        """What was found, in words."""
        if self.passed:
            return self.fine
        more = len(self.odd) - _MOST_SENTENCES
        return " ".join([*self.odd[:_MOST_SENTENCES], *([f"And {more:,} more like these."] if more > 0 else [])])


@dataclass(frozen=True)
class Part:
    """A window that was loaded: its report, what the warehouse says of it, and its partitions."""

    report: WindowReport
    found: Findings
    days: frozenset[str]

    @property
    def dates(self) -> list[dt.date]:
        """The partitions as days, in order."""
        return [dt.date.fromisoformat(day) for day in sorted(self.days)]


@dataclass(frozen=True)
class Seen:
    """What a check judges: a run's windows, or of them the one of a ``day``, and that day in it."""

    endpoint: Endpoint
    settings: Settings
    parts: tuple[Part, ...]
    day: dt.date | None = None

    @property
    def reports(self) -> list[WindowReport]:
        """The reports of the windows."""
        return [part.report for part in self.parts]

    @property
    def newest(self) -> Findings:
        """What the warehouse said last; it is about now, whatever window was loaded."""
        return self.parts[-1].found

    @cached_property
    def by_day(self) -> Mapping[dt.date, Part]:
        """The days that are judged, in order, each with the window that it was loaded in; none of all history."""
        days = {day: part for part in self.parts if part.report.window for day in part.dates}
        return {day: days[day] for day in sorted(days) if self.day in {None, day}}

    def is_over(self, day: dt.date) -> bool:
        """Whether a day had ended when it was loaded, so that no further rows of it are to come."""
        state = self.state(day, self.endpoint.name)
        return state == "proven"

    def state(self, day: dt.date, endpoint: str) -> str:
        """Return what the ledger says of a day of an endpoint: proven, partial, failed or missing."""
        days = self.by_day[day].found.days if day in self.by_day else self.newest.days
        known = {} if isinstance(days, Unknown) else days.get(endpoint, {})
        return known[day].state if day in known else "missing"

    def of(self, day: dt.date) -> "Seen":
        """Return what there is of one of the days."""
        return replace(self, parts=(self.by_day[day],), day=day)


def could_not_look(answer: Unknown) -> Verdict:
    """Return the verdict where the warehouse gave no answer: it is not green, for nothing was seen."""
    return Verdict([f"The warehouse could not be asked: {answer.reason}."], "", could_not_look=True)


def counted(count: int, one: str, many: str = "") -> str:
    """Return a count with its noun: ``1 row``, ``1,204 rows``."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"
