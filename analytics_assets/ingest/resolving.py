"""What the settings say of an endpoint, put together with what is declared of it in ``endpoints.py``."""

from collections.abc import Iterable
from dataclasses import replace

from analytics_assets.ingest.endpoint import Column, Endpoint
from analytics_assets.ingest.endpoint_settings import ColumnSettings, EndpointSettings
from analytics_assets.ingest.fields import is_plain, top_field

_ID = Column(name="id", data_type="text", nullable=False, description="What the API knows the row by; the merge key")
_CURSOR = Column(name="cursor", data_type="timestamp", description="Moment the row is of (UTC); the cursor")


def resolved(name: str, declared: Endpoint | None, own: EndpointSettings, *, has_window: bool) -> Endpoint:
    """Return the endpoint of that name as this vendor has it; one that is not ``declared`` is added by its settings.

    Without a window it needs no cursor. Raises ``ValueError``, in one sentence, where that makes no endpoint.
    """
    base = declared or _added(name, own, has_window=has_window)
    ours = {column.name: column for column in base.columns}
    columns = {} if own.declared_columns == "only mine" else dict(ours)
    merge_key = base.merge_key if own.id is None else (own.id,) if isinstance(own.id, str) else own.id
    cursor = own.cursor or base.cursor
    if not (own.cursor or has_window or cursor in {*columns, *own.columns}):
        cursor = None
    taken_over = _take_over(columns, base, merge_key, cursor)
    ignored = {field for field, column in own.columns.items() if column.ignore}
    for column_name, column in own.columns.items():
        if not column.ignore:
            known = columns.get(column_name) or ours.get(column_name)
            columns[column_name] = _declared_by(column_name, column, known, name)
    for field in merge_key:
        columns[field] = replace(columns[field], nullable=False)
    gone = {*(taken_over - {*merge_key, cursor}), *ignored}
    kept = _that_can_be_computed([column for name, column in columns.items() if name not in gone])
    return replace(
        base,
        path=own.path or base.path,
        cursor=cursor,
        id=merge_key[0] if len(merge_key) == 1 else merge_key,
        description=own.description or base.description,
        columns=kept,
        unnest=own.unnest,
        ignored=frozenset(ignored | _around_hashes(name, kept)),
    )


def _added(name: str, own: EndpointSettings, *, has_window: bool) -> Endpoint:
    if has_window and own.cursor is None:
        msg = (
            f"endpoint {name!r} has no cursor: name the field that has the time of a row, or set window_start_param "
            'and window_end_param to "" for a list that is read whole each time'
        )
        raise ValueError(msg)
    columns = (_ID, replace(_CURSOR, name=own.cursor)) if own.cursor else (_ID,)
    return Endpoint(
        name=name, path=own.path or "", cursor=own.cursor, columns=columns, description=f"What {own.path} returns."
    )


def _take_over(columns: dict[str, Column], base: Endpoint, merge_key: tuple[str, ...], cursor: str | None) -> set[str]:
    """Declare the columns of id and cursor that are not; return those of ours in whose place they are.

    Where the id is several fields, those that are not declared become text columns, and ours is none any more.
    """
    taken_over = set()
    of_cursor = [(base.cursor, _CURSOR, cursor)] if cursor else []
    declared = {column.name: column for column in base.columns}
    # where the id is the cursor too, or has it as a part, it has the cursor's type
    of_id = [(base.merge_key[0], _CURSOR if field == cursor else _ID, field) for field in merge_key]
    for ours, any_such, theirs in [*of_id, *of_cursor]:
        if theirs not in columns:
            like = columns.get(base.cursor or "") if theirs == cursor else columns.get(ours or "")
            columns[theirs] = declared.get(theirs) or replace(like or any_such, name=theirs)
            taken_over |= {ours or "", *([base.cursor or ""] if theirs == cursor else [])}
    return taken_over


def _declared_by(name: str, own: ColumnSettings, ours: Column | None, endpoint: str) -> Column:
    """Return the column that the settings declare; what they do not say of it is as in ours of that name."""
    data_type = "text" if own.hash else own.data_type or (ours.data_type if ours else None)
    if data_type is None:
        msg = f"endpoint {endpoint!r}: columns.{name} has no data_type, and none is known for a column of that name"
        raise ValueError(msg)
    told = f"The API's {own.source}" if own.source else "Declared by the settings"
    return Column(
        name=name,
        data_type=data_type,
        description=own.description or (ours.description if ours else told),
        nullable=ours.nullable if ours else True,
        source=own.source or (ours.source if ours else ""),
        is_hashed=own.hash,
        references=own.references or (ours.references if ours else ""),
        says_whose=ours.says_whose if ours else False,
    )


def _that_can_be_computed(columns: list[Column]) -> tuple[Column, ...]:
    """Leave out the columns that are computed from such as are not there any more, or are hashed."""
    plain = {column.name for column in columns if not column.is_hashed and column.number_in is None}
    return tuple(
        column
        for column in columns
        if column.number_in is None or {column.number_in.field, column.number_in.metric} <= plain
    )


def _around_hashes(name: str, columns: Iterable[Column]) -> set[str]:
    """Return the fields that have a value inside which is stored as a hash, and so become no column themselves."""
    around = {top_field(column.field) for column in columns if column.is_hashed and not is_plain(column.field)}
    hashed = {column.field for column in columns if column.is_hashed}
    for column in columns:
        inside = any(path.startswith((f"{column.field}.", f"{column.field}[")) for path in hashed)
        if not column.is_hashed and column.number_in is None and (inside or column.field in around | hashed):
            msg = f"endpoint {name!r}: the column {column.name!r} would hold in clear what another column hashes"
            raise ValueError(msg)
    return around
