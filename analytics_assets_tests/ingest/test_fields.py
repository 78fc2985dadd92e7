"""Where a value stands in a row: a name, a path, a JSONPath."""

from typing import Any

import pytest

from analytics_assets.ingest.fields import check_path, top_field, value_at, values_at

ROW: dict[str, Any] = {
    "id": 1,
    "a.b": "dotted",
    "a": {"b": "nested", "c": None},
    "insights": {"data": [{"name": "likes", "values": [{"value": 3}]}, {"name": "reach", "values": [{"value": 9}]}]},
    "text": "abc",
}


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("id", 1),
        ("a.b", "dotted"),
        ("a.c", None),
        ("a.d", None),
        ("a.d.e", None),
        ("text.b", None),
        ("insights.data.name", None),
        ("insights.data[0].values[0].value", 3),
        ("insights.data[?(@.name=='reach')].values[0].value", 9),
        ("insights.data[?(@.name=='saves')].values[0].value", None),
        ("$.a.b", "nested"),
    ],
)
def test_what_stands_at_a_path(path: str, value: object) -> None:
    """A field whose name has the dots goes before a path; where nothing stands there is none."""
    assert value_at(check_path(path), ROW) == value
    assert values_at(path, [ROW, {}]) == [value, None]


@pytest.mark.parametrize("path", ["a[", "a[?(@.b=)]", "$$["])
def test_a_path_that_cannot_be_read_is_refused(path: str) -> None:
    """It is refused when settings are read, and not at the first row."""
    with pytest.raises(ValueError, match="must be a field, a path"):
        check_path(path)


@pytest.mark.parametrize(("path", "top"), [("a", "a"), ("a.b.c", "a"), ("a[0].b", "a")])
def test_the_field_that_a_path_begins_at(path: str, top: str) -> None:
    """It is the field of the row that has the value somewhere inside."""
    assert top_field(path) == top
