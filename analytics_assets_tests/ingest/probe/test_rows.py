"""What rows show: which field is the cursor, which are the id, of what type a column is."""

import datetime as dt
from typing import Any

import pytest

from analytics_assets.ingest.probe.columns import type_of
from analytics_assets.ingest.probe.rows import column_for, cursor_field, fields_of, id_fields, nested_list

MARCH = "2025-03-01T00:00:00Z"


@pytest.mark.parametrize(
    ("row", "path", "form"),
    [
        ({"date": "2025-03-01", "timestamp": MARCH}, "timestamp", "datetime"),
        ({"updated_at": MARCH, "posted": MARCH}, "posted", "datetime"),
        ({"day": "2025-03-01", "followers": 1_740_787_200}, "day", "date"),
        ({"ts": 1_740_787_200}, "ts", "epoch"),
        ({"createdAt": 1_740_787_200_000}, "createdAt", "epoch"),
        ({"ts": "1740787200"}, "ts", "epoch"),
        ({"node": {"takenAt": "2025-03-01T00:00:00+0000"}}, "node.takenAt", "datetime"),
        ({"ours": MARCH, "timestamp": MARCH}, "ours", "datetime"),
        ({"expires_at": MARCH}, "expires_at", "datetime"),
        ({"followers": 1_740_787_200, "views": 1_740_787_200_000}, None, None),
        ({"time": 7, "date": "2025-03-01 or so", "at": True, "on": None}, None, None),
    ],
)
def test_the_cursor_is_a_field_of_times(row: dict[str, Any], path: str | None, form: str | None) -> None:
    """Ours, or one that is called like the time of a row; a large number is no time, unless it is called so."""
    found = cursor_field(fields_of([row, row]), "ours")
    assert (found and found.path, found and found.form) == (path, form)
    if found:
        assert found.moments == [dt.datetime(2025, 3, 1, tzinfo=dt.UTC)] * 2


@pytest.mark.parametrize("name", ["updated_at", "expires_at", "whenever"])
def test_a_cursor_that_may_be_none_is_not_sure(name: str) -> None:
    """One that changes with the row, or one of several that are called like nothing known."""
    found = cursor_field(fields_of([{name: MARCH, "and_then": MARCH}]), "timestamp")
    assert found
    assert not found.is_sure


@pytest.mark.parametrize(
    ("rows", "paths", "is_sure"),
    [
        ([{"name": "a", "id": 1}, {"name": "b", "id": 2}], ("id",), True),
        ([{"id": "a", "uuid": "x"}, {"id": "a", "uuid": "y"}], ("uuid",), True),
        ([{"story_id": 1, "user_id": 7}, {"story_id": 2, "user_id": 8}], ("story_id",), True),
        ([{"post_id": 1, "likes": 7}, {"post_id": 2, "likes": 7}], ("post_id",), False),
        ([{"node": {"id": 1}}, {"node": {"id": 2}}], ("node.id",), True),
        ([{"id": None, "metric": "a", "day": MARCH}, {"metric": "b", "day": MARCH}], ("metric", "day"), False),
        ([{"likes": 1}, {"likes": 2}], (), False),
        ([{"id": 1.5}, {"id": 2.5}], (), False),
        ([{"id": True}, {"id": False}], (), False),
    ],
)
def test_the_id_is_what_tells_rows_apart(rows: list[dict[str, Any]], paths: tuple[str, ...], *, is_sure: bool) -> None:
    """A field that is called like an id, or a few fields together; never what is missing once, or is a measurement."""
    assert id_fields(fields_of(rows), "stories") == (paths, is_sure)


@pytest.mark.parametrize(
    ("values", "data_type", "note"),
    [
        (["a", None], "text", ""),
        ([1, 2], "bigint", ""),
        ([1, 2.5], "double", ""),
        ([2**60 + 1, 2.5], "bigint", "values are a number: those of another type go to a column beside it"),
        ([True], "bool", ""),
        ([{"a": 1}, [1]], "json", ""),
        ([MARCH], "timestamp", ""),
        (["a", 1], "text", "values are text, a number: those of another type go to a column beside it"),
        ([None], None, "no row has a value"),
    ],
)
def test_a_type_is_that_of_all_values(values: list[Any], data_type: str | None, note: str) -> None:
    """The first one's where they differ, as the table would do it; whole numbers and decimals are one."""
    assert type_of(values, "field") == (data_type, note)


@pytest.mark.parametrize(
    ("rows", "field"),
    [
        ([{"values": [{"value": 1}]}], "values"),
        ([{"data": [{"value": 1, "end_time": MARCH}]}, {"data": []}], "data"),
        ([{"tags": [{"name": "a"}]}], None),
        ([{"values": [1, 2]}], None),
    ],
)
def test_a_list_of_rows_in_each_item_is_found(rows: list[dict[str, Any]], field: str | None) -> None:
    """It is called values, or its objects have times; and it is none where the items have times themselves."""
    assert nested_list(rows, has_cursor=False) == field
    assert nested_list(rows, has_cursor=True) is None


@pytest.mark.parametrize(
    ("path", "column"),
    [
        ("mediaId", "media_id"),
        ("_id", "id"),
        ("node.postedAt", "posted_at"),
        ("2fa", "2fa"),
        ("Größe", "gr_e"),
        ("$", "x"),
    ],
)
def test_a_column_has_a_name_that_the_settings_accept(path: str, column: str) -> None:
    """Lower case letters, digits and underscores, a letter first, whatever the API calls its field."""
    name = column_for(path)
    assert name.isascii()
    assert name[0].isalpha()
    if column[0].isalpha() and column != "x":
        assert name == column
