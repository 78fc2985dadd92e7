"""The number in a measured value, which is what a column such as ``value_number`` holds: itself, or a breakdown's sum.

``docs/columns.md`` has the rule. Where it leaves a doubt the number is null, for a null is seen and a wrong sum is not.
"""

import re
from functools import lru_cache
from typing import Any

import pyarrow as pa

from analytics_assets.ingest.endpoint import Endpoint, NumberIn
from analytics_assets.ingest.fields import value_at, values_at
from analytics_assets.ingest.table.values import RejectedError, double

# Arrow takes columns of these in one call
_PLAIN = {int, float, type(None)}
# what an object calls its own number, where it says more than that: {"country": "DE", "value": 3}
_OWN_NUMBER = frozenset({"total", "value", "count"})
_DOES_NOT_ADD_UP = frozenset(
    [
        "average",
        "avg",
        "mean",
        "median",
        "rate",
        "rates",
        "ratio",
        "ratios",
        "percent",
        "percentage",
        "percentages",
        "percentile",
        "pct",
        "per",
        "min",
        "minimum",
        "max",
        "maximum",
        "score",
        "frequency",
        "ctr",
        "cpm",
        "cpc",
    ]
)
_WORDS = re.compile("[A-Z]?[a-z]+|[A-Z]+(?![a-z])")

Number = int | float


def places_of_numbers(endpoint: Endpoint) -> dict[str, NumberIn]:
    """Return, by computed column, where in a row its number and its metric stand."""
    return {
        column.name: NumberIn(
            field=endpoint.column(column.number_in.field).field, metric=endpoint.column(column.number_in.metric).field
        )
        for column in endpoint.columns
        if column.number_in
    }


def number_column(rows: list[dict[str, Any]], number_in: NumberIn) -> pa.Array:
    """Return the number in a field of each row as a double, null where it has none.

    ``number_in`` names places in the rows, and not columns.
    """
    values = values_at(number_in.field, rows)
    for i, kind in enumerate(map(type, values)):
        if kind not in _PLAIN:
            values[i] = _number(values[i], value_at(number_in.metric, rows[i]))
    try:
        return pa.array(values, pa.float64())
    except (ValueError, OverflowError):
        # beyond 2**53 the nearest one; the value itself is exact in its own column
        return pa.array([None if value is None else _nearest(value) for value in values], pa.float64())


@lru_cache(maxsize=1_024)
def adds_up(metric: object) -> bool:
    """Say whether the parts of a metric's breakdown add up to it, as its name has it: averages and ratios do not."""
    return _DOES_NOT_ADD_UP.isdisjoint(word.lower() for word in _WORDS.findall(str(metric)))


def _number(value: object, metric: object) -> Number | None:
    if not isinstance(value, dict | list):
        return _plain(value)
    parts = _parts(value)
    if len(parts) == 1:
        return parts[0]
    # the parts of a count are counts; fractions are shares, or averages of another name
    is_count = adds_up(str(metric)) and all(part is not None and part % 1 == 0 for part in parts)
    return sum(part for part in parts if part is not None) if parts and is_count else None


def _plain(value: object) -> Number | None:
    """Return a number, also one that is written as text, as a declared ``double`` takes it."""
    try:
        return value if type(value) is int else double(value)
    except RejectedError:
        return None


def _parts(breakdown: dict[str, Any] | list[Any]) -> list[Number | None]:
    """Return the numbers in a breakdown at all its levels, ``None`` for each part that has none; nulls are no parts."""
    parts: list[Number | None] = []
    # no recursion, for what comes is nested as deeply as it is
    waiting: list[Any] = [breakdown]
    while waiting:
        part = waiting.pop()
        if isinstance(part, dict):
            own = _OWN_NUMBER & part.keys()
            waiting += [part[name] for name in own] if len(own) == 1 else part.values()
            parts += [None] * (len(own) > 1)
        elif isinstance(part, list):
            # beside its number each says what it is of, which may be a number as well
            is_told = all(isinstance(each, dict) and len(_OWN_NUMBER & each.keys()) == 1 for each in part)
            waiting += part if is_told else []
            parts += [None] * (not is_told)
        elif part is not None:
            parts.append(_plain(part))
    return parts


def _nearest(number: Number) -> float | None:
    try:
        return float(number)
    except OverflowError:
        return None
