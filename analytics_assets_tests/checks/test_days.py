"""Each day of a run has a result of each check in Dagster's calendar."""

import dagster as dg
import pytest

from analytics_assets.checks import days
from analytics_assets_tests.project import Project, stories

FIRST, LAST = "2025-03-01", "2025-03-04"


def in_the_calendar(instance: dg.DagsterInstance, check: str = "no_rows_rejected") -> dict[str | None, str]:
    """Return the status that Dagster stores of each day; fails where it has two of one."""
    key = dg.AssetCheckKey(dg.AssetKey("stories"), check)
    records = instance.event_log_storage.get_asset_check_execution_history(key, limit=100)
    found = {record.partition: record.status.value for record in records}
    assert len(found) == len(records)
    return found


def served(project: Project) -> None:
    """Serve two rows a day, one of which cannot be loaded on the third of March."""
    rows = [{**row, "id": row["timestamp"]} for day in range(1, 5) for row in stories(2, f"2025-03-0{day}")]
    rows[4]["like_count"] = "many"
    project.serve(rows={"stories": rows})


def test_a_range_has_a_result_of_each_day(project: Project) -> None:
    """Red where the day's window is, green beside it; and one of the whole run."""
    served(project)
    project.configure(max_window_days=1)
    instance = project.instance()
    assert project.materialize(day=FIRST, until=LAST, instance=instance).success
    assert in_the_calendar(instance) == {
        None: "FAILED",
        "2025-03-01": "SUCCEEDED",
        "2025-03-02": "SUCCEEDED",
        "2025-03-03": "FAILED",
        "2025-03-04": "SUCCEEDED",
    }


def test_a_day_alone_has_one(project: Project) -> None:
    """It is the day's, and none of it stays planned."""
    served(project)
    instance = project.instance()
    project.materialize(day="2025-03-03", instance=instance)
    assert in_the_calendar(instance) == {"2025-03-03": "FAILED"}
    assert in_the_calendar(instance, "columns_as_expected") == {"2025-03-03": "FAILED"}


def test_days_of_one_window_say_which(project: Project) -> None:
    """What is known of a window alone is said of it."""
    served(project)
    result = project.materialize(day=FIRST, until=LAST)
    said = {
        found.partition: found.description
        for found in result.get_asset_check_evaluations()
        if found.check_name == "no_rows_rejected" and found.partition
    }
    assert list(said) == [f"2025-03-0{day}" for day in range(1, 5)]
    why = "1 of 8 rows went to stories__rejected: like_count is text, not a whole number (1)."
    assert set(said.values()) == {f"Of 2025-03-01 to 2025-03-04: {why}"}


def test_a_long_run_has_one_per_window(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """At the window's last day."""
    monkeypatch.setattr(days, "MOST_DAYS", 3)
    served(project)
    project.configure(max_window_days=2)
    instance = project.instance()
    project.materialize(day=FIRST, until=LAST, instance=instance)
    done = {day: status for day, status in in_the_calendar(instance).items() if status != "PLANNED"}
    assert done == {None: "FAILED", "2025-03-02": "SUCCEEDED", "2025-03-04": "FAILED"}
