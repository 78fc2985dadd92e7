"""What an endpoint is: path, id, cursor, columns. The four of them stand in ``endpoints.py``."""

import re
from dataclasses import dataclass
from typing import Literal

DataType = Literal["text", "bigint", "double", "bool", "timestamp", "json"]

_NAME = re.compile(r"[a-z][a-z0-9_]*")


@dataclass(frozen=True, kw_only=True)
class NumberIn:
    """Where a computed column has its number from: a field, and the field that names the metric it measures.

    ``period`` is the field that says what span the number covers, if there is one.
    """

    field: str
    metric: str
    period: str = ""


@dataclass(frozen=True, kw_only=True)
class Column:
    """A declared column: its dlt data type, whether the API may leave it out, and one line for the catalogue.

    ``source`` is where the API's rows have it, a field or a path into objects, if that is not its name. Of a column
    that ``is_hashed`` a keyed hash is stored in the place of each value. ``number_in`` makes it one that the API does
    not send, a ``double`` that is computed from a field of the row. ``references`` is the endpoint whose id it holds.
    A column that ``says_whose`` has what the row's numbers are of: a post, a story, an account.
    """

    name: str
    data_type: DataType
    description: str
    nullable: bool = True
    source: str = ""
    is_hashed: bool = False
    number_in: NumberIn | None = None
    references: str = ""
    says_whose: bool = False

    @property
    def field(self) -> str:
        """Where the API's rows have its value."""
        return self.source or self.name


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """A list endpoint and the table it becomes.

    Refuses, with ``ValueError``, a name that is no SQL identifier, a path without a leading slash, a column named
    twice, an id or cursor that is not a declared column of the right kind, and a column computed from what is not
    declared. ``id`` is the column, or the columns together, that a row is known by. A list without a ``cursor`` is read
    whole each time. ``ignored`` are fields that become no column. ``unnest`` is an item's list of rows, if any.
    """

    name: str
    path: str
    cursor: str | None
    columns: tuple[Column, ...]
    description: str
    id: str | tuple[str, ...] = "id"
    ignored: frozenset[str] = frozenset()
    unnest: str = ""

    def __post_init__(self) -> None:
        names = [column.name for column in self.columns]
        if not _NAME.fullmatch(self.name) or "__" in self.name:
            msg = f"endpoint {self.name!r}: a name is lower case letters, digits and single underscores"
            raise ValueError(msg)
        if not self.path.startswith("/"):
            msg = f"endpoint {self.name!r}: path {self.path!r} must start with '/'"
            raise ValueError(msg)
        if len(set(names)) != len(names):
            msg = f"endpoint {self.name!r}: a column is declared twice in {names}"
            raise ValueError(msg)
        for field in self.merge_key or ("",):
            if field not in names or self.column(field).nullable or self.merge_key.count(field) > 1:
                msg = f"endpoint {self.name!r}: id {field!r} must be a declared column that is not nullable, named once"
                raise ValueError(msg)
        if self.cursor and (self.cursor not in names or self.column(self.cursor).data_type != "timestamp"):
            msg = f"endpoint {self.name!r}: cursor {self.cursor!r} must be a declared timestamp column"
            raise ValueError(msg)
        self._check_computed()

    def _check_computed(self) -> None:
        sent = {column.name for column in self.sent_columns}
        for column in self.columns:
            number_in = column.number_in
            if number_in and not {number_in.field, number_in.metric} <= sent:
                msg = f"endpoint {self.name!r}: {column.name!r} is computed from columns that are not declared"
                raise ValueError(msg)
            if number_in and (column.data_type != "double" or not column.nullable):
                msg = f"endpoint {self.name!r}: {column.name!r} is computed, so it is a nullable double and no id"
                raise ValueError(msg)

    def column(self, name: str) -> Column:
        """Return the declared column of that name; ``StopIteration`` if there is none."""
        return next(column for column in self.columns if column.name == name)

    @property
    def sent_columns(self) -> tuple[Column, ...]:
        """The columns whose values the API sends; the others are computed from them."""
        return tuple(column for column in self.columns if column.number_in is None)

    @property
    def merge_key(self) -> tuple[str, ...]:
        """The fields of ``id``."""
        return (self.id,) if isinstance(self.id, str) else self.id

    @property
    def item_key(self) -> tuple[str, ...]:
        """Where the items of the API's list have what they are known by; nothing where an item is known as a whole."""
        return () if self.unnest else tuple(self.column(name).field for name in self.merge_key)

    @property
    def hidden(self) -> frozenset[str]:
        """The fields of the API's rows that must not be stored as they are, and the list that these may stand in."""
        hidden = self.ignored.union(column.field for column in self.columns if column.is_hashed)
        return hidden | {self.unnest} if hidden and self.unnest else hidden

    @property
    def has_hashes(self) -> bool:
        """Whether a column holds hashes, for which a salt is needed."""
        return any(column.is_hashed for column in self.columns)

    @property
    def measured(self) -> tuple[Column, ...]:
        """The columns that hold what is measured: fields that a number is computed from, and numbers themselves."""
        computed_from = {column.number_in.field for column in self.columns if column.number_in}
        plain = {"bigint", "double"}
        return tuple(
            column
            for column in self.sent_columns
            if column.name not in self.merge_key
            and not (column.is_hashed or column.references)
            and (column.name in computed_from or column.data_type in plain)
        )

    @property
    def measured_alone(self) -> tuple[Column, ...]:
        """Those of ``measured`` that are a number each, and not a value of which a number is computed."""
        computed_from = {column.number_in.field for column in self.columns if column.number_in}
        return tuple(column for column in self.measured if column.name not in computed_from)

    @property
    def metric(self) -> str | None:
        """The column that names the metric of a row's value; ``None`` where rows have a column for each number."""
        return next((column.number_in.metric for column in self.columns if column.number_in), None)

    @property
    def period(self) -> str | None:
        """The column that says what span a row's value covers; ``None`` where rows have none."""
        named = (column.number_in.period for column in self.columns if column.number_in)
        period = next(named, "")
        return period if period in {column.name for column in self.sent_columns} else None

    @property
    def whose(self) -> tuple[str, ...] | None:
        """The columns that say what a row's numbers are of; empty where all are of one, ``None`` where none says it.

        They are those that are declared so; else the id without what says which number it is, where the id is several
        columns; else the id of rows that have a column for each number.
        """
        if declared := tuple(column.name for column in self.columns if column.says_whose):
            return declared
        if len(self.merge_key) > 1:
            which = {self.metric, self.period, self.cursor}
            return tuple(name for name in self.merge_key if name not in which)
        return None if self.metric else self.merge_key

    @property
    def restated_by(self) -> str | None:
        """The column that says when the API last changed a row; ``None`` where rows have none."""
        return self._moment("updated_at")

    @property
    def item_state(self) -> str | None:
        """Where the items have what tells two states of one from each other, as ``restated_by`` does."""
        return self.column(self.restated_by).field if self.restated_by and not self.unnest else None

    @property
    def expires_by(self) -> str | None:
        """The column that says when the API stops returning a row; ``None`` where it does not do so."""
        return self._moment("expires_at")

    def _moment(self, name: str) -> str | None:
        found = (column for column in self.columns if (column.name, column.data_type) == (name, "timestamp"))
        return next((column.name for column in found if not column.is_hashed), None)


READ_AT = Column(
    name="_analytics_read_at",
    data_type="timestamp",
    description="When the API's answer with the row arrived (UTC); says which of two states of a row was read later",
)
"""The column that every table has besides the endpoint's own."""
