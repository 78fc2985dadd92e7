"""The columns of a table, and above all those that nobody declared: decided while rows come.

A column's first type is its type. Whole numbers and decimals share a column as long as a double holds each of them
exactly. A value of any other type goes to a column beside it, named as dlt names it: ``mood__v_text``. What was decided
is kept in dlt's stored schema of the table, in hints of our own, and the next load begins with it.
"""

import datetime as dt
from collections import Counter
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from dlt.common.destination import DestinationCapabilitiesContext
from dlt.common.libs.pyarrow import dlt_column_to_arrow_field
from dlt.common.normalizers.naming import NamingConvention
from dlt.common.schema.typing import C_DLT_ID, C_DLT_LOAD_ID, TColumnSchema, TTableSchemaColumns

from analytics_assets.ingest.endpoint import READ_AT, DataType, Endpoint
from analytics_assets.ingest.errors import ApiError
from analytics_assets.ingest.fields import Row, values_of
from analytics_assets.ingest.list_settings import NewColumns
from analytics_assets.ingest.table.extra import FIELD_HINT, FIRST_SEEN_HINT, KEEPS_TYPE_HINT, ExtraColumn
from analytics_assets.ingest.table.names import column_name, plain_name, short, shown, variant_name
from analytics_assets.ingest.table.values import (
    ARROW_TYPES,
    EXACT_IN_DOUBLE,
    is_exact_as_double,
    kind_of,
    typed_column,
)

_MOST_COLUMNS = 1_000
_KINDS: dict[type, DataType] = {str: "text", bool: "bool", int: "bigint", float: "double", dict: "json", list: "json"}


class Layout:
    """The columns of one table during one pass over a window.

    ``held`` are the columns that the table has already, as dlt's schema has them. ``names`` are those of the declared
    columns in the warehouse. ``ignored`` counts the values that ``new_columns`` keeps out, by field.
    """

    def __init__(
        self, endpoint: Endpoint, new_columns: NewColumns, naming: NamingConvention, held: TTableSchemaColumns
    ) -> None:
        self.ignored: Counter[str] = Counter()
        self.names = {column.name: naming.normalize_path(column.name) for column in endpoint.columns}
        self._endpoint = endpoint
        self._adds = new_columns == "add"
        self._fails = new_columns == "fail"
        self._naming = short(naming)
        self._today = dt.datetime.now(dt.UTC).date().isoformat()
        # a field that is called like a column which is computed, or is another field's, gets one under another name
        self._declared = endpoint.ignored.union(column.field for column in endpoint.sent_columns)
        self._taken = {*self.names.values(), READ_AT.name}
        self._kept_free: set[str] = set()
        # undeclared columns by name, and those of each field: of its first type, and of others
        self._extras: dict[str, ExtraColumn] = {}
        self._firsts: dict[str, ExtraColumn] = {}
        self._variants: dict[tuple[str, DataType], ExtraColumn] = {}
        # columns whose field is not known, for they are older than these hints
        self._unclaimed: dict[str, TColumnSchema] = {}
        for name, column in held.items():
            self._hold(name, column)
        self.declared = _declared(endpoint, self.names)
        self._fields = _held(held) | {field.name: field for field in self.declared}

    @property
    def columns(self) -> list[ExtraColumn]:
        """All undeclared columns, those that the table has already first."""
        return list(self._extras.values())

    @property
    def schema(self) -> pa.Schema:
        """The columns of a file, those of the table in their order and then the new ones.

        dlt expects them so, and would write the file again.
        """
        extras = {
            name: pa.field(name, ARROW_TYPES[column.data_type])
            for name, column in self._extras.items()
            if column.data_type in _KINDS.values()
        }
        return pa.schema([*({name: extras.get(name, field) for name, field in self._fields.items()} | extras).values()])

    def take(self, rows: list[Row]) -> tuple[dict[str, pa.Array], dict[int, str]]:
        """Return the rows' undeclared values by column, and by position the reason where one fits nowhere.

        Raises ``ApiError`` (wrong shape) for new fields where the setting says so, and for more columns than a table
        can have.
        """
        arrays: dict[str, pa.Array] = {}
        reasons: dict[int, str] = {}
        fields = set().union(*rows) - self._declared
        new = _by_first_value(fields - self._firsts.keys(), rows)
        # a field whose name stays as it is gets it, also where one that would be called so came before it
        self._kept_free = {name for name in new if plain_name(name, self._naming) == name}
        for name in [*(name for name in self._firsts if name in fields), *new]:
            self._take_field(name, values_of(name, rows), arrays, reasons)
        if self.ignored and self._fails:
            came = ", ".join(f"{shown(name)} in {count} rows" for name, count in sorted(self.ignored.items()))
            what = f"fields came that are neither declared nor in the table: {came}"
            raise ApiError("wrong shape", f'wrong shape: {self._endpoint.name}: {what} (new_columns = "fail")')
        return arrays, reasons

    def _take_field(self, name: str, values: list[Any], arrays: dict[str, pa.Array], reasons: dict[int, str]) -> None:
        kinds = {_KINDS[kind] for kind in set(map(type, values)) if kind is not type(None)}
        if not kinds:
            return
        first = self._firsts.get(name)
        if first is None and not self._adds and plain_name(name, self._naming) not in self._unclaimed:
            self.ignored[name] += len(values) - values.count(None)
            return
        if len(kinds) == 1 and (first or self._new(name, min(kinds))).data_type in kinds:
            homes = {self._firsts[name].name: (self._firsts[name], values)}
        else:
            homes = self._sort(name, values, reasons)
        for column, own in homes.values():
            array, misfits = typed_column(own, column.data_type)
            for i, reason in misfits.items():
                reasons.setdefault(i, f"{shown(name)} {reason}")
            if column.data_type == "bigint" and column.can_widen:
                column.can_widen = is_within(array)
            column.values += len(array) - array.null_count
            arrays[column.name] = array

    def _sort(self, name: str, values: list[Any], reasons: dict[int, str]) -> dict[str, tuple[ExtraColumn, list[Any]]]:
        """Give each value to the column that can hold it as it is."""
        homes: dict[str, tuple[ExtraColumn, list[Any]]] = {}
        for i, value in enumerate(values):
            if value is None:
                continue
            home = self._home(name, value)
            if home is None:
                held = self._firsts[name].data_type
                reasons.setdefault(i, f"{shown(name)} is {kind_of(value)}, and its column holds {held}")
                continue
            _, own = homes.setdefault(home.name, (home, [None] * len(values)))
            own[i] = value
        return homes

    def _home(self, name: str, value: object) -> ExtraColumn | None:
        kind = _KINDS[type(value)]
        first = self._firsts.get(name) or self._new(name, kind)
        if isinstance(value, int) and kind == "bigint":
            if first.data_type == "double" and is_exact_as_double(value):
                return first
            first.can_widen = first.can_widen and abs(value) <= EXACT_IN_DOUBLE
        if kind == "double" and first.data_type == "bigint" and first.can_widen:
            first.data_type = "double"
        if first.data_type == kind:
            return first
        if not self._adds:
            return None
        return self._variants.get((name, kind)) or self._new_variant(first, kind)

    def _new(self, name: str, data_type: DataType) -> ExtraColumn:
        """Return the field's column: one that the table has under that name, or a new one."""
        plain = plain_name(name, self._naming)
        if older := self._unclaimed.pop(plain, None):
            return self._keep(name, older)
        taken = self._taken | (self._kept_free - {name})
        column = ExtraColumn(name, column_name(name, self._naming, taken), data_type, self._today)
        self._firsts[name] = self._count(column)
        return column

    def _new_variant(self, first: ExtraColumn, data_type: DataType) -> ExtraColumn:
        name = variant_name(first.name, data_type)
        older = self._unclaimed.get(name)
        if older and older.get("data_type") == data_type:
            del self._unclaimed[name]
        elif name in self._taken:
            older = None
            name = column_name(f"{first.field} as {data_type}", self._naming, self._taken)
        column = ExtraColumn(first.field, name, data_type, self._today, is_variant=True, is_new=older is None)
        self._variants[first.field, data_type] = self._count(column)
        return column

    def _count(self, column: ExtraColumn) -> ExtraColumn:
        self._extras[column.name] = column
        self._taken.add(column.name)
        if len(self._taken) > _MOST_COLUMNS:
            what = f"more than {_MOST_COLUMNS} columns, the last for the field {shown(column.field)}"
            advice = 'Does the API send data as field names? new_columns = "ignore" leaves such fields out'
            raise ApiError("wrong shape", f"wrong shape: {self._endpoint.name}: {what}. {advice}")
        return column

    def _hold(self, name: str, column: TColumnSchema) -> None:
        if name in self._taken or name.startswith("_dlt") or "data_type" not in column:
            return
        self._taken.add(name)
        field = dict(column).get(FIELD_HINT)
        if field is None:
            self._unclaimed[name] = column
        else:
            self._keep(str(field), column)

    def _keep(self, name: str, held: TColumnSchema) -> ExtraColumn:
        hints: dict[str, Any] = dict(held)
        column = ExtraColumn(
            name,
            hints["name"],
            hints["data_type"],
            hints.get(FIRST_SEEN_HINT, ""),
            is_variant=bool(hints.get("variant")),
            is_new=False,
            can_widen=not hints.get(KEEPS_TYPE_HINT),
        )
        self._extras[column.name] = column
        if column.is_variant:
            self._variants[name, column.data_type] = column
        else:
            self._firsts[name] = column
        return column


def _by_first_value(fields: set[str], rows: list[Row]) -> list[str]:
    """Return the fields that have a value, in the order in which they come: by row, and by place in the row."""
    places: dict[str, tuple[int, int]] = {}
    for name in fields:
        values = values_of(name, rows)
        if values.count(None) < len(values):
            first = next(i for i, value in enumerate(values) if value is not None)
            places[name] = first, list(rows[first]).index(name)
    return sorted(places, key=places.__getitem__)


def is_within(whole_numbers: pa.Array) -> bool:
    """Say whether all of these are within what a double holds exactly."""
    edges = pc.min_max(whole_numbers).as_py()
    return edges["min"] is None or (edges["min"] >= -EXACT_IN_DOUBLE and edges["max"] <= EXACT_IN_DOUBLE)


def _declared(endpoint: Endpoint, names: dict[str, str]) -> pa.Schema:
    """Return the declared columns, the moment of reading, and dlt's own."""
    own = [pa.field(names[column.name], ARROW_TYPES[column.data_type], column.nullable) for column in endpoint.columns]
    own.append(pa.field(READ_AT.name, ARROW_TYPES[READ_AT.data_type]))
    return pa.schema([*own, *(pa.field(name, pa.string(), nullable=False) for name in (C_DLT_ID, C_DLT_LOAD_ID))])


def _held(columns: TTableSchemaColumns) -> dict[str, pa.Field]:
    """Return the columns of a table as dlt writes them, by name."""
    caps = DestinationCapabilitiesContext.generic_capabilities()
    complete = {name: column for name, column in columns.items() if column.get("data_type")}
    return {name: dlt_column_to_arrow_field(column, caps, "UTC") for name, column in complete.items()}
