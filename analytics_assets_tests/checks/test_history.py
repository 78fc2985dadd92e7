"""The checks that compare a day with the days before it: columns, metrics and the number of rows."""

import datetime as dt

import pytest
import time_machine

from analytics_assets_tests.checks.looking import FIRST, Look, day, insights
from analytics_assets_tests.project import Project, Row
from analytics_assets_tests.warehouses import Warehouse, change

pytestmark = pytest.mark.usefixtures("warehouse")

WEEKS = 9
LAST = day(7 * (WEEKS - 1))


def test_a_metric_that_appears_or_vanishes_is_told(project: Project) -> None:
    """With the days on which it was seen; of the first days nothing is known to compare them with."""
    rows = [*insights(FIRST, 4), *insights(day(4), 2, ("reach", "saves"))]
    project.serve(rows={"media_insights": rows})
    before = Look("media_insights", FIRST, 4)
    unchanged = before.check("schema_unchanged", FIRST)
    assert unchanged.verdict.passed
    assert unchanged.description.endswith("; metrics cannot be compared, for no day before is known.")
    unchanged = before.check("schema_unchanged", day(3))
    assert unchanged.description == (
        "No column appeared, vanished or changed its type, and no metric did, compared with 3 days before."
    )
    after = Look("media_insights", day(4), 2)
    changed = after.check("schema_unchanged", day(4))
    assert changed.description.startswith(
        "The metric likes vanished: seen from 2025-03-01 until 2025-03-04, on 4 days, and not on 2025-03-05. "
        "The metric saves appeared on 2025-03-05. Read the vendor's release notes;"
    )
    assert changed.metadata == {"appeared": 1, "vanished": 1, "changed_type": 0}
    whole = after.check("schema_unchanged").description
    assert "on 4 days, and not on 2 days from 2025-03-05 until 2025-03-06." in whole
    assert "The metric saves appeared on 2025-03-05." in whole


def test_a_metric_is_not_missed_before_its_day_is_over(project: Project) -> None:
    """Nor one that was there on few days only."""
    rows = [*insights(FIRST, 4), *insights(FIRST, 1, ("rare",)), *insights(day(4), 1, ("likes",))]
    project.serve(rows={"media_insights": rows})
    Look("media_insights", FIRST, 4)
    with time_machine.travel(dt.datetime(2025, 3, 5, 14, tzinfo=dt.UTC), tick=True):
        assert Look("media_insights", day(4)).check("schema_unchanged").verdict.passed
    said = Look("media_insights", day(4)).check("schema_unchanged").description
    assert "The metric reach vanished" in said
    assert "rare" not in said


def test_a_column_that_appears_vanishes_or_changes_is_told(project: Project) -> None:
    """A declared one too, where no row has it any more; the columns of a first load are no news."""
    sandbox = project.serve(rows={"media_insights": insights(FIRST, 4, mood="fine", old=1, postTag="m", caption="c")})
    assert Look("media_insights", FIRST, 4).check("schema_unchanged").verdict.passed
    sandbox.rows["media_insights"] = insights(day(4), 1, mood=7, postTag="m", freshField=True)
    changed = Look("media_insights", day(4)).check("schema_unchanged")
    for said in (
        "The column mood now has values that are bigint, which have a column of their own.",
        "The column fresh_field appeared, bool.",
        "The column old vanished: seen from 2025-03-01 until 2025-03-04, on 4 days, and not on 2025-03-05.",
        "The column caption vanished: seen from 2025-03-01 until 2025-03-04, on 4 days, and not on 2025-03-05.",
    ):
        assert said in changed.description
    assert changed.metadata == {"appeared": 1, "vanished": 2, "changed_type": 1}
    sandbox.rows["media_insights"] = insights(day(5), 1, mood="fine", postTag="m", freshField=None, caption="c", old=2)
    assert Look("media_insights", day(5)).check("schema_unchanged").verdict.passed


def saturdays(*counts: int) -> list[Row]:
    """Return rows of one Saturday after the other, so many of each."""
    return [
        {"id": f"{week}-{number:02d}", "timestamp": f"{day(7 * week)}T10:00:00Z"}
        for week, count in enumerate(counts)
        for number in range(count)
    ]


def test_rows_are_counted_against_the_same_weekday(project: Project, warehouse: Warehouse) -> None:
    """By median and deviation: far more, as usual, and far fewer."""
    project.serve(rows={"stories": saturdays(20, 22, 19, 21, 20, 23, 18, 20, 40)})
    Look("stories", FIRST, 7 * (WEEKS - 1))
    loaded = Look("stories", LAST)
    usual = "on the 8 Saturdays before that are known: 18 to 23 (median 20)."
    assert loaded.check("volume_as_usual").description.startswith(f"2025-04-26 has 40 rows; {usual} Compare with ")
    said = {}
    for count in (26, 25, 15, 14, 0):
        some = f"id LIKE '8-%' AND id >= '8-{count:02d}'"
        change(warehouse, f"DELETE FROM analytics.stories WHERE {some}")  # noqa: S608 - a number of the test's
        said[count] = loaded.check("volume_as_usual")
    assert {count: one.verdict.passed for count, one in said.items()} == {
        26: False,
        25: True,
        15: True,
        14: False,
        0: False,
    }
    assert said[25].description == f"25 rows; {usual}"
    assert said[0].description.startswith(f"2025-04-26 has 0 rows; {usual}")


def test_few_days_are_no_measure(project: Project) -> None:
    """Of three known days it says so; a loaded day without rows is a known one; a day that lasts is not compared."""
    project.serve(rows={"stories": saturdays(20, 0, 20, 1, 1)})
    Look("stories", FIRST, 21)
    volume = Look("stories", day(21)).check("volume_as_usual")
    assert volume.verdict.passed
    assert volume.description == "1 row; 3 of the 8 Saturdays before are known, too few to compare."
    with time_machine.travel(dt.datetime(2025, 3, 29, 14, tzinfo=dt.UTC), tick=True):
        assert "1 row by now; the day was not over" in Look("stories", day(28)).check("volume_as_usual").description
    volume = Look("stories", day(28)).check("volume_as_usual")
    assert volume.description == "1 row; on the 4 Saturdays before that are known: 0 to 20 (median 10)."
