"""What Dagster keeps of the checks: one result per check and day, red or green; and what a red one does to a run."""

from dataclasses import replace
from pathlib import Path

import dagster as dg
import pytest

from analytics_assets.build import build_definitions
from analytics_assets.checks import results
from analytics_assets.checks.specs import CHECKS, checks_of
from analytics_assets.ingest.configured import load_settings
from analytics_assets.ingest.warehouse import quality
from analytics_assets.sandbox.faults import Fault
from analytics_assets_tests.project import NO_RETRIES, Project, endpoint_of, stories

STORIES = dg.AssetKey("stories")
PAGE = (Path(__file__).parents[2] / "docs" / "checks.md").read_text()
Kept = dict[str, list[tuple[str | None, str]]]


def kept(instance: dg.DagsterInstance) -> Kept:
    """Return what Dagster's history has of each check of stories: partition and status, oldest first."""
    names = [check.name for check in checks_of(endpoint_of("stories"), load_settings())]
    history = {
        name: instance.event_log_storage.get_asset_check_execution_history(dg.AssetCheckKey(STORIES, name), limit=1_000)
        for name in names
    }
    return {name: [(one.partition, one.status.value) for one in reversed(found)] for name, found in history.items()}


def of_days(name: str, found: Kept) -> dict[str | None, str]:
    """Return the newest status of each day."""
    return dict(found[name])


def in_calendar(instance: dg.DagsterInstance, name: str) -> dict[str | None, str]:
    """Return what the calendar of a check shows of each day: of the newest load, or nothing."""
    found = instance.event_log_storage.get_asset_check_partition_info([dg.AssetCheckKey(STORIES, name)])
    return {one.partition_key: one.latest_execution_status.value for one in found if one.is_current}


def test_a_day_has_one_result_of_each_check(project: Project) -> None:
    """Of the day that was loaded; another load of it has results of its own."""
    project.serve(rows={"stories": [{**stories(1)[0], "like_count": "many"}, *stories(3)[1:]]})
    instance = project.instance()
    assert project.materialize(instance=instance).success
    found = kept(instance)
    assert {name: len(statuses) for name, statuses in found.items()} == dict.fromkeys(found, 1)
    assert found["no_rows_rejected"] == [("2025-03-01", "FAILED")]
    assert found["complete_window"] == [("2025-03-01", "SUCCEEDED")]
    assert in_calendar(instance, "no_rows_rejected") == {"2025-03-01": "FAILED"}
    assert in_calendar(instance, "complete_window") == {"2025-03-01": "SUCCEEDED"}


def test_each_day_of_a_range_has_its_own_result(project: Project) -> None:
    """Red where that day is odd, green where it is not; what the run says of all of them has no day."""
    rows = stories(2) + [{**row, "id": f"b{row['id']}"} for row in stories(2, "2025-03-03")]
    project.serve(rows={"stories": rows})
    instance = project.instance()
    assert project.materialize(until="2025-03-03", instance=instance).success
    assert kept(instance)["window_as_expected"] == [
        ("2025-03-01", "SUCCEEDED"),
        ("2025-03-02", "FAILED"),
        ("2025-03-03", "SUCCEEDED"),
        (None, "FAILED"),
    ]
    assert kept(instance)["complete_window"][-1] == (None, "SUCCEEDED")
    assert {day: status for day, status in in_calendar(instance, "window_as_expected").items() if day} == {
        "2025-03-01": "SUCCEEDED",
        "2025-03-02": "FAILED",
        "2025-03-03": "SUCCEEDED",
    }


def test_the_calendar_is_that_of_the_newest_load(project: Project) -> None:
    """Of a range in slices, whose days Dagster records twice; and of a day of it that is loaded again."""
    sandbox = project.serve(rows={"stories": [*stories(2), *stories(2, "2025-03-02")]})
    project.configure(max_window_days=1)
    instance = project.instance()
    odd = Fault("mutate_rows", endpoint="stories", change=lambda page: [{**row, "like_count": "many"} for row in page])
    sandbox.faults.append(odd)
    assert project.materialize(until="2025-03-02", instance=instance).success
    days = in_calendar(instance, "no_rows_rejected")
    assert (days["2025-03-01"], days["2025-03-02"]) == ("FAILED", "FAILED")
    sandbox.faults.remove(odd)
    assert project.materialize(day="2025-03-02", instance=instance).success
    days = in_calendar(instance, "no_rows_rejected")
    assert (days["2025-03-01"], days["2025-03-02"]) == ("FAILED", "SUCCEEDED")


def test_of_a_long_range_red_days_are_kept_and_one_check_of_each(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The others are skipped, not green; the limit is a week, and shorter here."""
    assert results.MOST_DAYS == 7
    monkeypatch.setattr(results, "MOST_DAYS", 2)
    rows = stories(2) + [{**row, "id": f"b{row['id']}"} for row in stories(2, "2025-03-03")]
    project.serve(rows={"stories": rows})
    instance = project.instance()
    assert project.materialize(until="2025-03-03", instance=instance).success
    days = ["2025-03-01", "2025-03-02", "2025-03-03"]
    found = kept(instance)
    assert [of_days("complete_window", found)[day] for day in days] == ["SUCCEEDED"] * 3
    assert [of_days("window_as_expected", found)[day] for day in days] == ["PLANNED", "FAILED", "PLANNED"]


def test_a_full_refresh_is_judged_as_a_whole(project: Project) -> None:
    """It has no partition, and neither have its results."""
    project.serve(rows={"stories": stories(2)})
    instance = project.instance()
    assert project.materialize(day=None, full_refresh=True, instance=instance).success
    assert set(map(tuple, kept(instance).values())) == {((None, "SUCCEEDED"),), ((None, "FAILED"),)}


def test_a_blocking_check_holds_back_what_comes_after(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """The run is red and not tried again, the rows stay, and the asset behind it is not made."""

    @dg.asset(deps=[STORIES])
    def behind() -> None:
        """Stand for a report."""

    project.serve(rows={"stories": stories(2)})
    ask = quality.Inquiry._ledger  # noqa: SLF001 - what the ledger says is made wrong on its way to the check
    monkeypatch.setattr(quality.Inquiry, "_ledger", lambda self, client: {**ask(self, client), "api_total": 9})
    definitions = dg.Definitions.merge(build_definitions(retry_policy=NO_RETRIES), dg.Definitions(assets=[behind]))
    job = definitions.resolve_implicit_global_asset_job_def()
    instance = project.instance()
    keys = [STORIES, behind.key]
    first = job.execute_in_process(
        partition_key="2025-03-01", asset_selection=keys, instance=instance, raise_on_error=False
    )
    assert not first.success
    assert {key: instance.get_latest_materialization_event(key) is not None for key in keys} == {
        STORIES: True,
        behind.key: False,
    }
    assert len(project.ids()) == 2
    assert kept(instance)["complete_window"] == [("2025-03-01", "FAILED")]


def test_a_check_that_fails_itself_fails_no_load(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is red with the reason; the others are as they are."""

    def broken(_: object) -> None:
        raise ZeroDivisionError("by nothing")

    project.serve(rows={"stories": stories(2)})
    checks = tuple(replace(one, judge=broken) if one.name == "ids_unique" else one for one in CHECKS)
    monkeypatch.setattr("analytics_assets.checks.specs.CHECKS", checks)
    result = project.materialize()
    assert result.success
    found = {one.check_name: one for one in result.get_asset_check_evaluations()}
    assert found["ids_unique"].description == "The check itself failed: ZeroDivisionError: by nothing."
    assert (found["ids_unique"].passed, found["ids_unique"].severity) == (False, dg.AssetCheckSeverity.WARN)
    assert found["complete_window"].passed


def test_the_page_is_the_table_of_the_checks() -> None:
    """Each check has a line in docs/checks.md, in order, with what its description in Dagster says."""
    rows = [line for line in PAGE.splitlines() if line.startswith("| `")]
    assert rows == [
        f"| `{one.name}`{' (blocking)' if one.is_blocking else ''} | {one.looks_at} | {one.red_when} | {one.advice} |"
        for one in CHECKS
    ]


def test_an_endpoint_has_the_checks_that_fit(project: Project) -> None:
    """A key that ends, rows that expire, numbers, and a reference each have a check where there is such a thing."""
    project.configure(endpoints__tags__path="/tags", endpoints__tags__cursor="at")
    names = {
        endpoint.name: {check.name for check in checks_of(endpoint, load_settings())}
        for endpoint in load_settings().resolved_endpoints
    }
    some = {"numbers_in_bounds", "references_covered", "expiring_rows_read", "key_valid"}
    assert {name: found & some for name, found in names.items()} == {
        "media_insights": {"numbers_in_bounds"},
        "user_insights": {"numbers_in_bounds"},
        "stories": {"numbers_in_bounds", "expiring_rows_read"},
        "story_insights": {"numbers_in_bounds", "references_covered"},
        "tags": set(),
    }
    project.configure(endpoints__stories__enabled="false")
    insights = endpoint_of("story_insights")
    assert "references_covered" not in {check.name for check in checks_of(insights, load_settings())}
