"""Items that have a list of rows each: what becomes of them, and that a window of such items is proven too."""

from typing import Any

import pytest

from analytics_assets.ingest.errors import explain
from analytics_assets.ingest.table.unnest import unnested
from analytics_assets.sandbox.shape import Shape
from analytics_assets_tests.project import DAY, KEY, Project, Row
from analytics_assets_tests.warehouses import Warehouse, contents


@pytest.mark.parametrize(
    ("item", "rows"),
    [
        ({"name": "reach", "values": [{"value": 1}, {"value": 2}]}, [{"name": "reach", "value": n} for n in (1, 2)]),
        ({"id": 1, "values": [{"id": 2}]}, [{"id": 1, "values.id": 2}]),
        ({"id": 1, "values": [3, None]}, [{"id": 1, "values": 3}, {"id": 1, "values": None}]),
        ({"id": 1, "values": []}, []),
    ],
)
def test_each_element_is_a_row(item: Row, rows: list[Row]) -> None:
    """It has the fields of both, and neither takes the place of the other."""
    assert unnested([item], "values") == (rows, [])


@pytest.mark.parametrize(
    ("item", "reason"),
    [
        ({"error": {"code": 100}}, "values is missing"),
        ({"values": None}, "values is missing"),
        ({"values": {"value": 1}}, "values is an object, not a list"),
        (None, "is null"),
    ],
)
def test_an_item_without_a_list_is_set_aside(item: Any, reason: str) -> None:  # noqa: ANN401
    """It is not taken for one with no rows."""
    assert unnested([item], "values") == ([], [(item, reason)])


def _items(count: int) -> list[Row]:
    return [
        {
            "name": f"metric_{number}",
            "period": "day",
            "values": [{"value": number + hour, "end_time": f"{DAY}T0{hour}:00:00+0000"} for hour in range(3)],
        }
        for number in range(count)
    ]


@pytest.fixture
def vendor(project: Project) -> Project:
    """Point `user_insights` at items that are known by nothing but themselves."""
    project.configure(
        page_size=4,
        total_selector="",
        endpoints__user_insights__unnest="values",
        endpoints__user_insights__id='["metric", "end_time"]',
        endpoints__user_insights__columns={"metric": {"from": "name"}},
        endpoints__user_insights__declared_columns="only mine",
    )
    return project


def _serve(project: Project, items: list[Any]) -> None:
    shape = Shape(key=KEY, total_path=None, cursors={"user_insights": "end_time"})
    project.serve(rows={"user_insights": items}, shape=shape)


def test_a_metrics_values_become_rows(vendor: Project, warehouse: Warehouse) -> None:
    """Twice the same load changes nothing, and an error among the items is set aside and counted."""
    _serve(vendor, [*_items(9), {"name": "withdrawn", "error": {"code": 100}}])
    for _ in range(2):
        report = vendor.load(None, "user_insights")
    assert (report.rows_read, report.rows_kept, report.rows_loaded) == (28, 27, 27)
    assert report.rejected == {"values is missing": 1}
    rows = contents(warehouse, "user_insights", "metric, end_time")
    assert len(rows) == 27
    assert {row["metric"] for row in rows} == {f"metric_{number}" for number in range(9)}
    assert "values" not in rows[0]


def test_items_that_come_twice_in_the_place_of_others_are_noticed(vendor: Project) -> None:
    """An item is known as a whole, for its rows' keys are in the list."""
    items = _items(10)
    _serve(vendor, [*items[:8], *items[2:5]])
    with pytest.raises(Exception, match="repeats rows that came before") as caught:
        vendor.load(None, "user_insights")
    problem = explain(caught.value)
    assert problem is not None
    assert problem.kind == "incomplete"


def test_items_without_values_are_an_empty_window(vendor: Project) -> None:
    """There is nothing to load, and the table keeps what it has."""
    _serve(vendor, _items(2))
    vendor.load(None, "user_insights")
    _serve(vendor, [{"name": "reach", "values": []}])
    with pytest.raises(Exception, match="no rows came"):
        vendor.load(None, "user_insights")
