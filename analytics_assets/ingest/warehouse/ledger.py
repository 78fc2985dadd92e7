"""The tables beside the data: the ledger of windows, and the rows that could not be loaded.

The ledger ``_analytics_windows`` has one row per endpoint, window and run, also when the run failed or was cancelled. A
row travels in the same load package as the window's data, as ``loading``; once the package has arrived it says
``loaded``. One that still says ``loading`` belongs to a run that was killed.
"""

import datetime as dt
from collections.abc import Mapping
from typing import Any

import dlt
from dlt.common.schema.typing import TColumnSchema
from dlt.destinations.exceptions import DatabaseUndefinedRelation
from dlt.destinations.sql_client import SqlClientBase
from dlt.extract import DltResource

from analytics_assets.ingest.endpoint import DataType
from analytics_assets.ingest.report import Reading, WindowReport
from analytics_assets.ingest.table.names import shown
from analytics_assets.ingest.table.rows import PageRows
from analytics_assets.ingest.warehouse.lake import LakeSqlClient
from analytics_assets.ingest.window import Window

LEDGER = "_analytics_windows"


def _columns(*columns: tuple[str, DataType, str]) -> list[TColumnSchema]:
    return [
        {"name": name, "data_type": data_type, "nullable": name != "id", "description": description}
        for name, data_type, description in columns
    ]


REJECTED_COLUMNS = _columns(
    ("id", "text", "Digest of window, reason and row; the merge key"),
    ("reason", "text", "Column, and why its value cannot be loaded"),
    ("raw", "text", "The row as the API sent it, as JSON; *** where it repeats the key"),
    ("window", "text", "Window that was asked"),
)
LEDGER_COLUMNS = _columns(
    ("id", "text", "Identifies the row"),
    ("run_id", "text", "Dagster's run"),
    ("endpoint", "text", "Endpoint that was asked"),
    ("window_start", "timestamp", "Start of the window, inclusive; null for a full refresh"),
    ("window_end", "timestamp", "End of the window, exclusive; null for a full refresh"),
    ("asked", "json", "Query parameters of every page, without the key, offset and limit"),
    ("pages", "bigint", "Pages that were read in the pass that counts"),
    ("page_size", "bigint", "Rows that were asked for per page; null: the API has a page size of its own"),
    (
        "reduced",
        "json",
        "Where the API asked for less data: page_size and max_window_days now, as configured, and since when",
    ),
    ("requests", "bigint", "Requests on the wire, retries and abandoned passes included"),
    ("retries", "bigint", "Requests made again after a refusal or a broken connection"),
    (
        "rereads",
        "bigint",
        "Passes over the window that were given up because rows moved, or columns of the table changed, meanwhile",
    ),
    ("api_total", "bigint", "Rows in the window, as the API says; null if it does not"),
    ("rows_read", "bigint", "Rows that came"),
    ("distinct_ids", "bigint", "Different ids among them"),
    ("rows_outside", "bigint", "Rows dropped because they are outside of the window"),
    ("rows_without_cursor", "bigint", "Rows kept although they have no cursor value"),
    ("rows_rejected", "bigint", "Rows in <endpoint>__rejected"),
    ("rows_kept", "bigint", "Rows given to the warehouse"),
    ("rows_loaded", "bigint", "Rows of this load found in the table afterwards"),
    ("restated", "bigint", "Numbers in the table that this load has changed: its rows in insight_restatements"),
    (
        "new_columns",
        "json",
        "Undeclared fields that came: their column, type and number of values, or that many ignored",
    ),
    ("seconds", "double", "From the first request to the last commit"),
    (
        "outcome",
        "text",
        "loading, loaded, failed, cancelled, or cut: it was too much data, and is loaded in shorter windows",
    ),
    ("reason", "text", "Why it failed, was cancelled or cut, or why no row was kept"),
    ("started_at", "timestamp", "When the window was begun"),
)


def rejected_rows(pages: DltResource, rows: PageRows) -> DltResource:
    """Return the resource of ``<endpoint>__rejected``: what was set aside while a page was converted."""
    name = f"{pages.name}__rejected"

    def taken(_: object) -> object:
        # Nothing is returned where nothing was set aside, because dlt makes a table even of an empty list. The name is
        # given because this resource gets the items of the endpoint's, and dlt would take their files for its own.
        return dlt.mark.with_table_name(rejected, name) if (rejected := rows.take_rejected()) else None

    return dlt.transformer(
        taken,
        data_from=pages,
        name=name,
        primary_key="id",
        write_disposition="merge",
        columns=REJECTED_COLUMNS,
    )


def ledger_rows(pages: DltResource, reading: Reading) -> DltResource:
    """Return the resource that adds the window's row to the ledger when its last page has come."""
    noted_in_pass = 0

    def row(_: object) -> object:
        nonlocal noted_in_pass
        # Several items come of the last page; and a pass that is begun anew begins a load package of its own.
        if not reading.pages.walk.is_whole or noted_in_pass == reading.pages.passes:
            return None
        noted_in_pass = reading.pages.passes
        return dlt.mark.with_table_name(ledger_row(reading.report(), "loading"), LEDGER)

    return dlt.transformer(
        row,
        data_from=pages,
        name=f"{pages.name}__window",
        table_name=LEDGER,
        write_disposition="append",
        columns=LEDGER_COLUMNS,
    )


def ledger_row(report: WindowReport, outcome: str, reason: str | None = None) -> dict[str, Any]:
    """Return the ledger's row of a window."""
    return {
        "id": report.id,
        "run_id": report.run_id,
        "endpoint": report.endpoint,
        "window_start": report.window.start if report.window else None,
        "window_end": report.window.end if report.window else None,
        "asked": dict(report.asked),
        "pages": report.pages,
        "page_size": report.portion.page_size,
        "reduced": report.portion.noted(),
        "api_total": report.total,
        "rows_outside": report.rows_outside,
        "rows_without_cursor": report.rows_without_cursor,
        "started_at": report.started_at,
        "rows_read": report.rows_read,
        "distinct_ids": report.distinct_ids,
        "rows_rejected": report.rows_rejected,
        "rows_kept": report.rows_kept,
        "new_columns": new_columns(report) or None,
        **_closing_figures(report, outcome, reason),
    }


def close_row(client: SqlClientBase[Any], report: WindowReport, outcome: str, reason: str | None = None) -> None:
    """Write into the window's row what is known only when the window is done."""
    figures = _closing_figures(report, outcome, reason)
    if isinstance(client, LakeSqlClient):
        client.update_row(LEDGER, report.id, figures)
        return
    assignments = ", ".join(f"{name} = %s" for name in figures)
    client.execute_sql(f"UPDATE {LEDGER} SET {assignments} WHERE id = %s", *figures.values(), report.id)


def has_row(client: SqlClientBase[Any], report: WindowReport) -> bool:
    """Say whether the window has come as far as the ledger."""
    try:
        return bool(client.execute_sql(f"SELECT id FROM {LEDGER} WHERE id = %s", report.id))
    except DatabaseUndefinedRelation:
        return False


def last_empty(client: SqlClientBase[Any], endpoint: str, window: Window) -> dt.datetime | None:
    """Return when a window, or a longer one around it, was last begun that came empty and was accepted as that."""
    query = (
        f"SELECT MAX(started_at) FROM {LEDGER} WHERE endpoint = %s AND outcome = 'loaded' AND rows_kept = 0 "
        "AND window_start <= %s AND window_end >= %s"
    )
    try:
        [(moment,)] = client.execute_sql(query, endpoint, window.start, window.end) or [(None,)]
    except DatabaseUndefinedRelation:
        return None
    return moment if isinstance(moment, dt.datetime) else None


def last_reduced(client: SqlClientBase[Any], endpoint: str) -> object:
    """Return what the newest load of an endpoint has noted as ``reduced``; an older ledger has no such column."""
    query = f"SELECT * FROM {LEDGER} WHERE endpoint = %s AND outcome = 'loaded' ORDER BY started_at DESC LIMIT 1"
    try:
        with client.execute_query(query, endpoint) as cursor:
            # not `description`, which the cursors of dlt's sqlalchemy do not have
            names, row = list(cursor.columns_schema), cursor.fetchone()
    except DatabaseUndefinedRelation:
        return None
    return dict(zip(names, row, strict=True)).get("reduced") if row else None


def _closing_figures(report: WindowReport, outcome: str, reason: str | None) -> Mapping[str, Any]:
    return {
        "requests": report.requests,
        "retries": report.retries,
        "rereads": report.rereads,
        "rows_loaded": report.rows_loaded,
        "restated": report.restated,
        "seconds": round(report.seconds, 3),
        "outcome": outcome,
        "reason": reason or report.why_empty,
    }


def new_columns(report: WindowReport) -> dict[str, dict[str, Any]]:
    """Return what came of the fields that are not declared, by the API's name for them."""
    came: dict[str, dict[str, Any]] = {
        shown(name): {"values": count, "ignored": True} for name, count in report.ignored.items()
    }
    for column in report.columns:
        if column.values:
            entry = {"column": column.name, "type": column.data_type, "values": column.values}
            came.setdefault(shown(column.field), {"columns": []})["columns"].append(entry)
    return came
