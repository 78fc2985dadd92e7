"""The runs that the ledger knows: when they were, how long they took, what they brought, and why they failed."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from analytics_assets.ingest.warehouse.ledger import LEDGER
from analytics_assets.ingest.warehouse.view import Tables

_MOST_RUNS = 120
_MOST_WINDOWS = 2_000
# what a run as a whole was like, by the worst of its windows
_WORST_FIRST = ("failed", "cancelled", "loading", "cut", "loaded")


@dataclass(frozen=True, kw_only=True)
class Run:
    """A run: its windows, all of them together."""

    began: dt.datetime
    seconds: float
    endpoints: tuple[str, ...]
    windows: int
    rows: int
    retries: int
    outcome: str
    reason: str | None
    """Why a window failed, was cancelled or cut."""


def runs_of(tables: Tables) -> list[Run]:
    """Return the newest runs, newest first; nothing where there is no ledger."""
    if not tables.has(LEDGER):
        return []
    query = (
        "SELECT COALESCE(NULLIF(run_id, ''), id), endpoint, started_at, seconds, rows_loaded, retries, outcome, reason "
        f"FROM {tables.table(LEDGER)} ORDER BY started_at DESC LIMIT {_MOST_WINDOWS}"
    )
    by_run: dict[str, list[Any]] = {}
    rows = tables.client.execute_sql(query) or []
    for run, *window in rows:
        by_run.setdefault(run, []).append(window)
    found = [_run(windows) for windows in by_run.values()]
    if len(rows) == _MOST_WINDOWS and len(found) > 1:
        # of the oldest one some windows may be missing
        del found[-1]
    return sorted(found, key=lambda run: run.began, reverse=True)[:_MOST_RUNS]


def _run(windows: Sequence[Any]) -> Run:
    outcomes = [outcome for *_, outcome, _ in windows]
    worst = min(outcomes, key=lambda one: _WORST_FIRST.index(one) if one in _WORST_FIRST else 0)
    began = min(started for _, started, *_ in windows)
    return Run(
        began=began,
        seconds=max((started - began).total_seconds() + (seconds or 0) for _, started, seconds, *_ in windows),
        endpoints=tuple(dict.fromkeys(endpoint for endpoint, *_ in reversed(windows))),
        windows=len(windows),
        rows=sum(rows or 0 for _, _, _, rows, *_ in windows),
        retries=sum(retries or 0 for *_, retries, _, _ in windows),
        outcome=worst,
        reason=None
        if worst == "loaded"
        else next((reason for *_, outcome, reason in windows if outcome == worst), None),
    )
