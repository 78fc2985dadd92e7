"""Whether API and warehouse can be used with the settings as they are: a few cheap questions, a verdict each."""

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from analytics_assets.ingest.endpoint import Endpoint
from analytics_assets.ingest.errors import Kind, explain
from analytics_assets.ingest.key import key_end
from analytics_assets.ingest.opening import open_warehouse
from analytics_assets.ingest.questions.asker import Asker, Seen
from analytics_assets.ingest.questions.pace import pace_of
from analytics_assets.ingest.questions.paging import honours_offset, keeps_order
from analytics_assets.ingest.questions.row import gives_a_row
from analytics_assets.ingest.questions.total import has_total
from analytics_assets.ingest.questions.window import honours_window
from analytics_assets.ingest.settings import Settings

_LOG = logging.getLogger("analytics_assets")

Question = Callable[[Seen], str | None]
"""Asks a few things at most, and says in one sentence what is wrong and which setting to look at, or nothing."""


@dataclass(frozen=True)
class Verdict:
    """What an endpoint, or the warehouse, answered: ``fine``, or the kind of problem, and a sentence about it."""

    endpoint: str
    """Its name, or ``warehouse``."""
    kind: Kind | None
    message: str
    is_warning: bool = False
    """Whether nothing is wrong yet, but will be."""

    @property
    def is_fine(self) -> bool:
        """Whether the answer was as the settings describe."""
        return self.kind is None

    def __str__(self) -> str:
        return f"{self.endpoint}: {self.message if self.kind or self.is_warning else f'fine: {self.message}'}"


def check_endpoint(endpoint: Endpoint, settings: Settings) -> Verdict:
    """Ask an endpoint one question after the other, until one finds a problem, which comes back in the verdict.

    ``settings`` are those of the endpoint. It takes less than 20 requests, none behind the question that finds a
    problem. Only bugs of this project raise.
    """
    try:
        seen = Seen(Asker(endpoint, settings))
        said = next((said for question in _questions(seen) if (said := question(seen))), None)
    except Exception as error:
        problem = explain(error)
        if problem is None:
            raise
        return Verdict(endpoint.name, problem.kind, problem.message)
    return Verdict(endpoint.name, "setting" if said else None, said or _what_was_seen(seen))


def check_key(settings: Settings) -> list[Verdict]:
    """Return a verdict on a key that has ended, or does so soon; no request is made for it."""
    end = key_end(settings)
    if end is None:
        return []
    return [
        Verdict("key", "setting", f"setting: {end}") if end.is_over else Verdict("key", None, f"{end}", is_warning=True)
    ]


def check_warehouse(settings: Settings, log: logging.Logger = _LOG) -> Verdict:
    """Open the warehouse and try to write to it, which changes nothing. Problems come back in the verdict."""
    try:
        with open_warehouse(log) as warehouse:
            where, version = warehouse.location, warehouse.try_writing(one.name for one in settings.resolved_endpoints)
    except Exception as error:
        problem = explain(error)
        if problem is None:
            raise
        return Verdict("warehouse", problem.kind, problem.message)
    if version is None:
        return Verdict("warehouse", None, f"{where} cannot be tried")
    return Verdict("warehouse", None, f"{where} can be written to{f' ({version})' if version else ''}")


def _questions(seen: Seen) -> Iterator[Question]:
    """Yield the questions in the order in which a person would mend what they find, without those that do not apply."""
    yield gives_a_row
    if not seen.row.rows_read:
        # there is nothing to look into
        return
    if seen.asker.settings.has_window:
        yield honours_window
    if seen.asker.skips:
        yield honours_offset
    yield keeps_order
    yield has_total


def _what_was_seen(seen: Seen) -> str:
    rows = "rows come, and no total" if seen.row.total is None else f"{seen.row.total:,} rows in all"
    settings = seen.asker.settings
    return "; ".join([", ".join([rows, *seen.notes]), pace_of(seen.asker.counts, settings.max_requests_per_second)])
