"""Where JSON values become a typed column: the one place that knows how, and which values fit nowhere.

A column whose values are all of the declared kind goes to Arrow in one call; any other is converted value by value.
"""

import datetime as dt
import math
from collections.abc import Callable
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.compute as pc

from analytics_assets.ingest.endpoints import DataType

ARROW_TYPES: dict[DataType, pa.DataType] = {
    "text": pa.string(),
    "bigint": pa.int64(),
    "double": pa.float64(),
    "bool": pa.bool_(),
    "timestamp": pa.timestamp("us", "UTC"),
    "json": pa.string(),
}
TOO_DEEP = "is nested too deep"

_INT64 = 2**63
_MISREAD: dict[DataType, type] = {"bigint": float, "double": bool}


def typed_column(values: list[Any], data_type: DataType) -> tuple[pa.Array, dict[int, str]]:
    """Return the values as an array of the declared type; null and, by position, the reason where one fits nowhere."""
    try:
        return _in_one_call(values, data_type), {}
    except (ValueError, TypeError, OverflowError):
        return _one_by_one(values, data_type)


class RejectedError(ValueError):
    """A value that cannot be loaded as its column is declared; the message is the reason."""


def moment(value: object) -> dt.datetime:
    """Read a point in time: ISO 8601 text (no offset means UTC; a date means its midnight) or epoch seconds. In UTC."""
    if isinstance(value, str):
        try:
            parsed = dt.datetime.fromisoformat(value.strip())
            return parsed.replace(tzinfo=dt.UTC) if parsed.tzinfo is None else parsed.astimezone(dt.UTC)
        except (ValueError, OverflowError):
            msg = "is no ISO 8601 time"
            raise RejectedError(msg) from None
    if isinstance(value, int | float) and not isinstance(value, bool):
        try:
            return dt.datetime.fromtimestamp(value, dt.UTC)
        except (ValueError, OverflowError, OSError):
            msg = "is no time in epoch seconds"
            raise RejectedError(msg) from None
    msg = f"is {kind_of(value)}, not a time"
    raise RejectedError(msg)


def _text(value: object) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    msg = f"is {kind_of(value)}, not text"
    raise RejectedError(msg)


def _bigint(value: object) -> int:
    if isinstance(value, str):
        try:
            value = int(value)
        except ValueError:
            msg = "is text, not a whole number"
            raise RejectedError(msg) from None
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool):
        msg = f"is {kind_of(value)}, not a whole number"
        raise RejectedError(msg)
    if not -_INT64 <= value < _INT64:
        msg = "is out of the range of a 64-bit number"
        raise RejectedError(msg)
    return value


def _double(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        msg = f"is {kind_of(value)}, not a number"
        raise RejectedError(msg)
    try:
        number = float(value)
    except (ValueError, OverflowError):
        msg = "is no number that fits"
        raise RejectedError(msg) from None
    if not math.isfinite(number):
        msg = "is not a finite number"
        raise RejectedError(msg)
    return number


def _bool(value: object) -> bool:
    if isinstance(value, bool):
        return value
    msg = f"is {kind_of(value)}, not true or false"
    raise RejectedError(msg)


def json_text(value: object) -> str:
    """Write a value as JSON; raises ``RejectedError`` for one that is nested deeper than orjson writes."""
    try:
        return orjson.dumps(value).decode()
    except TypeError:
        msg = TOO_DEEP
        raise RejectedError(msg) from None


_CONVERT: dict[DataType, Callable[[Any], Any]] = {
    "text": _text,
    "bigint": _bigint,
    "double": _double,
    "bool": _bool,
    "timestamp": moment,
    "json": json_text,
}


def kind_of(value: object) -> str:
    """Name a JSON value's type as JSON does."""
    names = {bool: "a boolean", int: "a number", float: "a number", str: "text", dict: "an object", list: "a list"}
    return names.get(type(value), "null")


def _in_one_call(values: list[Any], data_type: DataType) -> pa.Array:
    """Convert a column whose values are all of the declared kind; raises when one needs a closer look."""
    if data_type == "json":
        return pa.array([None if value is None else json_text(value) for value in values], pa.string())
    if data_type == "timestamp":
        array = pa.array(values, pa.string()).cast(ARROW_TYPES["timestamp"])
        # raises for the years that an offset moves out of Python's 1 to 9999
        pc.min_max(array).as_py()
        return array
    if _MISREAD.get(data_type) in set(map(type, values)):
        msg = "Arrow would cut 3.5 to 3, and make true 1.0"
        raise TypeError(msg)
    return pa.array(values, ARROW_TYPES[data_type])


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
