"""The checks that look at what the table holds of a window: on both warehouses, and for endpoints of any shape."""

import datetime as dt

import dagster as dg
import pytest

from analytics_assets.sandbox.shape import Shape
from analytics_assets_tests.checks.looking import FIRST, Look, day, insights
from analytics_assets_tests.project import KEY, Project, stories
from analytics_assets_tests.warehouses import Warehouse, change

pytestmark = pytest.mark.usefixtures("warehouse")


def test_a_window_is_complete_as_long_as_ledger_and_table_agree(project: Project, warehouse: Warehouse) -> None:
    """It says how many rows there are; and it is red where figures of the ledger, or the table, say something else."""
    project.serve(rows={"stories": stories(3)})
    loaded = Look("stories")
    complete = loaded.check("complete_window")
    assert complete.description == "All that was asked for came and is in the table: 3 rows read, 3 kept."
    assert complete.metadata == {"rows_read": 3, "rows_kept": 3}
    change(warehouse, "DELETE FROM analytics.stories WHERE id = 's001'")
    complete = loaded.check("complete_window", FIRST)
    assert complete.severity == dg.AssetCheckSeverity.ERROR
    assert (
        "3 rows were kept and 3 found in the table, which now holds 2 of it. Load the day again" in complete.description
    )
    change(warehouse, "UPDATE analytics._analytics_windows SET api_total = 4, rows_kept = 2, outcome = 'loading'")
    said = loaded.check("complete_window").description
    assert "that it is loading" in said
    assert "the API has 4, and 3 came" in said
    assert "3 rows were read, 2 were kept and 0 set aside" in said
    change(warehouse, "DELETE FROM analytics._analytics_windows")
    assert "The ledger has no row of [2025-03-01" in loaded.check("complete_window").description


def test_an_empty_window_is_complete(project: Project) -> None:
    """No table is there yet, and nothing is red."""
    project.serve(rows={})
    seen = Look("media_insights")
    said = {name: seen.check(name) for name in ("complete_window", "ids_unique", "schema_unchanged", "volume_as_usual")}
    assert {name: one.verdict.passed for name, one in said.items()} == dict.fromkeys(said, True)
    assert said["volume_as_usual"].description.startswith("0 rows; 0 of the 8 Saturdays before are known, too few ")


@pytest.mark.parametrize("key", ["id", ("account", "id")])
def test_an_id_that_two_rows_have_is_red(project: Project, warehouse: Warehouse, key: str | tuple[str, ...]) -> None:
    """And one that is null, also where several fields are the id; rows that were not loaded are not looked at."""
    if isinstance(key, tuple):
        project.configure(endpoints__stories__id=key)
    project.serve(rows={"stories": [{**row, "account": "a"} for row in stories(3)]})
    loaded = Look("stories")
    unique = loaded.check("ids_unique")
    named = ", ".join(loaded.endpoint.merge_key)
    assert unique.verdict.passed
    assert unique.description == f"Each row of what was loaded has its own {named}."
    change(warehouse, "UPDATE analytics.stories SET id = 's001' WHERE id = 's002'")
    unique = loaded.check("ids_unique", FIRST)
    assert unique.severity == dg.AssetCheckSeverity.ERROR
    values = "a, s001" if isinstance(key, tuple) else "s001"
    assert unique.description.startswith(f"2 rows have {named} {values}. Look who else ")
    assert unique.metadata == {"ids_twice": 1, "rows_without_id": 0}
    change(warehouse, "ALTER TABLE analytics.stories ALTER COLUMN id DROP NOT NULL")
    change(warehouse, "UPDATE analytics.stories SET id = NULL WHERE id = 's000'")
    assert loaded.check("ids_unique").description.startswith(f"1 row has no {named}. 2 rows have {named} ")
    change(warehouse, "UPDATE analytics.stories SET timestamp = '2025-02-01T00:00:00Z'")
    assert loaded.check("ids_unique").verdict.passed


def test_numbers_that_cannot_be_are_red(project: Project) -> None:
    """Below zero where a metric or column counts, and outside of the setting; on the day that has them."""
    project.configure(bounds={"mood": [1, 5], "share": [0, 1]})
    rows = insights(FIRST, 2, ("likes", "share", "balance"), mood=3, profile_views=1)
    project.serve(rows={"media_insights": [row | {"value": 0.5} for row in rows]})
    numbers = Look("media_insights", days=2).check("numbers_in_bounds")
    assert numbers.description == "All numbers are within their bounds: likes, mood, profile_views, share."
    # the first row of each metric; a balance may be below zero
    for row, value in zip(rows[:3], (-2, 1.5, -7), strict=True):
        row["value"] = value
    rows[1] |= {"mood": 9, "profile_views": -1}
    project.serve(rows={"media_insights": rows})
    loaded = Look("media_insights", days=2)
    numbers = loaded.check("numbers_in_bounds", FIRST)
    assert numbers.severity == dg.AssetCheckSeverity.WARN
    for said in (
        "likes goes down to -2, and 0 is the least that it can be.",
        "share goes up to 1.5, and 1 is the most that it can be.",
        "mood goes up to 9, and 5 is the most",
        "profile_views goes down to -1, and 0 is the least",
    ):
        assert said in numbers.description
    assert numbers.metadata["outside"] == 4
    assert "share goes up to 5" in loaded.check("numbers_in_bounds", day(1)).description


def test_days_are_those_of_the_time_zone(project: Project) -> None:
    """Also on the day of 25 hours, in whose last hour a row was made."""
    project.configure(timezone="Europe/Berlin")
    moments = ("2025-10-25T21:59:00Z", "2025-10-25T22:00:00Z", "2025-10-26T22:59:59Z", "2025-10-26T23:00:00Z")
    rows = [{"id": moment, "timestamp": moment} for moment in moments]
    project.serve(rows={"stories": rows})
    found = Look("stories", dt.date(2025, 10, 24), 4).seen().newest.rows_by_day
    assert found == {dt.date(2025, 10, 25): 1, dt.date(2025, 10, 26): 2, dt.date(2025, 10, 27): 1}


def test_an_endpoint_without_cursor_or_metric_is_judged(project: Project, warehouse: Warehouse) -> None:
    """It is read whole; days are compared with none, ids and numbers are looked at, and names may need quotes."""
    project.configure(
        endpoints__tags__path="/tags",
        endpoints__tags__id="order",
        endpoints__tags__window_start_param="",
        endpoints__tags__window_end_param="",
        endpoints__tags__columns={"likes": {"from": "likeCount", "data_type": "bigint"}},
    )
    rows = [{"order": "a", "likeCount": 1}, {"order": "b", "likeCount": -4}]
    project.serve(rows={"tags": rows}, shape=Shape(key=KEY, paths={"tags": "/tags"}))
    loaded = Look("tags", None)
    assert loaded.check("complete_window").verdict.passed
    assert loaded.check("ids_unique").verdict.passed
    assert "likes goes down to -4" in loaded.check("numbers_in_bounds").description
    assert loaded.check("volume_as_usual").description.startswith("All history was read, 2 rows; no day is compared ")
    change(warehouse, "UPDATE analytics.tags SET \"order\" = 'a'")
    assert "2 rows have order a" in loaded.check("ids_unique").description
