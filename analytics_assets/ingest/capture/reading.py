"""An endpoint read as a load reads it, to its end or to its failure, with nothing loaded."""

import functools
import logging
from collections import Counter, deque

from analytics_assets.ingest.capture.format import Ending
from analytics_assets.ingest.capture.recorder import RecordFullError
from analytics_assets.ingest.endpoint import Endpoint
from analytics_assets.ingest.errors import Problem, causes, explain
from analytics_assets.ingest.proving import read_proven
from analytics_assets.ingest.report import Reading
from analytics_assets.ingest.settings import Settings
from analytics_assets.ingest.source import build_source
from analytics_assets.ingest.window import Window

_LOG = logging.getLogger("analytics_assets")


def read_to_the_end(
    endpoint: Endpoint, settings: Settings, window: Window, log: logging.Logger = _LOG
) -> tuple[Ending, str]:
    """Return how a load of the window would end, and what it would say of it; ``settings`` are the endpoint's.

    Only what the warehouse would say is not known: no field can be called new, and no emptiness sudden. Bugs raise.
    """
    try:
        reading = _read(endpoint, settings, window if settings.has_window else None, log)
    except Exception as error:
        full = next((cause for cause in causes(error) if isinstance(cause, RecordFullError)), None)
        if full:
            return Ending(cut=str(full)), str(full)
        problem: Problem | None = explain(error)
        if problem is None:
            raise
        return Ending(kind=problem.kind), problem.message
    report = reading.report()
    columns = Counter(column.data_type for column in report.columns)
    ending = Ending(rows=report.rows_kept, set_aside=report.rows_rejected, columns=dict(sorted(columns.items())))
    said = f"{report.rows_kept:,} rows"
    if report.rows_rejected:
        said += f", and {report.rows_rejected:,} that cannot be loaded ({'; '.join(report.rejected)})"
    return ending, said


def _read(endpoint: Endpoint, settings: Settings, window: Window | None, log: logging.Logger) -> Reading:
    source, reading = build_source(endpoint, settings.model_copy(update={"new_columns": "add"}), window, log=log)
    read_proven(reading, log, functools.partial(deque, source, 0))
    return reading
