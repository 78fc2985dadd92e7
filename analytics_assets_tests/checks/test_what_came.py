"""The checks of what came: rows set aside, columns, days. How rows come to be odd: `reliability/test_rows.py`."""

import datetime as dt

import dagster as dg
import pytest

from analytics_assets.sandbox.shape import Shape
from analytics_assets_tests.project import KEY, Project, stories
from analytics_assets_tests.reliability.matrix import window_rows

WHAT_CAME = ("no_rows_rejected", "columns_as_expected", "window_as_expected")
"""The checks that ask the warehouse nothing."""


def checks_of(result: dg.ExecuteInProcessResult) -> dict[str, dg.AssetCheckEvaluation]:
    """Return what a green run with one asset says of itself as a whole, by the check's name."""
    assert result.success
    evaluations = {found.check_name: found for found in result.get_asset_check_evaluations()}
    return {name: evaluations[name] for name in WHAT_CAME}


def test_each_asset_has_its_own_checks(project: Project) -> None:
    """A row set aside of one endpoint warns at that endpoint's asset only."""
    project.serve(rows={"stories": [{**row, "like_count": "many"} for row in window_rows(1)], "story_insights": []})
    result = project.materialize("stories", "story_insights")
    passed = {
        (found.asset_key.path[-1], found.check_name): found.passed
        for found in result.get_asset_check_evaluations()
        if found.check_name in WHAT_CAME
    }
    assert passed == {
        ("stories", "no_rows_rejected"): False,
        ("stories", "columns_as_expected"): True,
        ("stories", "window_as_expected"): True,
        ("story_insights", "no_rows_rejected"): True,
        ("story_insights", "columns_as_expected"): True,
        ("story_insights", "window_as_expected"): True,
    }


def test_rows_set_aside_are_counted_by_reason(project: Project) -> None:
    """In all slices of a range together: each reason with its number, and the sum of them."""
    days = ("2025-03-01", "2025-03-02")
    rows = [{**window_rows(1)[0], **row, "id": f"{day}{row['id']}"} for day in days for row in stories(3, day)]
    rows[0]["like_count"] = rows[4]["like_count"] = "many"
    rows[5]["is_shared_to_feed"] = "perhaps"
    project.serve(rows={"stories": rows})
    project.configure(max_window_days=1)
    checks = checks_of(project.materialize(day=days[0], until=days[1]))
    rejected = checks["no_rows_rejected"]
    assert not rejected.passed
    assert rejected.severity == dg.AssetCheckSeverity.WARN
    assert rejected.metadata["rows_rejected"].value == 3
    reasons = "like_count is text, not a whole number (2); is_shared_to_feed is text, not true or false (1)"
    assert rejected.metadata["by_reason"].value == reasons
    assert rejected.description.startswith(f"3 of 6 rows went to stories__rejected: {reasons}. Look into the table ")
    assert checks["columns_as_expected"].passed


def test_a_declared_column_that_no_row_has_is_named(project: Project) -> None:
    """One that is null in every row, or that a single row has, is there; one that no row has is missing."""
    rows = [{**row, "media_url": None} for row in window_rows(4)]
    for row in rows:
        del row["permalink"], row["like_count"]
    for row in rows[1:]:
        del row["caption"]
    project.serve(rows={"stories": rows})
    columns = checks_of(project.materialize())["columns_as_expected"]
    assert not columns.passed
    assert columns.severity == dg.AssetCheckSeverity.WARN
    assert columns.description.startswith("No row has permalink, like_count. Ask for the field ")
    assert {name: value.value for name, value in columns.metadata.items()} == {"missing": "permalink, like_count"}


def test_a_missing_column_and_one_beside_are_said_together(project: Project) -> None:
    """The description has a sentence for each."""
    rows = [{**row, "mood": mood} for row, mood in zip(window_rows(3), ("fine", 7, 8), strict=True)]
    for row in rows:
        del row["permalink"]
    project.serve(rows={"stories": rows})
    columns = checks_of(project.materialize())["columns_as_expected"]
    assert not columns.passed
    assert columns.description.startswith("No row has permalink. 2 values of mood are bigint: see mood__v_bigint. Ask ")


def test_a_column_beside_warns_only_when_values_come_for_it(project: Project) -> None:
    """The next load of rows that all fit is green, though the column beside is still in the table."""
    sandbox = project.serve(
        rows={"stories": [{**row, "mood": mood} for row, mood in zip(window_rows(2), ("fine", 7), strict=True)]}
    )
    assert not checks_of(project.materialize())["columns_as_expected"].passed
    sandbox.rows["stories"] = [{**row, "mood": "fine"} for row in window_rows(2)]
    columns = checks_of(project.materialize())["columns_as_expected"]
    assert columns.passed
    assert columns.metadata == {}
    assert "mood__v_bigint" in project.table()[0]


def test_an_empty_window_warns_of_nothing(project: Project) -> None:
    """Where no row came no column can have been missing."""
    project.serve(rows={})
    checks = checks_of(project.materialize())
    assert {name: check.passed for name, check in checks.items()} == dict.fromkeys(checks, True)
    assert checks["columns_as_expected"].metadata == {}
    assert checks["no_rows_rejected"].metadata["rows_rejected"].value == 0


def test_checks_and_metadata_say_what_is_odd(project: Project) -> None:
    """A run with a rejected row, a new column and a declared one that never came is green, with two warnings."""
    rows = [{**row, "mood": "fine"} for row in window_rows(5)]
    rows[2]["like_count"] = "many"
    for row in rows:
        del row["permalink"]
    project.serve(rows={"stories": rows})
    result = project.materialize()
    assert result.success
    (materialized,) = result.asset_materializations_for_node("stories")
    metadata = {name: value.value for name, value in materialized.metadata.items()}
    assert (metadata["rows"], metadata["rows_read"], metadata["rows_rejected"]) == (4, 5, 1)
    assert metadata["new_columns"] == "mood"
    checks = {check.check_name: check for check in result.get_asset_check_evaluations()}
    rejected, came = checks["no_rows_rejected"], checks["columns_as_expected"]
    assert not rejected.passed
    assert rejected.metadata["by_reason"].value == "like_count is text, not a whole number (1)"
    assert not came.passed
    assert came.metadata["missing"].value == "permalink"
    assert {check.severity for check in (rejected, came)} == {dg.AssetCheckSeverity.WARN}
    assert len(project.ids()) == 4


def test_a_check_names_values_of_another_type(project: Project) -> None:
    """They are in a column beside the one they should be in, and the run is green with a warning."""
    rows = [{**row, "mood": "fine"} for row in window_rows(5)]
    rows[3]["mood"] = 7
    project.serve(rows={"stories": rows})
    result = project.materialize()
    assert result.success
    checks = {check.check_name: check for check in result.get_asset_check_evaluations()}
    assert not checks["columns_as_expected"].passed
    assert checks["columns_as_expected"].description.startswith("1 value of mood is bigint: see mood__v_bigint. ")
    assert checks["no_rows_rejected"].passed


def test_a_check_counts_all_slices_of_a_range(project: Project) -> None:
    """Values of another type in each of two slices are counted together."""
    days = ("2025-03-01", "2025-03-02")
    rows = [{**row, "id": f"{day}{row['id']}", "mood": "fine"} for day in days for row in stories(3, day)]
    rows[1]["mood"] = rows[4]["mood"] = rows[5]["mood"] = 7
    project.serve(rows={"stories": rows})
    project.configure(max_window_days=1)
    result = project.materialize(day=days[0], until=days[1])
    assert result.success
    check = checks_of(result)["columns_as_expected"]
    assert check.metadata["other_types"].value == "3 values of mood are bigint: see mood__v_bigint."


def test_what_was_found_is_in_sight_where_nothing_is_odd(project: Project) -> None:
    """Each check says in words what it has seen: of a day, of an empty one, and of all history."""
    project.serve(rows={"stories": window_rows(5)})
    said = [{name: check.description for name, check in checks_of(result).items()} for result in _three_loads(project)]
    columns = "Every declared column came, and every value has its column's type."
    window = "No row is outside of the window, and no day without rows lies between days that have some."
    assert said == [
        {
            "no_rows_rejected": "5 of 5 rows could be loaded as declared.",
            "columns_as_expected": columns,
            "window_as_expected": window,
        },
        {"no_rows_rejected": "No rows came.", "columns_as_expected": "No rows came.", "window_as_expected": window},
        {
            "no_rows_rejected": "5 of 5 rows could be loaded as declared.",
            "columns_as_expected": columns,
            "window_as_expected": "All history was asked for, so no row can be outside of it.",
        },
    ]


def _three_loads(project: Project) -> list[dg.ExecuteInProcessResult]:
    return [project.materialize(), project.materialize(day="2025-04-01"), project.materialize(full_refresh=True)]


@pytest.mark.parametrize("odd", [True, False])
def test_a_check_needs_no_button(project: Project, *, odd: bool) -> None:
    """All its metadata are numbers and text, which the UI shows; for JSON it shows `[Show JSON]`."""
    rows = [*window_rows(3), {**window_rows(1)[0], "id": "far", "timestamp": "2025-03-09T00:00:00Z"}]
    if odd:
        rows[0] |= {"like_count": "many", "mood": "fine"}
        rows[1] |= {"mood": 7}
    project.serve(rows={"stories": rows}, shape=Shape(key=KEY, start_param="from", end_param="to"))
    values = [value for check in checks_of(project.materialize()).values() for value in check.metadata.values()]
    assert {type(value) for value in values} == {dg.IntMetadataValue, dg.TextMetadataValue}


def test_rows_that_nobody_asked_for_warn(project: Project) -> None:
    """With how many, where they are, and which settings may be wrong; nothing is missing, so the run is a success."""
    rows = [*stories(2), *({**row, "id": f"n{row['id']}"} for row in stories(3, "2025-03-04"))]
    project.serve(rows={"stories": rows}, shape=Shape(key=KEY, start_param="from", end_param="to"))
    window = checks_of(project.materialize())["window_as_expected"]
    assert not window.passed
    assert window.severity == dg.AssetCheckSeverity.WARN
    assert "3 of 5 rows are outside of what was asked" in window.description
    assert "3 rows behind its end, the latest of 2025-03-04T00:02:00Z" in window.description
    assert "window_start_param" in window.description


def test_an_empty_day_between_full_ones_warns(project: Project) -> None:
    """In a range, and alone beside what the table has; a day at the edge of what there is does not."""
    rows = [row for day in (1, 3) for row in stories(2, f"2025-03-0{day}")]
    project.serve(rows={"stories": [{**row, "id": row["timestamp"]} for row in rows]})
    alone = checks_of(project.materialize(day="2025-03-02"))["window_as_expected"]
    assert alone.passed
    ranged = checks_of(project.materialize(day="2025-03-01", until="2025-03-05"))["window_as_expected"]
    assert ranged.metadata["without_rows"].value == "2025-03-02, and some of the days before and after it"
    alone = checks_of(project.materialize(day="2025-03-02"))["window_as_expected"]
    assert not alone.passed
    assert "2 rows of the day before and 2 of the day after" in alone.description


@pytest.mark.parametrize(("days", "passed"), [(30, True), (14, False)])
def test_the_end_of_the_key_is_a_check(
    project: Project,
    days: int,
    passed: bool,  # noqa: FBT001 - a parameter of the test
    caplog: pytest.LogCaptureFixture,
) -> None:
    """With the day in its description; it warns two weeks ahead and goes on warning, and so does the run's log."""
    project.serve(rows={"stories": window_rows(3)})
    day = dt.datetime.now(dt.UTC).date() + dt.timedelta(days)
    project.configure(key_expires_on=day)
    instance = project.instance()
    result = project.materialize(instance=instance)
    assert result.success
    (check,) = (found for found in result.get_asset_check_evaluations() if found.check_name == "key_valid")
    assert (check.passed, check.severity) == (passed, dg.AssetCheckSeverity.WARN)
    assert f"{day}" in str(check.description)
    said = [log.user_message for log in instance.all_logs(result.run_id) if "the API key" in log.user_message]
    assert bool(said) is not passed
    assert ("the API key" in caplog.text) is not passed
