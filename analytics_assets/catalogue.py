"""What a materialization says of itself: the window's figures, the table, its columns and a few of its rows."""

import datetime as dt
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import dagster as dg

from analytics_assets.ingest.endpoint import Column, Endpoint
from analytics_assets.ingest.report import WindowReport, undeclared_columns
from analytics_assets.ingest.table.names import shown
from analytics_assets.ingest.warehouse.ledger import new_columns
from analytics_assets.ingest.warehouse.quality import Findings
from analytics_assets.ingest.warehouse.standing import Standing
from analytics_assets.plot import as_plot
from analytics_assets.translator import column_schema

DAY_METADATA = frozenset({"rows", "dagster/partition_row_count"})
"""The figures that each day of a range has of its own; the others are those of the whole range."""

_CELL = 40
_SPANS = 5


@dataclass(frozen=True)
class Loaded:
    """A window that has arrived: its report, how its endpoint stands, its table, place, days, and what checks see."""

    report: WindowReport
    standing: Standing | None
    table_name: str
    location: str
    days: frozenset[str]
    found: Findings


def materialization_metadata(endpoint: Endpoint, loaded: list[Loaded], *, single: bool) -> dict[str, Any]:
    """Return the metadata of a load of one or more windows; counts are sums. ``dagster/…`` names are Dagster's own.

    ``single``: the load was of one partition. Each day shows the figures of its range, except ``day_metadata``.
    """
    reports = [part.report for part in loaded]
    undeclared, restated = undeclared_rows(reports), [r.restated for r in reports]
    preview = next((r.preview for r in reports if r.preview), None)
    totals, reduced = [r.total for r in reports], [str(r.portion) for r in reports]
    # as the UI shows them: first what is looked at each day, then how it came about
    values: dict[str, Any] = {
        "rows": sum(r.rows_kept for r in reports),
        "restated": None if None in restated else sum(count for count in restated if count),
        **_standing(loaded[-1].standing),
        "window": ", ".join(str(r.window or "all history") for r in reports),
        "preview": dg.MetadataValue.md(as_markdown(preview)) if preview else None,
        "why_empty": next((r.why_empty for r in reports), None) if not preview else None,
        "new_columns": ", ".join(sorted({name for report in reports for name in new_columns(report)})) or None,
        "undeclared_columns": dg.MetadataValue.md(as_markdown(undeclared)) if undeclared else None,
        "api_total": "not given by the API" if None in totals else sum(total for total in totals if total),
        "rows_read": sum(r.rows_read for r in reports),
        "distinct_ids": sum(r.distinct_ids for r in reports),
        "rows_loaded": sum(r.rows_loaded or 0 for r in reports),
        "rows_rejected": sum(r.rows_rejected for r in reports),
        "rows_outside_window": sum(r.rows_outside for r in reports),
        "rows_without_cursor": sum(r.rows_without_cursor for r in reports),
        "pages": sum(r.pages for r in reports),
        "requests": sum(r.requests for r in reports),
        "retries": sum(r.retries for r in reports),
        "rereads": sum(r.rereads for r in reports),
        "page_size": min(r.portion.page_size or 0 for r in reports) if any(reduced) else None,
        "reduced": "; ".join(dict.fromkeys(filter(None, reduced))) or None,
        "seconds": round(sum(r.seconds for r in reports), 3),
        "asked": dg.MetadataValue.json(reports[0].asked if len(reports) == 1 else [r.asked for r in reports]),
        "destination": loaded[0].location,
        "dagster/table_name": loaded[0].table_name,
        "dagster/column_schema": column_schema([*endpoint.columns, *_undeclared(reports)], endpoint.merge_key),
        "dagster/partition_row_count": sum(r.rows_kept for r in reports) if single else None,
    }
    return {name: value for name, value in values.items() if value is not None}


def _standing(standing: Standing | None) -> dict[str, Any]:
    """Return how the endpoint stands; nothing where that is not known."""
    if standing is None:
        return {}
    expiry, plot = standing.next_expiry, as_plot(standing)
    return {
        "last_proven_day": str(standing.last_proven) if standing.last_proven else "none",
        "missing_days": len(standing.missing),
        "missing": ", ".join(_spans(standing.missing)) or None,
        "next_expiry": dg.MetadataValue.timestamp(expiry) if expiry else None,
        "last_30_days": dg.MetadataValue.md(plot) if plot else None,
        "dagster/row_count": standing.rows,
    }


def _spans(days: Sequence[dt.date]) -> list[str]:
    """Return consecutive days as spans, the newest first, and how many days the others are."""
    spans: list[list[dt.date]] = []
    for day in reversed(days):
        if spans and spans[-1][0] - day == dt.timedelta(days=1):
            spans[-1][0] = day
        else:
            spans.append([day, day])
    said = [" to ".join(dict.fromkeys(map(str, span))) for span in spans]
    rest = sum((last - first).days + 1 for first, last in spans[_SPANS:])
    return said if not rest else [*said[:_SPANS], f"and {rest} more"]


def _undeclared(reports: list[WindowReport]) -> list[Column]:
    return [
        Column(name=column.name, data_type=column.data_type, description=column.description)
        for column, _ in undeclared_columns(reports)
    ]


def day_metadata(report: WindowReport, day: str) -> dict[str, int]:
    """Return a day's own figures, where it was loaded together with others; the other figures are shown at each day."""
    return dict.fromkeys(DAY_METADATA, report.rows_by_day.get(day, 0))


def undeclared_rows(reports: list[WindowReport]) -> list[dict[str, object]]:
    """Return a row for each undeclared column, in the table before or come in these windows, and each ignored field."""
    ignored = sum((Counter(report.ignored) for report in reports), Counter[str]())
    return [
        {
            "field": shown(column.field),
            "column": column.name,
            "type": column.data_type,
            "values": values,
            "first seen": column.first_seen,
        }
        for column, values in undeclared_columns(reports)
    ] + [
        {"field": shown(field), "column": "ignored", "type": None, "values": count, "first seen": None}
        for field, count in ignored.items()
    ]


def as_markdown(rows: Sequence[Mapping[str, object]]) -> str:
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
