"""The numbers in an endpoint's table, for queries: which columns hold them, what they measure, and of which day."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from analytics_assets.ingest.endpoint import Endpoint
from analytics_assets.ingest.warehouse.view import Tables

_NUMBERS = {"bigint", "double"}


@dataclass(frozen=True)
class Measured:
    """A column that holds numbers, as the warehouse calls it, and its dlt data type.

    ``number`` is the column that has the number in the value, and ``metric`` the one that names what is measured; a
    column without it is a metric itself.
    """

    column: str
    data_type: str
    number: str | None
    metric: str | None


class NumbersOf:
    """The numbers in the rows of an endpoint's table, as a query has them, where it calls that table ``row``.

    ``columns`` are those that the table has, with their data types.
    """

    def __init__(self, tables: Tables, endpoint: Endpoint, columns: Mapping[str, str]) -> None:
        self._tables = tables
        self._endpoint = endpoint
        self._columns = columns
        self.measured = tuple(_measured(tables, endpoint, columns))

    @property
    def columns(self) -> list[str]:
        """The columns, as a query names them, that these queries look at, those of the merge key aside."""
        cursor = [str(self._endpoint.cursor)] if self._has_cursor else []
        looked_at = [name for one in self.measured for name in (one.column, one.number, one.metric) if name]
        return list(dict.fromkeys(map(self._tables.column, [*cursor, *looked_at])))

    @property
    def _has_cursor(self) -> bool:
        cursor = self._endpoint.cursor
        return cursor is not None and self._tables.held(cursor) in self._columns

    def id_of(self, row: str) -> str:
        """Return the id of a row as one text."""
        texts = [self._as_text(row, name) for name in self._endpoint.merge_key]
        if len(texts) == 1:
            return texts[0]
        parts = " || ', ' || ".join(f"CAST(to_json({text}) AS TEXT)" for text in texts)
        return f"'[' || {parts} || ']'"

    def moment_of(self, row: str) -> str:
        """Return the cursor of a row, or null."""
        if not self._has_cursor:
            return "CAST(NULL AS TIMESTAMP WITH TIME ZONE)"
        return f"{row}.{self._tables.column(str(self._endpoint.cursor))}"

    def day_of(self, row: str) -> str:
        """Return the day of a row, in the time zone of the settings."""
        zone = self._tables.text(self._tables.settings.timezone)
        return f"CAST({self.moment_of(row)} AT TIME ZONE {zone} AS DATE)"

    def metric_of(self, row: str, column: Measured) -> str:
        """Return what a column of a row measures."""
        itself = self._tables.text(column.column)
        if column.metric is None:
            return itself
        return f"COALESCE({self._as_text(row, column.metric)}, {itself})"

    def value_of(self, row: str, column: Measured) -> str:
        """Return a value as it can be compared: PostgreSQL's ``jsonb`` tells how it is spelt from what it is."""
        value = f"{row}.{self._tables.column(column.column)}"
        return f"CAST({value} AS jsonb)" if (self._tables.kind, column.data_type) == ("postgres", "json") else value

    def number_of(self, row: str, column: Measured) -> str:
        """Return the number in a value, or null."""
        return f"CAST({f'{row}.{self._tables.column(column.number)}' if column.number else 'NULL'} AS DOUBLE PRECISION)"

    def _as_text(self, row: str, name: str) -> str:
        value, known = f"{row}.{self._tables.column(name)}", self._tables.held(name)
        # what a moment looks like as text depends on the session
        moment = f"{value} AT TIME ZONE 'UTC'" if self._columns.get(known) == "timestamp" else value
        return f"CAST({moment} AS TEXT)"


def _measured(tables: Tables, endpoint: Endpoint, columns: Mapping[str, str]) -> Iterator[Measured]:
    """Yield the columns of an endpoint's table that hold numbers; ``columns`` are those that it has, with their types.

    They are those that the endpoint says are measured, and the numbers that nobody declared.
    """
    known = tables.held
    declared = {known(column.name) for column in endpoint.columns}
    number_in = {
        column.number_in.field: (column.name, column.number_in) for column in endpoint.columns if column.number_in
    }
    for column in endpoint.measured:
        name = known(column.name)
        if name in columns:
            number, place = number_in.get(column.name, (column.name, None))
            is_number = known(number) in columns and (place or columns[name] in _NUMBERS)
            metric = known(place.metric) if place and known(place.metric) in columns else None
            yield Measured(name, columns[name], known(number) if is_number else None, metric)
    for name, data_type in columns.items():
        if data_type in _NUMBERS and name not in declared and not name.startswith(("_dlt", "_analytics")):
            yield Measured(name, data_type, name, None)
