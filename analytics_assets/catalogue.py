"""What a materialization says of itself: the window's figures, the table, its columns and a few of its rows."""

import datetime as dt

import dagster as dg

from analytics_assets.ingest.endpoints import Column, Endpoint
from analytics_assets.ingest.pipeline import WarehousePipeline
from analytics_assets.ingest.report import WindowReport
from analytics_assets.translator import column_schema

_CELL = 40


def materialization_metadata(
    endpoint: Endpoint, report: WindowReport, pipeline: WarehousePipeline
) -> dict[str, dg.MetadataValue]:
    """Return the metadata of one endpoint's load; ``dagster/…`` names are those that Dagster's UI knows."""
    undeclared = sorted(report.seen_columns - {column.name for column in endpoint.columns})
    new = [
        Column(name=name, data_type="json", description="Not declared; added as the API sent it") for name in undeclared
    ]
    values: dict[str, dg.MetadataValue] = {
        "dagster/partition_row_count": dg.MetadataValue.int(report.rows_kept),
        "dagster/table_name": dg.MetadataValue.text(pipeline.table_name(endpoint.name)),
        "dagster/column_schema": dg.MetadataValue.table_schema(column_schema([*endpoint.columns, *new])),
        "rows": dg.MetadataValue.int(report.rows_kept),
        "window": dg.MetadataValue.text(str(report.window or "all history")),
        "asked": dg.MetadataValue.json(report.asked),
        "api_total": dg.MetadataValue.int(report.total)
        if report.total is not None
        else dg.MetadataValue.text("none given"),
        "rows_read": dg.MetadataValue.int(report.rows_read),
        "distinct_ids": dg.MetadataValue.int(report.distinct_ids),
        "rows_outside_window": dg.MetadataValue.int(report.rows_outside),
        "rows_without_cursor": dg.MetadataValue.int(report.rows_without_cursor),
        "rows_rejected": dg.MetadataValue.int(report.rows_rejected),
        "rows_loaded": dg.MetadataValue.int(report.rows_loaded or 0),
        "rereads": dg.MetadataValue.int(report.rereads),
        "pages": dg.MetadataValue.int(report.pages),
        "requests": dg.MetadataValue.int(report.requests),
        "retries": dg.MetadataValue.int(report.retries),
        "seconds": dg.MetadataValue.float(round(report.seconds, 3)),
        "destination": dg.MetadataValue.text(pipeline.location),
    }
    if report.preview:
        values["preview"] = dg.MetadataValue.md(as_markdown(report.preview))
    if report.why_empty:
        values["why_empty"] = dg.MetadataValue.text(report.why_empty)
    if undeclared:
        values["new_columns"] = dg.MetadataValue.text(", ".join(undeclared))
    return values


def as_markdown(rows: list[dict[str, object]]) -> str:
    """Return rows as a Markdown table, long cells cut."""
    names = list(rows[0])
    lines = [names, ["---"] * len(names), *([_cell(row.get(name)) for name in names] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cell(value: object) -> str:
    if value is None:
        return ""
    text = f"{value:%Y-%m-%d %H:%M}" if isinstance(value, dt.datetime) else str(value)
    text = " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")
    return text if len(text) <= _CELL else text[: _CELL - 1] + "…"
