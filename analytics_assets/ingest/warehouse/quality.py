"""What the checks ask the warehouse once a window has arrived: a few queries, whose answers they judge.

What belongs here: what is asked, and of which rows. What is red stands in ``analytics_assets/checks``.
"""

import datetime as dt
import logging
import math
import zoneinfo
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Self, TypeVar

from dlt.common.normalizers.naming import NamingConvention
from dlt.destinations.sql_client import SqlClientBase

from analytics_assets.ingest.endpoint import READ_AT, Endpoint
from analytics_assets.ingest.errors import explain
from analytics_assets.ingest.report import Reading, WindowReport
from analytics_assets.ingest.settings import Settings
from analytics_assets.ingest.warehouse.coverage import Coverage, coverage
from analytics_assets.ingest.warehouse.day_counts import DayCount, Repeated, TableRows
from analytics_assets.ingest.warehouse.kin import Kin, kin
from analytics_assets.ingest.warehouse.ledger import LEDGER
from analytics_assets.ingest.warehouse.view import Tables
from analytics_assets.ingest.warehouse.warehouse import Warehouse

WEEKS = 8
"""How far the days before a window are looked at."""
GRACE = dt.timedelta(hours=6)
"""A day is expected this long after its end, when the daily load has had its time."""
_DAY = dt.timedelta(days=1)
_SOON, _LONG = dt.timedelta(hours=3), dt.timedelta(hours=1)
_PATIENCE_SECONDS = 60.0
_LEDGER_FIGURES = (
    "outcome",
    "api_total",
    "rows_read",
    "distinct_ids",
    "rows_outside",
    "rows_rejected",
    "rows_kept",
    "rows_loaded",
)
_MOST_COLUMNS = 100
_T = TypeVar("_T")


@dataclass(frozen=True)
class Unknown:
    """The place of an answer that was not to be had, and why."""

    reason: str


@dataclass(frozen=True)
class Expiring:
    """Rows that expire soon and were read long ago: how many, the next moment, and what soon and long ago are."""

    rows: int
    next: dt.datetime | None
    soon: dt.timedelta
    long: dt.timedelta


@dataclass(frozen=True, kw_only=True)
class Findings:
    """The answers; each stands for itself, and one that was not to be had takes no other with it."""

    looked_at: dt.datetime
    ledger: Mapping[str, Any] | Unknown
    """Figures of the window's row in the ledger, and ``earlier``, the loads before it; empty where there is no row."""
    counts: Sequence[DayCount] | Unknown
    """Of the window and of the eight weeks before it; of all history, by metric alone."""
    repeated: Sequence[Repeated] | Unknown
    kin: Sequence[Kin] | Unknown
    days: Coverage | Unknown
    """From eight weeks before the window until a day on which what was loaded has its counterparts."""
    recent: Coverage | Unknown
    """The eight days until the one that is expected to have arrived."""
    expiring: Expiring | Unknown

    @cached_property
    def rows_by_day(self) -> dict[dt.date | None, int]:
        """Rows that the table holds of each day."""
        found: dict[dt.date | None, int] = {}
        for one in [] if isinstance(self.counts, Unknown) else self.counts:
            found[one.day] = found.get(one.day, 0) + one.rows
        return found


def bounds_of(settings: Settings, name: str) -> tuple[float, float] | None:
    """Return the least and the most that the numbers of a metric, or of a column, can be; ``None``: not known."""
    counts = settings.metrics.get(name) in {"sum", "unique"}
    return settings.bounds.get(name) or ((0.0, math.inf) if counts else None)


@dataclass(frozen=True, kw_only=True)
class Inquiry:
    """What is asked about: an endpoint's window that has been loaded."""

    endpoint: Endpoint
    settings: Settings
    report: WindowReport
    naming: NamingConvention
    now: dt.datetime

    @classmethod
    def of(cls, reading: Reading, report: WindowReport, naming: NamingConvention) -> Self:
        """Return what is to be asked about a window as it was loaded just now."""
        now = dt.datetime.now(dt.UTC)
        return cls(endpoint=reading.endpoint, settings=reading.settings, report=report, naming=naming, now=now)

    @property
    def numbers(self) -> list[str]:
        """The columns whose extent is of interest: computed numbers, and others that have bounds."""
        plain = {"bigint", "double"}
        named = [(column.name, column.data_type) for column in self.endpoint.sent_columns]
        named += [(column.name, column.data_type) for column in self.report.columns]
        computed = [column.name for column in self.endpoint.columns if column.number_in]
        return [*computed, *(name for name, kind in named if kind in plain and bounds_of(self.settings, name))]

    @property
    def gone(self) -> list[str]:
        """The columns of the table that no row of the window had, though some came; the first hundred."""
        if not self.report.fields:
            return []
        declared = [one.name for one in self.endpoint.sent_columns if one.field not in self.report.fields]
        others = [one.name for one in self.report.columns if one.field not in self.report.fields and not one.is_variant]
        return [*declared, *others][:_MOST_COLUMNS]

    def ask(self, client: SqlClientBase[Any], log: logging.Logger) -> Findings:
        """Ask all of it."""
        zone, window = zoneinfo.ZoneInfo(self.settings.timezone), self.report.window
        loaded = TableRows(Tables(client, self.settings, self.naming), self.endpoint, zone, window)
        before = replace(loaded, window=window and window.widened(before=WEEKS * 7 * _DAY))
        due = (self.now - GRACE).astimezone(zone).date() - _DAY
        name = self.endpoint.name
        return Findings(
            looked_at=self.now,
            ledger=_answer(lambda: self._ledger(client), name, log),
            counts=_answer(lambda: before.count(self.numbers, self.gone), name, log),
            repeated=_answer(loaded.repeated, name, log),
            kin=_answer(lambda: kin(loaded, self.settings, self.now), name, log),
            days=_answer(lambda: self._days(client, zone), name, log),
            recent=_answer(lambda: coverage(client, self.settings, due - 7 * _DAY, due), name, log),
            expiring=_answer(lambda: self._expiring(loaded), name, log),
        )

    def _ledger(self, client: SqlClientBase[Any]) -> dict[str, Any]:
        earlier = f"(SELECT COUNT(*) FROM {LEDGER} WHERE endpoint = %s AND outcome = 'loaded' AND id <> %s)"
        query = f"SELECT {', '.join([*_LEDGER_FIGURES, earlier])} FROM {LEDGER} WHERE id = %s"
        rows = client.execute_sql(query, self.report.endpoint, self.report.id, self.report.id)
        return dict(zip((*_LEDGER_FIGURES, "earlier"), rows[0], strict=True)) if rows else {}

    def _days(self, client: SqlClientBase[Any], zone: zoneinfo.ZoneInfo) -> Coverage:
        window = self.report.window
        if window is None:
            return {}
        first, last = (edge.astimezone(zone).date() for edge in (window.start, window.end))
        ahead = dt.timedelta(days=self.settings.insights_after_hours // 24 + 1)
        return coverage(client, self.settings, first - WEEKS * 7 * _DAY, last + ahead)

    def _expiring(self, rows: TableRows) -> Expiring:
        often = dt.timedelta(minutes=2 * self.settings.stories_minutes)
        soon, long = max(_SOON, often), max(_LONG, often)
        if self.endpoint.expires_by is None:
            return Expiring(0, None, soon, long)
        expires = rows.tables.column(self.endpoint.expires_by)
        query = (
            f"SELECT COUNT(*), MIN({expires}) FROM {self.endpoint.name} "
            f"WHERE {expires} > %s AND {expires} <= %s AND {READ_AT.name} < %s"
        )
        [(count, first)] = rows.ask(query, self.now, self.now + soon, self.now - long) or [(0, None)]
        return Expiring(count, first, soon, long)


def look(warehouse: Warehouse, inquiry: Inquiry, log: logging.Logger) -> Findings:
    """Look into the warehouse behind a load; raises nothing, for the rows have arrived, and stay so.

    Where other runs do not let go of it within a minute, or it has no SQL, that is what each answer says.
    """
    found: list[Findings] = []

    def asked() -> None:
        with warehouse.reader(_PATIENCE_SECONDS) as client:
            found.append(inquiry.ask(client, log))

    none = _answer(asked, inquiry.endpoint.name, log)
    if found:
        return found[0]
    unknown = none if isinstance(none, Unknown) else Unknown("nothing was asked")
    answers = dict.fromkeys(("ledger", "counts", "repeated", "kin", "days", "recent", "expiring"), unknown)
    return Findings(looked_at=inquiry.now, **answers)


def _answer(ask: Callable[[], _T], name: str, log: logging.Logger) -> _T | Unknown:
    try:
        return ask()
    except Exception as error:
        problem = explain(error)
        reason = problem.message if problem else f"{type(error).__name__}: {error}"
        log.debug("%s: a check could not look", name, exc_info=True)
        return Unknown(" ".join(reason.split()))
