"""``insights_daily``: the right number for a day, or none."""

import datetime as dt
from typing import Any

from analytics_assets.sandbox.shape import Shape
from analytics_assets_tests.project import DAY, KEY, Project
from analytics_assets_tests.warehouses import Warehouse, change

A_DAY = dt.date.fromisoformat(DAY)
Numbers = dict[tuple[str, str | None], float | None]


def measured(metric: str, value: object, whose: str = "m1", **more: object) -> dict[str, Any]:
    """Return a row of posts' insights."""
    row = {"id": f"{whose}:{metric}:{more}", "media_id": whose, "metric": metric, "period": "day", "value": value}
    return row | {"timestamp": f"{DAY}T12:00:00Z", **more}


def numbers(warehouse: Warehouse, endpoint: str = "media_insights", **where: str) -> Numbers:
    """Return the numbers of an endpoint by metric and whose they are, where there is one for each."""
    condition = "".join(f" AND {name} = '{value}'" for name, value in where.items())
    query = f"SELECT metric, whose, number FROM analytics.insights_daily WHERE endpoint = '{endpoint}'{condition}"  # noqa: S608 - names of the tests
    rows: Any = warehouse.execute(query)
    found = {(metric, whose): number for metric, whose, number in rows}
    assert len(found) == len(rows)
    return found


def load(project: Project, *rows: dict[str, Any], endpoint: str = "media_insights", **shape: Any) -> None:  # noqa: ANN401
    """Load rows of an endpoint; ``shape`` is how the API differs."""
    project.serve(rows={endpoint: list(rows)}, shape=Shape(key=KEY, **shape))
    project.load(None, endpoint)


def test_only_what_adds_up_is_added(project: Project, warehouse: Warehouse) -> None:
    """A sum is one number of all rows; of people counted once, and of what nobody declared, each has its own."""
    load(
        project,
        measured("likes", 3),
        measured("likes", {"a": 1, "b": 4}, "m2"),
        measured("reach", 100),
        measured("reach", 70, "m2"),
        measured("mood", 5),
        measured("mood", 6, "m2"),
    )
    assert numbers(warehouse) == {
        ("likes", None): 8,
        ("reach", "m1"): 100,
        ("reach", "m2"): 70,
        ("mood", "m1"): 5,
        ("mood", "m2"): 6,
    }
    said = warehouse.execute("SELECT DISTINCT metric, adds_up FROM analytics.insights_daily ORDER BY metric")
    assert said == [("likes", "sum"), ("mood", None), ("reach", "unique")]


def test_several_rows_of_one_day(project: Project, warehouse: Warehouse) -> None:
    """Hours of a sum add up; people are at least as many as in the fullest hour; of a state the newest counts."""
    project.configure(metrics={"followers": "snapshot"})
    hours = [
        measured(metric, value, timestamp=f"{DAY}T{hour}:00:00Z")
        for metric in ("likes", "reach", "followers", "mood")
        for hour, value in (("09", 4), ("10", 7), ("11", 5), ("12", None))
    ]
    load(project, *hours)
    found = numbers(warehouse)
    assert found == {("likes", None): 16, ("reach", "m1"): 7, ("followers", "m1"): 5, ("mood", "m1"): 5}
    counted = "SELECT DISTINCT rows, rows_without_number FROM analytics.insights_daily"
    assert warehouse.execute(counted) == [(4, 1)]


def test_of_two_rows_of_one_moment_the_one_restated_last_counts(project: Project, warehouse: Warehouse) -> None:
    """As it does where both have one id."""
    restated = [{"id": str(number), "updated_at": f"{DAY}T{hour}:00:00Z"} for number, hour in enumerate((13, 15, 14))]
    load(project, *(measured("mood", number) | row for number, row in enumerate(restated)))
    assert numbers(warehouse) == {("mood", "m1"): 1}


def test_spans_are_kept_apart(project: Project, warehouse: Warehouse) -> None:
    """The likes of a day and those of its week are never one number."""
    load(project, measured("likes", 3), measured("likes", 20, "m2", period="week"), measured("likes", 4, "m3"))
    assert numbers(warehouse, period="day") == {("likes", None): 7}
    assert numbers(warehouse, period="week") == {("likes", None): 20}


def test_a_number_beside_each_metric_is_counted_once(project: Project, warehouse: Warehouse) -> None:
    """An account's visits stand in the row of each of its metrics: they are added over accounts, not over rows."""
    rows = [
        {
            "id": f"{account}{metric}",
            "user_id": account,
            "metric": metric,
            "value": None,
            "profile_views": visits if metric != "saves" else None,
            "follower_count": followers,
            "end_time": f"{DAY}T12:00:00Z",
        }
        for account, visits, followers in (("a", 10, 500), ("b", 4, 900), (None, 1_000, 1_000))
        for metric in ("reach", "saves", "views")
    ]
    load(project, *rows, endpoint="user_insights")
    wide = {name: number for name, number in numbers(warehouse, "user_insights").items() if number is not None}
    assert wide == {("profile_views", None): 14, ("follower_count", "a"): 500, ("follower_count", "b"): 900}


def test_rows_that_have_a_column_for_each_number(project: Project, warehouse: Warehouse) -> None:
    """Likes of stories, as they stood, are those of each story; a row that has none is not one of them."""
    stories = [{"id": f"s{likes}", "timestamp": f"{DAY}T12:00:00Z", "like_count": likes} for likes in (3, 5, None)]
    load(project, *stories, endpoint="stories")
    assert numbers(warehouse, "stories") == {("like_count", "s3"): 3, ("like_count", "s5"): 5}


def test_days_are_those_of_the_time_zone(project: Project, warehouse: Warehouse) -> None:
    """Half past eleven in UTC is the next day in Berlin; a row without a moment is of no day."""
    project.configure(timezone="Europe/Berlin")
    late = measured("likes", 3, timestamp=f"{DAY}T23:30:00Z")
    load(project, late, {**measured("likes", 8, "m2"), "timestamp": None})
    days = warehouse.execute("SELECT day, number FROM analytics.insights_daily")
    assert days == [(A_DAY + dt.timedelta(days=1), 3)]


def test_any_endpoint_can_be_in_it(project: Project, warehouse: Warehouse) -> None:
    """An id of several fields, one of them the moment, and names that SQL uses, or that dlt writes otherwise."""
    project.configure(
        endpoints__accounts__path="/accounts",
        endpoints__accounts__cursor="Until",
        endpoints__accounts__id=("group", "theirName", "Until"),
        endpoints__accounts__columns={"order": "bigint", "select": "double", "table": "bigint"},
        metrics={"order": "sum", "select": "snapshot", "it's 100%s": "sum"},
    )
    rows = [
        {"group": "g", "theirName": name, "Until": f"{DAY}T{hour}:00:00Z", "order": 2, "select": hour / 4, "zest": 9}
        for name in ("a'", 'b"')
        for hour in (14, 15)
    ]
    load(project, *rows, endpoint="accounts", paths={"accounts": "/accounts"}, cursors={"accounts": "Until"})
    assert numbers(warehouse, "accounts") == {("order", None): 8, ("select", "g/a'"): 3.75, ("select", 'g/b"'): 3.75}
    load(project, measured("it's 100%s", 1), measured("it's 100%s", 2, "m2"))
    assert numbers(warehouse) == {("it's 100%s", None): 3}


def test_where_nothing_says_whose_a_number_is_it_is_its_rows_own(project: Project, warehouse: Warehouse) -> None:
    """Where nobody says which column is the post, nothing is put together that does not add up."""
    project.configure(endpoints__media_insights__columns={"media_id": {"ignore": True}})
    load(project, measured("reach", 5) | {"profile_views": 7}, measured("reach", 6, "m2") | {"profile_views": 7})
    assert sorted(numbers(warehouse).values()) == [5, 6]


def test_a_list_without_a_moment_is_not_in_it(project: Project, warehouse: Warehouse) -> None:
    """There is no day to put its numbers on; and without any number there is no view."""
    project.configure(
        endpoints__totals__path="/totals",
        endpoints__totals__columns={"likes": "bigint"},
        endpoints__totals__window_start_param="",
        endpoints__totals__window_end_param="",
    )
    load(project, {"id": "t", "likes": 3}, endpoint="totals", paths={"totals": "/totals"})
    assert warehouse.execute("SELECT 1 FROM information_schema.tables WHERE table_name = 'insights_daily'") == []
    load(project, measured("likes", 3))
    assert numbers(warehouse, "totals") == {}


def test_a_table_from_before_a_column_was_declared(project: Project, warehouse: Warehouse) -> None:
    """It takes part with the columns that it has; the next load of it brings the others."""
    load(project, {"id": "s", "timestamp": f"{DAY}T12:00:00Z", "like_count": 1}, endpoint="stories")
    project.configure(endpoints__stories__columns={"views": "bigint"})
    change(warehouse, "DROP VIEW analytics.insights_daily")
    load(project, measured("likes", 3))
    assert numbers(warehouse, "stories") == {("like_count", "s"): 1}
    load(project, {"id": "s", "timestamp": f"{DAY}T12:00:00Z", "views": 7}, endpoint="stories")
    assert numbers(warehouse, "stories") == {("views", None): 7}
