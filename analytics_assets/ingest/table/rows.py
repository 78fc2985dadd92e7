"""A step of a dlt resource: pages of JSON rows in, what is to be loaded out, rows that cannot be loaded set aside."""

import hashlib
from collections.abc import Iterator
from typing import Any

import dlt
import pyarrow as pa
from dlt.extract.items import DataItemWithMeta
from dlt.sources.helpers.rest_client.client import PageData

from analytics_assets.ingest.endpoint import READ_AT, Endpoint
from analytics_assets.ingest.errors import ApiError
from analytics_assets.ingest.fields import Row, is_plain, values_at
from analytics_assets.ingest.settings import Settings
from analytics_assets.ingest.table.cursor import Cursor
from analytics_assets.ingest.table.files import TableFiles, current_load_id, with_ids
from analytics_assets.ingest.table.hashing import hashed
from analytics_assets.ingest.table.kept import RowsKept
from analytics_assets.ingest.table.layout import Layout
from analytics_assets.ingest.table.numbers import number_column, places_of_numbers
from analytics_assets.ingest.table.rejected import Redact, every_row, with_key, without, written
from analytics_assets.ingest.table.unnest import unnested
from analytics_assets.ingest.table.values import ARROW_TYPES, kind_of, typed_column
from analytics_assets.ingest.window import Window

_PREVIEW_ROWS = 5
# A call of Arrow costs the same for a page of a hundred rows as for two thousand, so pages are converted together; and
# Parquet keeps its rows in groups that each cost the same, so that small ones would make files large and slow to read.
_ROWS_CONVERTED_AT_ONCE = 2_000
_ROWS_HANDED_ON_AT_ONCE = 10_000

# an Arrow table, a file to import, or the empty list
Item = DataItemWithMeta | list[Row] | Any


class PageRows:
    """A step of a dlt resource: a page of JSON rows in; out come files to load, and figures in ``kept``.

    In a load the files come when the window is read. Where the resource is only iterated over, Arrow tables come, some
    thousand rows at a time.

    Rows outside the window are dropped and counted. A row without a cursor value is kept and counted: the API
    returned it for this window, and dropping it would lose it. A row that cannot be loaded as it is is set aside
    in ``rejected``, or fails the run where the setting ``rejected_rows`` says so.
    """

    def __init__(self, endpoint: Endpoint, settings: Settings, window: Window | None, salt: str = "") -> None:
        self.kept = RowsKept()
        """The pass that is under way, or the last one."""
        self.rejected: list[Row] = []
        self._endpoint = endpoint
        self._window = window
        self._salt = salt.encode()
        self._places = places_of_numbers(endpoint)
        self._fail_on_rejected = settings.rejected_rows == "fail"
        self._new_columns = settings.new_columns
        self._cursor = Cursor(settings, window)
        self._waiting: list[Any] = []
        self._read_at: list[int] = []
        self._converted: list[pa.Table] = []
        self._taken = 0
        self._layout: Layout
        self._cursor_column: str | None
        self._load_id: str | None
        self._files: TableFiles | None

    def __call__(self, page: PageData[Any], meta: object = None) -> Iterator[Item] | None:  # noqa: ARG002 (dlt looks for a parameter of that name)
        """Take one page, and return what has become ready to be loaded; ``None`` while pages are only collected.

        It is called for each page, the last one too when that is empty, for then what was collected is handed on. It
        is no generator, because dlt would ask for the next page before a generator has come to its end, and the
        figures of two pages would mix.
        """
        walk: Any = getattr(page.paginator, "walk")  # noqa: B009 (dlt's base class has no such attribute, ours has)
        answer: Any = page.response
        rows, redact = walk.new_of(page), answer.redact if answer.repeats_key else None
        return self.take(rows, answer.came_at, is_first=walk.pages == 1, is_last=walk.is_whole, redact=redact)

    def take(
        self, rows: list[Any], came_at: float, *, is_first: bool, is_last: bool, redact: Redact | None = None
    ) -> Iterator[Item] | None:
        """Take the rows of a page that had not come before.

        ``came_at`` is the moment of its answer (epoch seconds); ``redact`` is given where it repeats the key.
        """
        if is_first:
            self._begin()
        if redact is not None:
            rows = self._without_key(rows, redact)
        if self._endpoint.unnest:
            rows, rejected = unnested(rows, self._endpoint.unnest)
            self._set_aside(rejected)
            self.kept.unnested += len(rows) + len(rejected)
        self._taken += len(rows)
        self._waiting += rows
        self._read_at += [round(came_at * 1_000_000)] * len(rows)
        # The first page is handed on at once: `make check` wants one row, and should not wait for thousands.
        is_due = is_first or is_last
        if is_due or len(self._waiting) >= _ROWS_CONVERTED_AT_ONCE:
            self._convert_waiting()
        if is_due or sum(map(len, self._converted)) >= _ROWS_HANDED_ON_AT_ONCE:
            return self._hand_on(is_last=is_last)
        return None

    def take_rejected(self) -> list[Row]:
        """Return the rows set aside since the last call, for ``<endpoint>__rejected``."""
        taken, self.rejected = self.rejected, []
        return taken

    def _begin(self) -> None:
        """Begin a pass; one that was given up may have left something."""
        self._waiting.clear()
        self._read_at.clear()
        self._converted.clear()
        self.rejected.clear()
        self._taken = 0
        schema = dlt.current.source_schema()
        held = schema.tables.get(self._endpoint.name, {}).get("columns", {})
        self._layout = Layout(self._endpoint, self._new_columns, schema.naming, held)
        self._cursor_column = self._layout.names[self._endpoint.cursor] if self._endpoint.cursor else None
        self.kept = RowsKept(self._layout)
        self._load_id = current_load_id()
        self._files = TableFiles() if self._load_id else None

    def _hand_on(self, *, is_last: bool) -> Iterator[Item] | None:
        table = pa.concat_tables(self._converted, promote_options="permissive")
        self._converted.clear()
        table = with_ids(table, self._load_id)
        if self._files is None:
            return iter([table])
        self._files.add(table, self._layout.schema)
        if is_last:
            return self._imports(self._files)
        # nothing of the table yet, but the rows that were set aside go on
        return iter([[]]) if self.rejected else None

    def _imports(self, files: TableFiles) -> Iterator[Item]:
        """Yield the files of the window, and tell dlt of the columns that were found.

        It hears of them after the first file: by then it has the declared ones, which shall stand first.
        """
        declared = self._layout.declared.empty_table()
        # dlt hears of the table, and the ledger of the end, also where there is no file
        yield []
        for path, rows in files.finished(self._layout.schema):
            yield dlt.mark.with_file_import(str(path), "parquet", rows, declared)
        columns = {column.name: column.hint for column in self._layout.columns if column.is_new or column.values}
        dlt.current.source_schema().update_table({"name": self._endpoint.name, "columns": columns})

    def _convert_waiting(self) -> None:
        """Convert what waits, sort it into kept, outside and rejected, and count."""
        kept = self.kept
        page, self._waiting = self._waiting, []
        read_at, self._read_at = self._read_at, []
        table, rows, rejected = self._declared(page, read_at)
        kept.fields.update(*rows)
        inside = self._inside(table)
        if inside.true_count < len(rows):
            table = table.filter(inside)
            rows = [row for row, is_inside in zip(rows, inside.to_pylist(), strict=True) if is_inside]
        extras, reasons = self._layout.take(rows)
        for name, array in extras.items():
            table = table.append_column(name, array)
        if reasons:
            table = table.filter(pa.array([i not in reasons for i in range(len(rows))]))
            rejected += [(rows[i], reasons[i]) for i in sorted(reasons)]
        self._set_aside(rejected)
        kept.kept += table.num_rows
        if self._cursor_column:
            kept.by_day.update(self._cursor.days(table[self._cursor_column]))
        if len(kept.preview) < _PREVIEW_ROWS:
            of_the_api = table.drop_columns(READ_AT.name)
            kept.preview += of_the_api.slice(0, _PREVIEW_ROWS - len(kept.preview)).to_pylist()
        self._converted.append(table)

    def _inside(self, table: pa.Table) -> pa.BooleanArray:
        if self._cursor_column is None:
            return pa.repeat(pa.scalar(value=True), table.num_rows)
        return self._cursor.inside(table[self._cursor_column], self.kept)

    def _declared(self, page: list[Any], read_at: list[int]) -> tuple[pa.Table, list[Row], list[tuple[Any, str]]]:
        """Return the declared columns as a table, its rows in the same order, and rows that do not fit with reasons.

        ``read_at`` is when each row of the page was read (epoch microseconds).
        """
        rows: list[Row] = [row for row in page if type(row) is dict]
        rejected = [(row, f"is {kind_of(row)}, not an object") for row in page if type(row) is not dict]
        arrays: dict[str, pa.Array] = {}
        reasons: dict[int, str] = {}
        for column in self._endpoint.columns:
            if column.number_in:
                arrays[self._layout.names[column.name]] = number_column(rows, self._places[column.name])
                continue
            values = values_at(column.field, rows)
            if column.is_hashed:
                values = hashed(values, self._salt)
            array, misfits = typed_column(values, column.data_type)
            if not is_plain(column.field) and array.null_count < len(array):
                self.kept.fields.add(column.field)
            if not column.nullable and array.null_count:
                misfits = {i: "is missing" for i, value in enumerate(values) if value is None} | misfits
            reasons = {i: f"{column.name} {reason}" for i, reason in misfits.items()} | reasons
            arrays[self._layout.names[column.name]] = array
        moments = [at for row, at in zip(page, read_at, strict=True) if type(row) is dict]
        arrays[READ_AT.name] = pa.array(moments, ARROW_TYPES[READ_AT.data_type])
        table = pa.table(arrays)
        if reasons:
            rejected += [(rows[i], reasons[i]) for i in sorted(reasons)]
            table = table.filter(pa.array([i not in reasons for i in range(len(rows))]))
            rows = [row for i, row in enumerate(rows) if i not in reasons]
        return table, rows, rejected

    def _without_key(self, rows: list[Any], redact: Redact) -> list[Any]:
        """Set aside what repeats the key, before anything else sees it; the rest is as it came.

        One such row is odd. A page of them, or a window of one, would be missing from a green run.
        """
        reasons = dict(with_key(rows, redact))
        if reasons and len(reasons) == len(rows) and (len(rows) > 1 or not self._taken):
            raise every_row(self._endpoint.name, list(map(redact, reasons.values())))
        self._set_aside([(rows[i], redact(reason)) for i, reason in reasons.items()], redact)
        return [row for i, row in enumerate(rows) if i not in reasons]

    def _set_aside(self, rejected: list[tuple[Any, str]], redact: Redact | None = None) -> None:
        window = str(self._window or "all history")
        for row, reason in rejected:
            self.kept.rejected[reason] += 1
            raw = written(without(row, self._endpoint.hidden))
            raw = redact(raw) if redact else raw
            # the same row rejected again replaces itself
            digest = hashlib.sha256(f"{window}\n{reason}\n{raw}".encode()).hexdigest()
            self.rejected.append({"id": digest, "reason": reason, "raw": raw, "window": window})
        if rejected and self._fail_on_rejected:
            msg = f"wrong shape: {self._endpoint.name}: rows cannot be loaded as they are: {dict(self.kept.rejected)}"
            raise ApiError("wrong shape", msg)
