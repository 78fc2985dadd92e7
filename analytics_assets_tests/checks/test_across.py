"""The checks across endpoints, and those of what is so now: on both warehouses."""

import datetime as dt

import dagster as dg
import pytest
import time_machine
from dlt.pipeline.exceptions import PipelineStepFailed

from analytics_assets.ingest.warehouse.warehouse import Warehouse as Opened
from analytics_assets.sandbox.faults import Fault
from analytics_assets_tests.checks.looking import FIRST, Look, day
from analytics_assets_tests.project import Project, Row, stories
from analytics_assets_tests.warehouses import Warehouse, change

pytestmark = pytest.mark.usefixtures("warehouse")


def measured(*stories_measured: str, of: dt.date = FIRST) -> list[Row]:
    """Return a row of story_insights for each story."""
    return [
        {"id": f"i{name}", "story_id": name, "metric": "views", "value": 3, "timestamp": f"{of}T20:00:00Z"}
        for name in stories_measured
    ]


def test_stories_and_their_insights_cover_each_other(project: Project, warehouse: Warehouse) -> None:
    """A story without insights, and insights without a story; each is judged once the days of the other are loaded."""
    sandbox = project.serve(rows={"stories": stories(3), "story_insights": measured("s000", "s001", "s002")})
    Look("stories")
    assert Look("story_insights").check("references_covered").verdict.passed
    sandbox.rows["story_insights"] = measured("s000", "s009")
    change(warehouse, "DELETE FROM analytics.story_insights")
    insights = Look("story_insights")
    covered = insights.check("references_covered", FIRST)
    # a story of the evening may have its insights on the day after, and that is not loaded
    assert covered.description.startswith(
        "1 row of story_insights refers by story_id to no row of stories, such as s009. Load the other endpoint's day"
    )
    assert covered.severity == dg.AssetCheckSeverity.WARN
    Look("story_insights", day(1))
    covered = insights.check("references_covered", FIRST)
    assert "2 rows of stories have no row in story_insights 6 hours later, such as s001." in covered.description
    assert covered.metadata == {"without_parent": 1, "without_insights": 2}


def test_insights_wait_for_their_stories(project: Project, warehouse: Warehouse) -> None:
    """Nothing is missed where the stories of the day were never loaded, or came less than six hours ago."""
    project.serve(rows={"stories": stories(2), "story_insights": measured("s000")})
    assert Look("story_insights").check("references_covered").verdict.passed
    change(warehouse, "DELETE FROM analytics._analytics_windows")
    with time_machine.travel(dt.datetime(2025, 3, 1, 5, tzinfo=dt.UTC), tick=True):
        Look("stories")
        Look("story_insights", day(1))
        assert Look("story_insights").check("references_covered").verdict.passed
    assert not Look("story_insights").check("references_covered").verdict.passed


def test_insights_of_a_day_without_its_stories_are_not_judged(project: Project) -> None:
    """Not where another day's stories are loaded; once those of the day are, the story is missed."""
    sandbox = project.serve(rows={"stories": stories(2), "story_insights": measured("s007", of=day(1))})
    Look("stories")
    insights = Look("story_insights", day(1))
    assert insights.check("references_covered").verdict.passed
    sandbox.rows["stories"] = []
    Look("stories", day(1))
    assert "to no row of stories, such as s007." in insights.check("references_covered").description


def test_yesterday_is_expected_where_days_are_loaded(project: Project, warehouse: Warehouse) -> None:
    """From six o'clock on: not where nothing was loaded before; with the reason where it failed; partial is no day."""
    project.serve(rows={"stories": stories(2)})
    with time_machine.travel(dt.datetime(2025, 3, 3, 7, tzinfo=dt.UTC), tick=True) as clock:
        loaded = Look("stories")
        assert loaded.check("yesterday_arrived").description == (
            "2025-03-02 was never loaded. Look at its last run, and load it; is the schedule daily_load switched on?"
        )
        change(
            warehouse, "UPDATE analytics._analytics_windows SET window_start = '2024-01-01', window_end = '2024-02-01'"
        )
        assert loaded.check("yesterday_arrived").description.startswith("2025-03-02 is not expected: none of the days ")
        Look("stories")
        project.serve(faults=[Fault("status", status=404)])
        with pytest.raises(PipelineStepFailed):
            Look("stories", day(1))
        failed = loaded.check("yesterday_arrived")
        assert failed.severity == dg.AssetCheckSeverity.WARN
        assert failed.description.startswith("2025-03-02 failed 1 time, the last time because of this: path not found")
        project.serve(rows={"stories": stories(2)})
        Look("stories", day(1))
        assert loaded.check("yesterday_arrived").description == "2025-03-02 is loaded, and proven whole."
        Look("stories", day(2))
        clock.move_to(dt.datetime(2025, 3, 4, 5, tzinfo=dt.UTC))
        assert loaded.check("yesterday_arrived").description == "2025-03-02 is loaded, and proven whole."
        clock.move_to(dt.datetime(2025, 3, 4, 7, tzinfo=dt.UTC))
        said = loaded.check("yesterday_arrived").description
        assert said.startswith("2025-03-03 was loaded only while it lasted, so the rest of it is missing.")


def test_rows_that_expire_are_read_in_time(project: Project) -> None:
    """Red where one was last read long ago and expires soon; not where it was just read, or is gone."""
    rows = [{**row, "expires_at": "2025-03-02T01:00:00Z"} for row in stories(2)]
    project.serve(rows={"stories": [*rows, {**stories(3)[2], "expires_at": "2025-03-02T20:00:00Z"}]})
    with time_machine.travel(dt.datetime(2025, 3, 1, 22, 30, tzinfo=dt.UTC), tick=True) as clock:
        loaded = Look("stories")
        passed = loaded.check("expiring_rows_read")
        assert passed.description == "No row that expires within 3 hours was last read more than 1 hour ago."
        clock.move_to(dt.datetime(2025, 3, 1, 23, 50, tzinfo=dt.UTC))
        late = loaded.check("expiring_rows_read")
        assert late.description.startswith(
            "2 rows expire within 3 hours, the first at 2025-03-02 01:00 UTC, and were last read more than 1 hour ago. "
        )
        assert late.metadata == {"rows": 2}
        clock.move_to(dt.datetime(2025, 3, 2, 1, 1, tzinfo=dt.UTC))
        assert loaded.check("expiring_rows_read").verdict.passed


def test_what_cannot_be_asked_is_red_in_words(
    project: Project, warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One query that fails takes no other check with it; without SQL all say so; and nothing is held back by that."""
    project.serve(rows={"stories": stories(2)})
    loaded = Look("stories")
    change(warehouse, "DROP TABLE analytics._analytics_windows CASCADE")
    complete = loaded.check("complete_window")
    assert complete.severity == dg.AssetCheckSeverity.WARN
    assert complete.description.startswith("The warehouse could not be asked: ")
    assert "_analytics_windows" in complete.description
    assert loaded.check("ids_unique").verdict.passed

    def no_sql(_: Opened) -> None:
        raise NotImplementedError("it has no SQL")

    monkeypatch.setattr(Opened, "sql", no_sql)
    unique = loaded.check("ids_unique")
    assert not unique.verdict.passed
    assert unique.severity == dg.AssetCheckSeverity.WARN
    assert "it has no SQL" in unique.description
    assert loaded.check("no_rows_rejected").verdict.passed
