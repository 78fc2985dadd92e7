"""What is left to do for a window that does not arrive: its row in the ledger, and nothing else of it anywhere."""

import contextlib
import logging
import math
from collections.abc import Iterator

import dlt
from dlt.pipeline.pipeline import Pipeline

from analytics_assets.ingest.cancelling import cancelled, is_cancelled, settling
from analytics_assets.ingest.errors import explain
from analytics_assets.ingest.report import Reading
from analytics_assets.ingest.warehouse.ledger import LEDGER, LEDGER_COLUMNS, close_row, has_row, ledger_row
from analytics_assets.ingest.warehouse.warehouse import Warehouse

# Who cancels a run waits for its end. Others may hold the warehouse for an hour.
_PATIENCE_SECONDS = 3.0


@contextlib.contextmanager
def outcome_recorded(pipeline: Pipeline, warehouse: Warehouse, reading: Reading, log: logging.Logger) -> Iterator[None]:
    """Have the ledger say ``failed``, or ``cancelled``, for a window that does not arrive.

    Raises ``ApiError`` (cancelled) in place of whatever a signal has led to.
    """
    try:
        yield
    except Exception as error:
        reading.pages.give_up()
        if not is_cancelled():
            record_failure(pipeline, warehouse, reading, error, log)
            raise
        instead = cancelled()
        with settling():
            record_failure(pipeline, warehouse, reading, instead, log)
        raise instead from error


def record_failure(
    pipeline: Pipeline, warehouse: Warehouse, reading: Reading, error: Exception, log: logging.Logger
) -> None:
    """Write the window's row, unless the warehouse cannot be had; logs when that fails."""
    problem = explain(error)
    if problem and problem.kind == "warehouse busy":
        # it would be waited for once more, and in vain
        return
    report, reason = reading.report(), problem.message if problem else f"{type(error).__name__}: {error}"
    outcome, patience = ("cancelled", _PATIENCE_SECONDS) if is_cancelled() else ("failed", math.inf)
    try:
        pipeline.abort_packages()
        with warehouse.writer(patience), warehouse.sql() as client:
            warehouse.drop_staging(client)
            if has_row(client, report):
                close_row(client, report, outcome, reason)
            else:
                row = ledger_row(report, outcome, reason)
                Pipeline.run(pipeline, dlt.resource([row], name=LEDGER, columns=LEDGER_COLUMNS))
    except Exception as failure:
        busy = explain(failure)
        if busy and busy.kind == "warehouse busy":
            log.warning("%s could not be told `%s`: %s", LEDGER, outcome, failure)
        else:
            log.exception("the failure could not be written to %s", LEDGER)
