"""Which values a declared column takes, and which set their row aside."""

from typing import Any

import pytest

from analytics_assets.ingest.endpoint import DataType
from analytics_assets.ingest.table.values import ARROW_TYPES, HAS_NUL, typed_column

TAKEN: dict[DataType, list[tuple[Any, Any]]] = {
    "text": [("", ""), ("01", "01"), (7, "7"), (2**70, str(2**70))],
    "bigint": [(7, 7), ("17", 17), (" -17 ", -17), ("+017", 17), (12.0, 12), (1e18, 10**18), (2**63 - 1, 2**63 - 1)],
    "double": [(7, 7.0), ("1.5", 1.5), ("-.5e3", -500.0), ("7.", 7.0), (2**53, 2.0**53), (2**60, 2.0**60)],
    "bool": [(True, True), (False, False)],
    "json": [(7, "7"), ("a", '"a"'), ({"n": 2**70}, '{"n":1180591620717411303424}'), (True, "true"), ("", '""')],
}
REFUSED: dict[DataType, list[tuple[Any, str]]] = {
    "text": [("a\0", HAS_NUL), (1.5, "is a number, not text"), (True, "is a boolean, not text")],
    "bigint": [
        ("1_000", "is text, not a whole number"),
        ("\u0661\u0662", "is text, not a whole number"),
        ("", "is text, not a whole number"),
        ("1e3", "is text, not a whole number"),
        ("9" * 5000, "is out of the range of a 64-bit number"),
        (2**63, "is out of the range of a 64-bit number"),
        (3.5, "is a number, not a whole number"),
    ],
    "double": [
        (2**53 + 1, "is a whole number that a double cannot hold exactly"),
        (10**400, "is a whole number that a double cannot hold exactly"),
        ("1_0.5", "is no number that fits"),
        ("\u0661\u066b\u0665", "is no number that fits"),
        ("nan", "is no number that fits"),
        ("Infinity", "is no number that fits"),
        ("1e400", "is not a finite number"),
        (True, "is a boolean, not a number"),
    ],
    "bool": [(1, "is a number, not true or false"), ("true", "is text, not true or false")],
    "json": [({"a": "\0"}, HAS_NUL), ({"\0": 1}, HAS_NUL)],
}


@pytest.mark.parametrize("data_type", TAKEN)
def test_what_is_taken_alone_and_together(data_type: DataType) -> None:
    """A value becomes the same whether its neighbours are of its kind, of another, or there are none."""
    values = [value for value, _ in TAKEN[data_type]]
    array, misfits = typed_column([None, *values], data_type)
    assert (array.to_pylist(), misfits) == ([None, *(held for _, held in TAKEN[data_type])], {})
    for value, held in TAKEN[data_type]:
        array, misfits = typed_column([value], data_type)
        assert (array.to_pylist(), misfits) == ([held], {})
        assert array.type == ARROW_TYPES[data_type]


@pytest.mark.parametrize("data_type", REFUSED)
def test_what_is_refused_says_why(data_type: DataType) -> None:
    """The reason is that of the value, and its neighbours are converted."""
    neighbour, held = TAKEN[data_type][0]
    for value, reason in REFUSED[data_type]:
        assert typed_column([value], data_type)[1] == {0: reason}
        array, misfits = typed_column([neighbour, value, None], data_type)
        assert (array.to_pylist(), misfits) == ([held, None, None], {1: reason})
