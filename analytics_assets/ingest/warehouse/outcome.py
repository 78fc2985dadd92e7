"""Records a window that failed, was cancelled or is cut: it gets a row in the ledger, and nothing else of it stays."""

import contextlib
import logging
import math
from collections.abc import Iterator
from typing import Any

import dlt
from dlt.common.schema import Schema
from dlt.extract.source import DltSource
from dlt.pipeline.pipeline import Pipeline

from analytics_assets.ingest.cancelling import cancelled, is_cancelled, settling
from analytics_assets.ingest.errors import TooMuchError, explain
from analytics_assets.ingest.report import Reading
from analytics_assets.ingest.warehouse.destination import SCHEMA
from analytics_assets.ingest.warehouse.lake import as_delta
from analytics_assets.ingest.warehouse.layout_version import NewerLayoutError, carry_layout, stored_schema
from analytics_assets.ingest.warehouse.ledger import LEDGER, LEDGER_COLUMNS, close_row, has_row, ledger_row
from analytics_assets.ingest.warehouse.warehouse import Warehouse

# Who cancels a run waits for its end. Others may hold the warehouse for an hour.
_PATIENCE_SECONDS = 3.0
_OUT_OF_REACH = {"warehouse busy", "cannot connect", "login refused"}


@contextlib.contextmanager
def outcome_recorded(pipeline: Pipeline, warehouse: Warehouse, reading: Reading, log: logging.Logger) -> Iterator[None]:
    """Have the ledger say ``failed``, ``cancelled`` or ``cut`` for a window that does not arrive.

    Raises ``ApiError`` (cancelled) in place of whatever a signal has led to.
    """
    try:
        yield
    except Exception as error:
        reading.pages.give_up()
        if isinstance(error, NewerLayoutError) or (isinstance(error, TooMuchError) and error.most_days):
            # nothing was asked, and of a newer ledger it is not known what may be written to it
            raise
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
    """Write the window's row, unless the warehouse cannot be reached; logs when that fails.

    The reason is the problem in words. An error without words may quote rows and paths: of that it has the type only.
    """
    problem = explain(error)
    if problem and problem.kind in _OUT_OF_REACH:
        # it would be waited for once more, and in vain
        return
    report = reading.report()
    reason = (
        problem.message if problem else f"an unexpected {type(error).__name__}; the log of run {report.run_id} has it"
    )
    outcome, patience = ("cancelled", _PATIENCE_SECONDS) if is_cancelled() else ("failed", math.inf)
    if isinstance(error, TooMuchError) and reading.can_be_cut:
        outcome = "cut"
    try:
        pipeline.abort_packages()
        with warehouse.writer(reading.endpoint.name, patience), warehouse.sql() as client:
            if has_row(client, report):
                close_row(client, report, outcome, reason)
            else:
                with warehouse.changing():
                    add_row(pipeline, warehouse, ledger_row(report, outcome, reason))
            # last, for dlt stages the tables of all that it knows
            warehouse.drop_staging(client)
    except Exception as failure:
        why = explain(failure)
        if why is None:
            log.exception("the outcome `%s` could not be written to %s", outcome, LEDGER)
        else:
            log.warning("the outcome `%s` could not be written to %s: %s", outcome, LEDGER, why.message)


def add_row(pipeline: Pipeline, warehouse: Warehouse, row: dict[str, Any]) -> None:
    """Add a row to the ledger."""
    with warehouse.job_client() as client:
        if client is not None and (stored := stored_schema(client, SCHEMA)):
            # dlt would store the tables as they were when this load began, without what others have added since
            pipeline.schemas.save_schema(stored)
    ledger = dlt.resource([row], name=LEDGER, columns=LEDGER_COLUMNS)
    carry_layout([ledger])
    if warehouse.is_lake:
        as_delta([ledger])
    # a source, since of a resource alone that is the first dlt names the schema after the pipeline
    Pipeline.run(pipeline, DltSource(Schema(SCHEMA), SCHEMA, [ledger]))
