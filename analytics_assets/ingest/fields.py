"""Where a value stands in a row of the API: under a field's name, or at a path into the row's objects."""

from collections.abc import Callable
from functools import lru_cache
from operator import itemgetter
from typing import Any

from dlt.common import jsonpath
from jsonpath_ng.exceptions import JSONPathError

_STEP = "."
_OF_JSONPATH = frozenset("[]$*")

Row = dict[str, Any]


def check_path(path: str) -> str:
    """Return a path that can be read; raises ``ValueError`` otherwise."""
    try:
        _reader(path)
    except (JSONPathError, AttributeError):
        msg = "must be a field, a path such as insights.reach.value, or a JSONPath such as values[0].value"
        raise ValueError(msg) from None
    return path


def top_field(path: str) -> str:
    """Return the field of the row that a path begins at."""
    return path.partition(_STEP)[0].partition("[")[0]


def values_of(field: str, rows: list[Row]) -> list[Any]:
    """Return the rows' values of a field, ``None`` where a row has none."""
    try:
        return list(map(itemgetter(field), rows))
    except KeyError:
        return [row.get(field) for row in rows]


def values_at(path: str, rows: list[Row]) -> list[Any]:
    """Return what stands at a path in each row, ``None`` where nothing does.

    ``insights.reach.value`` reaches into objects; a field whose name has the dots in it goes before that. What has
    brackets, a ``$`` or a ``*`` is a JSONPath, of which the first match counts.
    """
    if is_plain(path):
        return values_of(path, rows)
    if not _OF_JSONPATH.isdisjoint(path) or any(path in row for row in rows):
        return list(map(_reader(path), rows))
    # level by level, which takes half the time
    first, *rest = path.split(_STEP)
    values = values_of(first, rows)
    for step in rest:
        values = [value.get(step) if type(value) is dict else None for value in values]
    return values


def value_at(path: str, row: Row) -> object:
    """Return what stands at a path in one row, ``None`` where nothing does."""
    return row.get(path) if is_plain(path) else _reader(path)(row)


def is_plain(path: str) -> bool:
    """Say whether a path is the name of a field."""
    return _STEP not in path and _OF_JSONPATH.isdisjoint(path)


@lru_cache(maxsize=1_024)
def _reader(path: str) -> Callable[[Row], object]:
    if _OF_JSONPATH.isdisjoint(path):
        steps = path.split(_STEP)
        return lambda row: row[path] if path in row else _walk(row, steps)
    compiled = jsonpath.compile_path(path)
    return lambda row: next(iter(jsonpath.find_values(compiled, row)), None)


def _walk(row: Row, steps: list[str]) -> object:
    value: object = row
    for step in steps:
        value = value.get(step) if isinstance(value, dict) else None
    return value
