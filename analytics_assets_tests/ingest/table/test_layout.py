"""Which column an undeclared value goes to: pure, page by page; ``test_columns.py`` has the same at the wire."""

from typing import Any

import pytest
from dlt.common.normalizers.naming.direct import NamingConvention as Direct
from dlt.common.normalizers.naming.snake_case import NamingConvention

from analytics_assets.ingest.endpoint import Column, Endpoint
from analytics_assets.ingest.errors import ApiError
from analytics_assets.ingest.list_settings import NewColumns
from analytics_assets.ingest.table.layout import Layout

NAMING = NamingConvention(63)
ENDPOINT = Endpoint(
    name="things",
    path="/things",
    cursor="at",
    description="Things.",
    columns=(
        Column(name="id", data_type="text", nullable=False, description="The id"),
        Column(name="at", data_type="timestamp", description="The cursor"),
    ),
)

Pages = tuple[list[Any], ...]


def _layout(held: Layout | None = None, new_columns: NewColumns = "add") -> Layout:
    """Return the layout of a table that has the columns of another layout already."""
    hints = {column.name: column.hint for column in held.columns} if held else {}
    return Layout(ENDPOINT, new_columns, NAMING, hints)


def _taken(layout: Layout, *values: Any, field: str = "odd") -> dict[str, list[Any]]:  # noqa: ANN401 - JSON
    arrays, reasons = layout.take([{field: value} for value in values])
    assert reasons == {}
    return {name: array.to_pylist() for name, array in arrays.items()}


def _types(layout: Layout) -> dict[str, str]:
    return {column.name: column.data_type for column in layout.columns}


@pytest.mark.parametrize(
    ("value", "data_type"),
    [("a", "text"), (True, "bool"), (7, "bigint"), (0.5, "double"), ({"a": 1}, "json"), ([1], "json")],
)
def test_the_first_value_decides(value: object, data_type: str) -> None:
    """A null says nothing of a type, the first value that is none says all."""
    layout = _layout()
    assert _taken(layout, None, None) == {}
    assert layout.columns == []
    _taken(layout, None, value)
    assert _types(layout) == {"odd": data_type}


# pages of values, and the columns with their types after the last
WIDENED: list[tuple[Pages, dict[str, str]]] = [
    (([7], [7.5]), {"odd": "double"}),
    (([7, 7.5],), {"odd": "double"}),
    (([7.5], [7]), {"odd": "double"}),
    (([2**53], [0.5]), {"odd": "double"}),
    (([2**53 + 1], [0.5]), {"odd": "bigint", "odd__v_double": "double"}),
    (([-(2**53) - 1], [1], [0.5]), {"odd": "bigint", "odd__v_double": "double"}),
    (([0.5], [2**53 + 1]), {"odd": "double", "odd__v_bigint": "bigint"}),
]


@pytest.mark.parametrize(("pages", "types"), WIDENED, ids=str)
def test_whole_numbers_become_decimals_only_where_none_changes(pages: Pages, types: dict[str, str]) -> None:
    """A double holds whole numbers up to 2**53: a larger one keeps its column, on whichever page it was."""
    layout = _layout()
    for page in pages:
        _taken(layout, *page)
    assert _types(layout) == types


def test_another_type_goes_beside_in_its_row() -> None:
    """Each column has a place for each row of the page, and a null where the value is in another one."""
    layout = _layout()
    assert _taken(layout, *["a", 7, None, [1], True]) == {
        "odd": ["a", None, None, None, None],
        "odd__v_bigint": [None, 7, None, None, None],
        "odd__v_json": [None, None, None, "[1]", None],
        "odd__v_bool": [None, None, None, None, True],
    }
    assert [(column.name, column.is_variant, column.values) for column in layout.columns] == [
        ("odd", False, 1),
        ("odd__v_bigint", True, 1),
        ("odd__v_json", True, 1),
        ("odd__v_bool", True, 1),
    ]


def test_a_name_that_is_taken_gets_a_digest() -> None:
    """A declared column keeps its name, and of two fields the one whose own name it is."""
    layout = _layout()
    arrays, _ = layout.take([{"id": "x", "Id": 1, "mediaId": 2, "media_id": 3}])
    assert {name: array.to_pylist() for name, array in arrays.items()} == {
        "id_12156e92": [1],
        "media_id": [3],
        "media_id_9584046a": [2],
    }


def test_columns_come_in_the_order_of_their_first_values() -> None:
    """By row, and in a row by place; null is no value; a plain name is its owner's, also where another came before."""
    layout = _layout()
    layout.take(
        [{"zebra": 1, "mediaId": 2, "late": None}, {"ant": 3, "media_id": 4, "zebra": 5}, {"late": 6, "bee": 7}]
    )
    assert list(_types(layout)) == ["zebra", "media_id_9584046a", "ant", "media_id", "late", "bee"]


def test_a_column_beside_takes_no_fields_name() -> None:
    """A field that is called like a column beside another is there first: the values go elsewhere, and do not mix."""
    # dlt's own naming makes one underscore of two, this one leaves names as they are
    layout = Layout(ENDPOINT, "add", Direct(63), {})
    _taken(layout, "mine", field="odd__v_text")
    values = _taken(layout, 7, "a")
    (other,) = set(values) - {"odd"}
    assert other != "odd__v_text"
    assert values == {"odd": [7, None], other: [None, "a"]}


def test_the_next_load_goes_on_where_this_one_ended() -> None:
    """What dlt's schema keeps is enough: the same columns for the same fields, none of them new."""
    first = _layout()
    for field, values in {"mediaId": [1], "media_id": ["a", 2], "rate": [7, 0.5]}.items():
        _taken(first, *values, field=field)
    second = _layout(held=first)
    assert _types(second) == _types(first)
    assert {column.is_new for column in second.columns} == {False}
    own, beside = [column.name for column in first.columns if column.field == "media_id"]
    assert _taken(second, "b", 3, field="media_id") == {own: ["b", None], beside: [None, 3]}
    assert _taken(second, 8, field="rate") == {"rate": [8.0]}
    assert _types(second) == _types(first)


def test_a_file_has_the_tables_columns_in_their_order() -> None:
    """Those of the table first, then the new ones as they came; dlt would write a file again that has another order."""
    first = _layout()
    _taken(first, 1, field="zebra")
    second = _layout(held=first)
    _taken(second, 1, field="ant")
    names = [name for name in second.schema.names if not name.startswith("_")]
    assert names == ["zebra", "id", "at", "ant"]


@pytest.mark.parametrize("new_columns", ["ignore", "fail"])
def test_new_fields_may_be_kept_out(new_columns: NewColumns) -> None:
    """What the table has goes on; a new field is counted, or refused by its name; a new type has no place."""
    held = _layout()
    _taken(held, 1)
    layout = _layout(held, new_columns)
    assert _taken(layout, 2) == {"odd": [2]}
    _, reasons = layout.take([{"odd": 3}, {"odd": "a"}])
    assert reasons == {1: "odd is text, and its column holds bigint"}
    if new_columns == "ignore":
        assert _taken(layout, "a", None, "b", field="even") == {}
        assert layout.ignored == {"even": 2}
    else:
        with pytest.raises(ApiError, match=r"even in 2 rows \(new_columns = \"fail\"\)"):
            layout.take([{"even": 1}, {"even": 2}])
