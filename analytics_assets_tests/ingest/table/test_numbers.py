"""The number beside a measured value: what it is for each kind of value, and in both warehouses."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics_assets.ingest.configured import load_settings
from analytics_assets.ingest.endpoint import NumberIn
from analytics_assets.ingest.endpoint_settings import EndpointSettings
from analytics_assets.ingest.errors import ApiError
from analytics_assets.ingest.opening import open_pipeline
from analytics_assets.ingest.resolving import resolved
from analytics_assets.ingest.source import build_source
from analytics_assets.ingest.table.numbers import adds_up, number_column
from analytics_assets.sandbox import data
from analytics_assets.sandbox.app import Sandbox
from analytics_assets_tests.project import DAY, WINDOW, Project, Row, endpoint_of
from analytics_assets_tests.warehouses import Warehouse, change, contents, types

_IN = NumberIn(field="value", metric="metric")

NUMBERS: list[tuple[Any, float | None]] = [
    (17, 17.0),
    (0.034, 0.034),
    (2**53, 2.0**53),
    (2**53 + 1, 2.0**53),
    (10**400, None),
    ("17", 17.0),
    ("1.5", 1.5),
    ("1_000", None),
    ("many", None),
    (None, None),
    (True, None),
    ({}, None),
    ([], None),
    # breakdowns, at any number of levels; a part that is hidden is no part
    ({"follower": 3, "non_follower": 4}, 7.0),
    ({"follower": "3", "non_follower": 4.0}, 7.0),
    ({"DE": {"f": 1, "m": 2}, "US": {"f": 3}}, 6.0),
    ({"follower": 3, "non_follower": None}, 3.0),
    ({"follower": 2**53, "non_follower": 1}, 2.0**53),
    ([{"country": "DE", "value": 3}, {"country": "US", "value": 4}], 7.0),
    ([{"age": 18, "count": 3}, {"age": 19, "count": None}], 3.0),
    # an object that says its own number
    ({"total": 9, "follower": 4, "non_follower": 5}, 9.0),
    ({"value": 0.034}, 0.034),
    ({"value": 12, "breakdowns": [{"results": [{"dimension_values": ["FOLLOWER"], "value": 5}]}]}, 12.0),
    ({"value": {"DE": 1, "US": 2}, "end_time": "2025-03-01"}, 3.0),
    # in doubt null
    ({"total": 9, "count": 3}, None),
    ({"f": 0.4, "m": 0.6}, None),
    ({"follower": 3, "unit": "people"}, None),
    ({"follower": 3, "is_final": True}, None),
    ([1, 2, 3], None),
    ([{"DE": 1}], None),
    ([{"total": 1, "count": 1}], None),
]


def _number(value: object, metric: object = "reach") -> float | None:
    found: list[float | None] = number_column([{"value": value, "metric": metric}], _IN).to_pylist()
    return found[0]


@pytest.mark.parametrize(("value", "number"), NUMBERS, ids=lambda value: str(value)[:40])
def test_the_number_in_a_value(value: object, number: float | None) -> None:
    """It is the same alone as among others."""
    assert _number(value) == number
    rows = [{"value": among, "metric": "reach"} for among in (1, value, {"a": 1, "b": 1}, None)]
    assert number_column([*rows, {"metric": "reach"}], _IN).to_pylist() == [1.0, number, 2.0, None, None]


def test_a_value_of_any_depth() -> None:
    """Where a value is nested too deep, its row is set aside with the reason, and not the run's Python."""
    deep: Any = 3
    for _ in range(5_000):
        deep = {"a": deep}
    assert _number(deep) == 3.0


@pytest.mark.parametrize("metric", ["engagement_rate", "avgWatchTime", "CTR", "views-per-reach", "Mean"])
def test_averages_and_ratios_do_not_add_up(metric: str) -> None:
    """Their own number is one, the sum of their parts none, whole numbers or not."""
    assert (_number({"f": 3, "m": 4}, metric), _number(7, metric)) == (None, 7.0)


@pytest.mark.parametrize("metric", ["reach", "impressions", "saturation", "watchTime", "shares", "number", None, 7])
def test_what_is_named_otherwise_adds_up(metric: object) -> None:
    """A word counts as a whole: `saturation` is no ratio."""
    assert adds_up(str(metric))
    assert _number({"f": 3, "m": 4}, metric) == 7.0


@given(
    st.recursive(st.integers(0, 10**6), lambda parts: st.dictionaries(st.sampled_from("abcdef"), parts), max_leaves=9)
)
def test_any_breakdown_of_counts_adds_up(value: object) -> None:
    """Through all levels; without a part there is no number."""

    def leaves(part: object) -> list[int]:
        return [n for one in part.values() for n in leaves(one)] if isinstance(part, dict) else [part]  # type: ignore[list-item]

    assert _number(value) == (sum(leaves(value)) if leaves(value) else None)


def _insights(*values: object, **more: object) -> list[Row]:
    return [
        {"id": f"i{i}", "metric": "reach", "value": value, "timestamp": f"{DAY}T0{i}:00:00Z", **more}
        for i, value in enumerate(values)
    ]


def _load_without_it(values: list[Row], project: Project) -> Sandbox:
    """Load with the endpoint as it was before its values had their number beside them."""
    sandbox = project.serve(rows={"media_insights": values})
    endpoint = endpoint_of("media_insights")
    source, reading = build_source(replace(endpoint, columns=endpoint.sent_columns), load_settings(), WINDOW)
    with open_pipeline(reading) as pipeline:
        pipeline.run(source)
    return sandbox


def _held(warehouse: Warehouse) -> list[Row]:
    return [
        {name: value for name, value in row.items() if name.startswith("value")}
        for row in contents(warehouse, "media_insights")
    ]


def test_the_naive_sum_is_right(project: Project, warehouse: Warehouse) -> None:
    """Of the sandbox's rows, some of whose reach is broken down; a value itself is what was sent."""
    project.serve()
    seen: set[type] = set()
    for name in ("media_insights", "user_insights", "story_insights"):
        project.load(WINDOW, name)
        values = [row["value"] for row in data.rows(name, WINDOW.start, WINDOW.end) if row["metric"] == "reach"]
        seen |= set(map(type, values))
        true = sum(sum(value.values()) if isinstance(value, dict) else value for value in values if value is not None)
        query = f"SELECT SUM(value_number), COUNT(*) FROM analytics.{name} WHERE metric = 'reach'"  # noqa: S608
        assert warehouse.execute(query) == [(true, len(values))]
    assert {dict, int} <= seen
    held = [
        row["value"] for row in contents(warehouse, "story_insights") if "value" in row and row["metric"] == "reach"
    ]
    assert sorted(map(str, held)) == sorted(str(value) for value in values if value is not None)


def test_a_table_from_before_gets_the_column(project: Project, warehouse: Warehouse) -> None:
    """By the next load, and rows that were loaded before by being loaded again."""
    sandbox = _load_without_it(_insights(1, 2), project)
    assert "value_number" not in types(warehouse, "media_insights")
    sandbox.rows["media_insights"] = _insights({"a": 3, "b": 4})
    project.load(WINDOW, "media_insights")
    assert types(warehouse, "media_insights")["value_number"] in {"double", "double precision"}
    assert _held(warehouse) == [{"value": {"a": 3, "b": 4}, "value_number": 7.0}, {"value": 2}]


def test_a_field_of_the_api_that_is_called_so(project: Project, warehouse: Warehouse) -> None:
    """It is as undeclared as any other: its values are kept, as sent, in a column that has another name."""
    project.serve(rows={"media_insights": _insights(1, {"a": 3, "b": 4}, value_number="own")})
    report = project.load(WINDOW, "media_insights")
    (column,) = report.columns
    assert column.name.startswith("value_number_")
    assert _held(warehouse) == [
        {"value": 1, "value_number": 1.0, column.name: "own"},
        {"value": {"a": 3, "b": 4}, "value_number": 7.0, column.name: "own"},
    ]


@pytest.mark.parametrize("own", [5, 0.5, "own"], ids=str)
def test_a_table_that_has_such_a_field(project: Project, warehouse: Warehouse, own: object) -> None:
    """The two are not mixed: the run fails and says what to do, and when that is done it loads."""
    _load_without_it(_insights(1, value_number=own), project)
    with pytest.raises(ApiError, match=r"media_insights\.value_number is computed .* RENAME COLUMN value_number TO"):
        project.load(WINDOW, "media_insights")
    assert _held(warehouse) == [{"value": 1, "value_number": own}]
    change(warehouse, "ALTER TABLE analytics.media_insights RENAME COLUMN value_number TO value_as_sent")
    for _ in range(2):
        (column,) = project.load(WINDOW, "media_insights").columns
        assert _held(warehouse) == [{"value": 1, "value_number": 1.0, column.name: own}]


def test_what_the_catalogue_and_the_checks_say_of_it(project: Project) -> None:
    """It is described, and that it did not come is no news; a value that did not come is."""
    project.serve(rows={"media_insights": [{"id": "i", "timestamp": f"{DAY}T00:00:00Z"}]})
    result = project.materialize("media_insights")
    (made,) = result.asset_materializations_for_node("media_insights")
    schema = made.metadata["dagster/column_schema"].value
    (column,) = [column for column in schema.columns if column.name == "value_number"]
    assert (column.type, column.description) == (
        "double",
        endpoint_of("media_insights").column(column.name).description,
    )
    check = next(one for one in result.get_asset_check_evaluations() if one.check_name == "columns_as_expected")
    missing = check.metadata["missing"].value
    assert "value" in missing
    assert "value_number" not in missing


def test_what_cannot_be_computed_is_refused() -> None:
    """Without its source, as another type, or as an id, the column cannot be declared."""
    endpoint = endpoint_of("media_insights")
    rest = tuple(column for column in endpoint.columns if column.name != "value_number")
    column = endpoint.column("value_number")
    for wrong, what in [
        (replace(column, number_in=NumberIn(field="values", metric="metric")), "not declared"),
        (replace(column, number_in=NumberIn(field="value", metric="name")), "not declared"),
        (replace(column, data_type="bigint"), "nullable double"),
    ]:
        with pytest.raises(ValueError, match=what):
            replace(endpoint, columns=(*rest, wrong))
    with pytest.raises(ValueError, match="no id"):
        resolved(endpoint.name, endpoint, EndpointSettings(id=("id", "value_number")), has_window=True)
