"""The asset: when it is written, when it is not, and what it says of itself."""

from pathlib import Path

import dagster as dg
import pytest

from analytics_assets.build import build_definitions
from analytics_assets_tests.project import DAY, NO_RETRIES, Project, stories

_KEY = dg.AssetKey("insights_report")


def materialize(project: Project, *others: dg.AssetChecksDefinition) -> dg.ExecuteInProcessResult:
    """Materialize a day of the stories, and the report behind them."""
    defs = dg.Definitions.merge(build_definitions(retry_policy=NO_RETRIES), dg.Definitions(asset_checks=others))
    return defs.resolve_implicit_global_asset_job_def().execute_in_process(
        partition_key=DAY,
        asset_selection=[dg.AssetKey("stories"), _KEY],
        instance=project.instance(),
        raise_on_error=False,
    )


def test_it_is_written_behind_what_it_shows(project: Project) -> None:
    """One file beside the warehouse, and metadata that says where it is, how big, and whether all is there."""
    project.configure(start_date=DAY, metrics={"like_count": "snapshot"})
    project.serve(rows={"stories": stories(3)})
    result = materialize(project)
    assert result.success
    [event] = [event for event in result.get_asset_materialization_events() if event.asset_key == _KEY]
    assert event.partition is None
    said = {name: value.value for name, value in event.materialization.metadata.items()}
    assert said["path"] == "insights_report.html"
    assert said["size_bytes"] == (project.path / "insights_report.html").stat().st_size
    assert str(said["summary"]).startswith("**")
    assert {type(said[name]) for name in ("rows", "days", "days_proven", "size_bytes")} == {int}


def test_a_blocking_check_that_fails_keeps_it_back(project: Project) -> None:
    """The load stays, the run is red, and no report is written."""

    @dg.asset_check(asset="stories", blocking=True)
    def never_fine() -> dg.AssetCheckResult:
        return dg.AssetCheckResult(passed=False)

    project.serve(rows={"stories": stories(3)})
    result = materialize(project, never_fine)
    assert not result.success
    assert len(project.ids()) == 3
    assert not (project.path / "insights_report.html").exists()
    assert [event.asset_key for event in result.get_asset_materialization_events()] == [dg.AssetKey("stories")]


def test_it_stands_behind_every_endpoint(project: Project) -> None:
    """Those that the settings make, whatever they are called; it takes a range of days in one run, and is of none."""
    project.configure(endpoints__stories__enabled=False, endpoints__tags__path="/tags", endpoints__tags__cursor="at")
    asset = build_definitions().resolve_assets_def(_KEY)
    names = {"media_insights", "user_insights", "story_insights", "tags"}
    assert {key.to_user_string() for key in asset.dependency_keys} == names
    assert asset.partitions_def is None
    assert asset.backfill_policy == dg.BackfillPolicy.single_run()


def test_a_warehouse_that_is_not_asked_has_no_report(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its queries are tried with DuckDB and PostgreSQL, so it fails no load into anything else."""
    monkeypatch.setenv("DESTINATION__WAREHOUSE__DESTINATION_TYPE", "filesystem")
    assert _KEY not in build_definitions().resolve_all_asset_keys()


@pytest.mark.duckdb
def test_a_failure_is_one_sentence(project: Project) -> None:
    """A warehouse that cannot be opened is told in words."""
    Path("warehouse.duckdb").write_text("no database")
    result = (
        build_definitions()
        .resolve_implicit_global_asset_job_def()
        .execute_in_process(asset_selection=[_KEY], instance=project.instance(), raise_on_error=False)
    )
    failure = next(event for event in result.all_events if event.is_step_failure).step_failure_data.user_failure_data
    assert failure
    assert str(failure.description).startswith("insights_report: ")
