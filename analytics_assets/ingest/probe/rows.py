"""What rows show of their id, their cursor, and lists in them that are the rows proper."""

import datetime as dt
import itertools
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from dlt.common.normalizers.naming.snake_case import NamingConvention

from analytics_assets.ingest.fields import Row
from analytics_assets.ingest.table.unnest import unnested
from analytics_assets.ingest.table.values import RejectedError, moment

_CURSORS = [
    "timestamp",
    "created_time",
    "created_at",
    "date",
    "end_time",
    "posted_at",
    "published_at",
    "time",
    "day",
    "ts",
    "created",
    "published",
    "datetime",
    "start_time",
    "date_start",
    "event_time",
    "occurred_at",
    "inserted_at",
    "date_created",
    "creation_date",
]
# they say when a row was changed or goes, and so move it from one window into another
_NOT_OF_THE_ROW = re.compile(r"updat|modif|chang|edit|expir|delet|refresh|fetch|sync")
_OF_TIME = re.compile(r"(^|_)(time|date|day|at|ts|on|timestamp|created|published|posted|epoch)(_|$)|time|date")
_IDS = ["id", "uuid", "guid", "_id", "pk", "key"]
_PARTS_OF_IDS = re.compile(
    r"(^|_)(id|uuid|key|code|name|metric|account|user|username|type|period|platform|country|lang)$"
)
# numbers that count seconds or milliseconds, from 2001 on and until 2100
_SECONDS, _MILLISECONDS = (978_000_000, 4_103_000_000), (978_000_000_000, 4_103_000_000_000)
_DATE_TEXT = re.compile(r"\d{4}-\d\d-\d\d")
_EPOCH_TEXT = re.compile(r"\d{10}(\d{3})?")
_MOST_PARTS = 8
_NAMING = NamingConvention()


@dataclass(frozen=True)
class CursorField:
    """A field that says at what time a row belongs: its path, its moments (``None`` where a row has none), its form."""

    path: str
    moments: list[dt.datetime | None]
    form: str
    """``datetime``, ``date`` or ``epoch``, as the values are written."""
    is_sure: bool
    unnest: str = ""
    """The list inside of each item that the rows stand in, if they do."""

    def moments_in(self, items: list[Row]) -> list[dt.datetime | None]:
        """Return the moments of other rows, or of those in other items."""
        rows = unnested(items, self.unnest)[0] if self.unnest else items
        return [_moment(_at(row, self.path)) for row in rows]


def fields_of(rows: list[Row]) -> dict[str, list[Any]]:
    """Return the rows' values by path; fields of an object inside a row are at ``object.field``."""
    paths: dict[str, None] = {}
    for row in rows:
        for name, value in row.items():
            paths[name] = None
            if isinstance(value, dict):
                paths.update(dict.fromkeys(f"{name}.{inner}" for inner in value if "." not in inner))
    return {path: [_at(row, path) for row in rows] for path in paths}


def column_for(path: str) -> str:
    """Return the column's name for a field: ``media_id`` for ``mediaId`` and for ``node.media_id``."""
    name = path if path.count(".") == 0 else path.rpartition(".")[2]
    plain = re.sub(r"[^a-z0-9_]", "_", _NAMING.normalize_identifier(name.strip() or "_").lower()).strip("_")
    plain = re.sub(r"__+", "_", plain)
    return plain if plain[:1].isalpha() else f"field_{plain}".rstrip("_")


def cursor_field(fields: Mapping[str, list[Any]], ours: str | None, unnest: str = "") -> CursorField | None:
    """Return the field whose values all are moments, the one called like our cursor or like the usual ones first."""
    found = []
    for path, values in fields.items():
        if form := form_of(path, values):
            name = column_for(path)
            place = -1 if path == ours else _CURSORS.index(name) if name in _CURSORS else len(_CURSORS)
            changes = bool(_NOT_OF_THE_ROW.search(name))
            # at the same likelihood the one that stands in the row itself
            found.append(((changes, place, path.count(".")), path, form))
    if not found:
        return None
    (changes, place, _), path, form = min(found, key=lambda one: one[0])
    is_sure = not changes and (place < len(_CURSORS) or len(found) == 1)
    return CursorField(path, [_moment(value) for value in fields[path]], form, is_sure, unnest)


def id_fields(fields: Mapping[str, list[Any]], name: str) -> tuple[tuple[str, ...], bool]:
    """Return the fields that a row is known by, and whether they are called so; none where none are distinct."""
    whole = {path: values for path, values in fields.items() if _identifies(values)}
    singular = f"{name.removesuffix('ies')}y_id" if name.endswith("ies") else f"{name.removesuffix('s')}_id"
    named = [path for path in whole if column_for(path) in _IDS or path in _IDS]
    named.sort(key=lambda path: (path.count("."), path not in _IDS, path))
    named += [path for path in whole if column_for(path) == singular and path not in named]
    likely = [path for path in whole if column_for(path).endswith(("_id", "_uuid", "_key")) and path not in named]
    for path in [*named, *likely]:
        if _is_distinct([whole[path]]):
            return (path,), path in named
    parts = [path for path, values in whole.items() if _is_part_of_id(path, values)][:_MOST_PARTS]
    for count in (2, 3):
        for several in itertools.combinations(parts, count):
            if _is_distinct([whole[path] for path in several]):
                return several, False
    return (), False


def nested_list(rows: list[Row], *, has_cursor: bool) -> str | None:
    """Return the field of each item that has a list of rows: objects with a moment, where the item itself has none."""
    if has_cursor or not rows:
        return None
    for name in dict.fromkeys(itertools.chain.from_iterable(rows)):
        lists = [row.get(name) for row in rows]
        elements = [one for value in lists if isinstance(value, list) for one in value]
        objects = [one for one in elements if isinstance(one, dict)]
        is_list = re.fullmatch(r"[^.\[\]$*]+", name) and objects and len(objects) == len(elements)
        if is_list and (name == "values" or cursor_field(fields_of(objects), None)):
            return name
    return None


def _at(row: Row, path: str) -> object:
    if path in row:
        return row[path]
    outer, _, inner = path.partition(".")
    value = row.get(outer)
    return value.get(inner) if isinstance(value, dict) else None


def form_of(path: str, values: Iterable[object]) -> str | None:
    """Return how the moments in these values are written; ``None`` where they are none."""
    present = [value for value in values if value is not None]
    name = column_for(path)
    if not present or any(isinstance(value, bool | dict | list) for value in present):
        return None
    if all(
        isinstance(value, int | float) or (isinstance(value, str) and _EPOCH_TEXT.fullmatch(value)) for value in present
    ):
        numbers = [float(str(value)) for value in present]
        is_epoch = any(all(low <= one <= high for one in numbers) for low, high in (_SECONDS, _MILLISECONDS))
        return "epoch" if is_epoch and _OF_TIME.search(name) else None
    if not all(isinstance(value, str) and _DATE_TEXT.match(value) and _moment(value) for value in present):
        return None
    return "date" if all(_DATE_TEXT.fullmatch(str(value)) for value in present) else "datetime"


def _moment(value: object) -> dt.datetime | None:
    try:
        return None if value is None else moment(value)
    except RejectedError:
        return None


def _identifies(values: list[Any]) -> bool:
    return bool(values) and all(isinstance(value, str | int) and not isinstance(value, bool) for value in values)


def _is_part_of_id(path: str, values: list[Any]) -> bool:
    name = column_for(path)
    return bool(_PARTS_OF_IDS.search(name) or (form_of(path, values) and not _NOT_OF_THE_ROW.search(name)))


def _is_distinct(columns: list[list[Any]]) -> bool:
    together = list(zip(*columns, strict=True))
    return len(set(together)) == len(together)
