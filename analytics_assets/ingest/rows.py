"""A step of a dlt resource: pages of JSON rows in, Arrow tables out, rows that cannot be loaded set aside."""

import base64
import hashlib
import itertools
import logging
import os
import time
from collections.abc import Iterable, Iterator
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.compute as pc
from dlt.common.schema.typing import C_DLT_ID
from dlt.sources.helpers.rest_client.client import PageData

from analytics_assets.ingest.columns import ARROW_TYPES, TOO_DEEP, json_text, kind_of, typed_column
from analytics_assets.ingest.endpoints import Endpoint
from analytics_assets.ingest.errors import ApiError
from analytics_assets.ingest.report import WindowReport
from analytics_assets.ingest.settings import Settings

Row = dict[str, Any]
_TELL_EVERY_SECONDS = 2.0
_PREVIEW_ROWS = 5
# a page at a time costs Arrow's overhead for each; dlt's is larger, it looks at the schema of each table it is given
_ROWS_CONVERTED_AT_ONCE = 2_000
_ROWS_HANDED_ON_AT_ONCE = 10_000
_ID_LENGTH = 14


class PageRows:
    """A step of a dlt resource: a page of JSON rows in, Arrow tables out, figures into the report.

    Rows outside the window are dropped and counted. A row without a cursor value is kept and counted: the API
    returned it for this window, and dropping it would lose it. A row that cannot be loaded as declared is set aside
    in ``rejected``, or fails the run where the setting ``rejected_rows`` says so.
    """

    def __init__(self, endpoint: Endpoint, settings: Settings, report: WindowReport, log: logging.Logger) -> None:
        self.rejected: list[Row] = []
        self._endpoint = endpoint
        self._fail_on_rejected = settings.rejected_rows == "fail"
        self._report = report
        self._log = log
        self._declared = {column.name for column in endpoint.columns}
        self._schema = pa.schema(
            [pa.field(column.name, ARROW_TYPES[column.data_type], column.nullable) for column in endpoint.columns]
        )
        self._waiting: list[Any] = []
        self._converted: list[pa.Table] = []
        self._told_at = time.monotonic()

    def __call__(self, page: PageData[Any], meta: object = None) -> Iterator[pa.Table | list[Row]] | None:  # noqa: ARG002
        """Take one page; many are converted at once, the last even if empty. Undeclared columns go on as rows.

        No generator: dlt converts the next page before a generator has come to its end.
        """
        report = self._report
        if report.pages == 1:
            # a pass that was given up may have left some
            self._waiting.clear()
            self._converted.clear()
            self.rejected.clear()
        self._waiting += page
        report.is_read = not page.paginator.has_next_page
        self._tell()
        # the first at once: who wants one row does not want ten thousand
        is_due = report.is_read or report.pages == 1
        items: list[pa.Table | list[Row]] = []
        if is_due or len(self._waiting) >= _ROWS_CONVERTED_AT_ONCE:
            items += self._convert_waiting()
        if is_due or sum(map(len, self._converted)) >= _ROWS_HANDED_ON_AT_ONCE:
            items.append(_with_ids(pa.concat_tables(self._converted)))
            self._converted.clear()
        return iter(items) if items else None

    def _convert_waiting(self) -> list[list[Row]]:
        """Convert what waits and count it; returns apart the rows with undeclared columns, which cannot be a table."""
        report = self._report
        page, self._waiting = self._waiting, []
        table, rows, rejected = self._convert(page)
        self._set_aside(rejected)
        inside = self._inside(table)
        kept = table.filter(inside)
        report.rows_kept += kept.num_rows
        report.rows_outside += table.num_rows - kept.num_rows
        report.seen_columns.update(*rows)
        if len(report.preview) < _PREVIEW_ROWS:
            report.preview += kept.slice(0, _PREVIEW_ROWS - len(report.preview)).to_pylist()
        undeclared = report.seen_columns - self._declared
        if not undeclared:
            self._converted.append(kept)
            return []
        # without rows, but it says of which types the columns are
        self._converted.append(kept.slice(0, 0))
        return [self._with_undeclared(kept, itertools.compress(rows, inside.to_pylist()), undeclared)]

    def take_rejected(self) -> list[Row]:
        """Return the rows set aside since the last call, for ``<endpoint>__rejected``."""
        taken, self.rejected = self.rejected, []
        return taken

    def _convert(self, page: list[Any]) -> tuple[pa.Table, list[Row], list[tuple[Any, str]]]:
        """Return the page as a table, its rows in the same order, and the rows that do not fit with their reasons."""
        rows: list[Row] = [row for row in page if type(row) is dict]
        rejected = [(row, f"is {kind_of(row)}, not an object") for row in page if type(row) is not dict]
        arrays: dict[str, pa.Array] = {}
        reasons: dict[int, str] = {}
        for column in self._endpoint.columns:
            values = [row.get(column.name) for row in rows]
            array, misfits = typed_column(values, column.data_type)
            if not column.nullable and array.null_count:
                misfits = {i: "is missing" for i, value in enumerate(values) if value is None} | misfits
            reasons = {i: f"{column.name} {reason}" for i, reason in misfits.items()} | reasons
            arrays[column.name] = array
        if not reasons:
            return pa.table(arrays, self._schema), rows, rejected
        rejected += [(rows[i], reasons[i]) for i in sorted(reasons)]
        good = pa.array([i not in reasons for i in range(len(rows))])
        table = pa.table({name: array.filter(good) for name, array in arrays.items()}, self._schema)
        return table, [row for i, row in enumerate(rows) if i not in reasons], rejected

    def _inside(self, table: pa.Table) -> pa.Array:
        """Return the mask of the rows inside the window, or without a cursor value."""
        cursor = table[self._endpoint.cursor].combine_chunks()
        self._report.rows_without_cursor += cursor.null_count
        window = self._report.window
        if window is None:
            return pa.repeat(pa.scalar(value=True), len(cursor))
        start, end = (pa.scalar(edge, ARROW_TYPES["timestamp"]) for edge in (window.start, window.end))
        return pc.fill_null(pc.and_(pc.greater_equal(cursor, start), pc.less(cursor, end)), fill_value=True)

    def _set_aside(self, rejected: list[tuple[Any, str]]) -> None:
        window = str(self._report.window or "all history")
        for row, reason in rejected:
            self._report.rejected[reason] += 1
            raw = _raw(row)
            # the same row rejected again replaces itself
            digest = hashlib.sha256(f"{window}\n{reason}\n{raw}".encode()).hexdigest()
            self.rejected.append({"id": digest, "reason": reason, "raw": raw, "window": window})
        if rejected and self._fail_on_rejected:
            msg = (
                f"wrong shape: {self._endpoint.name}: rows cannot be loaded as declared: {dict(self._report.rejected)}"
            )
            raise ApiError("wrong shape", msg)

    def _with_undeclared(self, table: pa.Table, rows: Iterable[Row], undeclared: set[str]) -> list[Row]:
        """Return the rows as dicts, with what the API sent beyond the declared columns; dlt finds their types."""
        records: list[Row] = table.to_pylist()
        for record, row in zip(records, rows, strict=True):
            for column in self._endpoint.columns:
                if column.data_type == "json" and isinstance(row.get(column.name), str):
                    # dlt reads a text in a JSON column as JSON
                    record[column.name] = json_text(record[column.name])
            record.update({name: row[name] for name in undeclared if name in row})
        return records

    def _tell(self) -> None:
        """Say how far the window is: at the end, and every two seconds until then."""
        if self._report.is_read or time.monotonic() - self._told_at > _TELL_EVERY_SECONDS:
            self._told_at = time.monotonic()
            self._log.info("%s: %s", self._endpoint.name, self._report.progress)


def _with_ids(table: pa.Table) -> pa.Table:
    """Return the table with row ids such as dlt's; dlt itself would write every file anew to add them."""
    count = table.num_rows
    # three random bytes are four characters
    text = base64.b64encode(os.urandom((count * _ID_LENGTH // 4 + 1) * 3))
    starts = pa.array(range(0, count * _ID_LENGTH + 1, _ID_LENGTH), pa.int32())
    ids = pa.Array.from_buffers(pa.string(), count, [None, starts.buffers()[1], pa.py_buffer(text)])
    return table.append_column(pa.field(C_DLT_ID, ids.type, nullable=False), ids)


def _raw(row: object) -> str:
    """Write a row as JSON; a value that is nested deeper than orjson writes gives way to these words."""
    try:
        return orjson.dumps(row, option=orjson.OPT_SORT_KEYS).decode()
    except TypeError:
        return _raw({name: _or_words(value) for name, value in row.items()} if isinstance(row, dict) else TOO_DEEP)


def _or_words(value: object) -> object:
    try:
        orjson.dumps([value])
    except TypeError:
        return TOO_DEEP
    return value
