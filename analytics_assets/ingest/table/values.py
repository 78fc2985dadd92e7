"""Where JSON values become a typed column: the one place that knows how, and which values fit nowhere.

A column whose values are all of its own kind goes to Arrow in one call; any other is converted value by value. The rule
is in docs/columns.md: a value arrives as the API sent it, or its row is set aside with the reason.
"""

import datetime as dt
import math
import re
from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from analytics_assets.ingest import exact_json
from analytics_assets.ingest.endpoint import DataType

ARROW_TYPES: dict[DataType, pa.DataType] = {
    "text": pa.string(),
    "bigint": pa.int64(),
    "double": pa.float64(),
    "bool": pa.bool_(),
    "timestamp": pa.timestamp("us", "UTC"),
    "json": pa.string(),
}
TOO_DEEP = "is nested too deep"
HAS_NUL = "holds a NUL character, which PostgreSQL cannot store"

# up to it a double holds each whole number
EXACT_IN_DOUBLE = 2**53

_INT64 = 2**63
_MOST_DIGITS = 100
# what `int` and `float` read is more: 1_000, digits of other scripts, nan
_WHOLE_TEXT = re.compile(r"\s*[+-]?[0-9]+\s*", re.ASCII)
_NUMBER_TEXT = re.compile(r"\s*[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?\s*", re.ASCII)
# not eight digits, which are a date: 20250301
_EPOCH_TEXT = re.compile(r"\s*-?[0-9]{9,13}(\.[0-9]+)?\s*", re.ASCII)
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_MILLISECONDS_FROM = 10**11
_NUL = re.compile(b"\0")
# an escape, not a backslash that stands before `u0000`
_NUL_ESCAPE = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")
# Types of which Arrow makes a value of the column without a word: 3.5 would become 3, and true 1.0. A column that holds
# one goes value by value.
_COERCED_BY_ARROW: dict[DataType, type] = {"bigint": float, "double": bool}


class RejectedError(ValueError):
    """A value that cannot be loaded as its column is declared; the message is the reason."""


def typed_column(values: list[Any], data_type: DataType) -> tuple[pa.Array, dict[int, str]]:
    """Return the values as an array of that type; null and, by position, the reason where one fits nowhere."""
    try:
        return _in_one_call(values, data_type), {}
    except (ValueError, TypeError, OverflowError):
        return _one_by_one(values, data_type)


def moment(value: object) -> dt.datetime:
    """Read a point in time, in UTC: ISO 8601 text (no offset: UTC; a date: its midnight), or an epoch's number.

    That counts seconds. From 100,000,000,000 on it counts milliseconds: as seconds, these would be the year 5138 and
    later.
    """
    if isinstance(value, str) and _EPOCH_TEXT.fullmatch(value):
        value = float(value) if "." in value else int(value)
    if isinstance(value, str):
        try:
            parsed = dt.datetime.fromisoformat(value.strip())
            return parsed.replace(tzinfo=dt.UTC) if parsed.tzinfo is None else parsed.astimezone(dt.UTC)
        except (ValueError, OverflowError):
            msg = "is no ISO 8601 time"
            raise RejectedError(msg) from None
    if isinstance(value, int | float) and not isinstance(value, bool):
        try:
            if abs(value) >= _MILLISECONDS_FROM:
                return _EPOCH + dt.timedelta(milliseconds=value)
            return dt.datetime.fromtimestamp(value, dt.UTC)
        except (ValueError, OverflowError, OSError):
            msg = "is no time in epoch seconds or milliseconds"
            raise RejectedError(msg) from None
    msg = f"is {kind_of(value)}, not a time"
    raise RejectedError(msg)


def is_exact_as_double(number: int) -> bool:
    """Say whether a double holds this whole number exactly: each up to 2**53, beyond that some."""
    try:
        return int(float(number)) == number
    except OverflowError:
        return False


def kind_of(value: object) -> str:
    """Name a JSON value's type as JSON does."""
    names = {bool: "a boolean", int: "a number", float: "a number", str: "text", dict: "an object", list: "a list"}
    return names.get(type(value), "null")


def _text(value: object) -> str:
    if isinstance(value, str):
        if "\0" in value:
            raise RejectedError(HAS_NUL)
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    msg = f"is {kind_of(value)}, not text"
    raise RejectedError(msg)


def _bigint(value: object) -> int:
    if isinstance(value, str):
        if not _WHOLE_TEXT.fullmatch(value):
            msg = "is text, not a whole number"
            raise RejectedError(msg)
        # a longer one is out of range anyway, and `int` refuses some thousand digits
        value = int(value) if len(value) <= _MOST_DIGITS else _INT64
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool):
        msg = f"is {kind_of(value)}, not a whole number"
        raise RejectedError(msg)
    if not -_INT64 <= value < _INT64:
        msg = "is out of the range of a 64-bit number"
        raise RejectedError(msg)
    return value


def double(value: object) -> float:
    """Read a number, also from text; raises ``RejectedError`` where there is none, or a double would change it."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        msg = f"is {kind_of(value)}, not a number"
        raise RejectedError(msg)
    if isinstance(value, str) and not _NUMBER_TEXT.fullmatch(value):
        msg = "is no number that fits"
        raise RejectedError(msg)
    if isinstance(value, int) and not is_exact_as_double(value):
        msg = "is a whole number that a double cannot hold exactly"
        raise RejectedError(msg)
    number = float(value)
    if not math.isfinite(number):
        msg = "is not a finite number"
        raise RejectedError(msg)
    return number


def _bool(value: object) -> bool:
    if isinstance(value, bool):
        return value
    msg = f"is {kind_of(value)}, not true or false"
    raise RejectedError(msg)


def _json(value: object) -> str:
    try:
        text = exact_json.write(value)
    except exact_json.TooDeepError:
        raise RejectedError(TOO_DEEP) from None
    if _NUL_ESCAPE.search(text.encode()):
        raise RejectedError(HAS_NUL)
    return text


_CONVERT: dict[DataType, Callable[[Any], Any]] = {
    "text": _text,
    "bigint": _bigint,
    "double": double,
    "bool": _bool,
    "timestamp": moment,
    "json": _json,
}


def _in_one_call(values: list[Any], data_type: DataType) -> pa.Array:
    """Convert a column whose values are all of the column's kind; raises when one needs a closer look."""
    if data_type == "json":
        write = exact_json.write
        array = pa.array([None if value is None else write(value) for value in values], pa.string())
        return _without(_NUL_ESCAPE, array)
    if data_type == "timestamp":
        array = pa.array(values, pa.string()).cast(ARROW_TYPES["timestamp"])
        # raises for the years that an offset moves out of Python's 1 to 9999
        pc.min_max(array).as_py()
        return array
    if _COERCED_BY_ARROW.get(data_type) in set(map(type, values)):
        msg = "one by one"
        raise TypeError(msg)
    array = pa.array(values, ARROW_TYPES[data_type])
    return _without(_NUL, array) if data_type == "text" else array


def _without(unwanted: re.Pattern[bytes], array: pa.Array) -> pa.Array:
    """Return the array; raises ``ValueError`` when its text holds this: one search through all of it."""
    text = array.buffers()[2]
    if text is not None and unwanted.search(text):
        raise ValueError(HAS_NUL)
    return array


def _one_by_one(values: list[Any], data_type: DataType) -> tuple[pa.Array, dict[int, str]]:
    """Convert a column value by value; a value that fits nowhere becomes null, with the reason under its position."""
    convert = _CONVERT[data_type]
    converted: list[Any] = [None] * len(values)
    misfits: dict[int, str] = {}
    for i, value in enumerate(values):
        try:
            converted[i] = None if value is None else convert(value)
        except RejectedError as error:
            misfits[i] = str(error)
    return pa.array(converted, ARROW_TYPES[data_type]), misfits
