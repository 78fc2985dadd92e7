"""Which destination the config names, and what a load has of it."""

import pytest

from analytics_assets.ingest.warehouse.destination import HAS_LOCK, destination_kind, open_destination
from analytics_assets_tests.project import Project, reload_settings

TYPE = "DESTINATION__WAREHOUSE__DESTINATION_TYPE"


@pytest.mark.parametrize(
    ("named", "kind"),
    [
        ("duckdb", "duckdb"),
        ("postgres", "postgres"),
        ("dlt.destinations.postgres", "postgres"),
        ("dlt.destinations.duckdb", "duckdb"),
        ("filesystem", "filesystem"),
    ],
)
def test_a_destination_is_named_by_its_kind_or_in_full(monkeypatch: pytest.MonkeyPatch, named: str, kind: str) -> None:
    """Dlt takes both, and what depends on the kind must not depend on how it is written."""
    monkeypatch.setenv(TYPE, named)
    assert destination_kind() == kind
    destination, _ = open_destination()
    assert destination.destination_type == f"dlt.destinations.{kind}"
    can = destination.capabilities()
    assert can.supports_transactions
    # what we tell the kinds that have a lock, and no other
    assert (can.loader_parallelism_strategy == "table-sequential") is (kind in HAS_LOCK)


def test_nothing_named_is_duckdb(project: Project) -> None:
    """A config without a destination loads into a file beside it."""
    (project.path / ".dlt" / "config.toml").write_text("")
    reload_settings()
    assert destination_kind() == "duckdb"


@pytest.mark.parametrize("named", ["duckdb", "postgres", "dlt.destinations.postgres"])
def test_runs_that_follow_each_other_share_their_staging(monkeypatch: pytest.MonkeyPatch, named: str) -> None:
    """Where a lock keeps runs apart, the next one finds and drops what a killed one has left."""
    monkeypatch.setenv(TYPE, named)
    assert {staging for _, staging in (open_destination() for _ in range(2))} == {"analytics_staging"}


def test_without_a_lock_each_run_has_staging_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two runs at once would merge each other's rows; dlt is told the name that the load looks into."""
    monkeypatch.setenv(TYPE, "filesystem")
    opened = [open_destination() for _ in range(2)]
    names = {staging for _, staging in opened}
    assert len(names) == 2
    for destination, staging in opened:
        assert staging.startswith("analytics_staging_")
        assert destination.config_params["staging_dataset_name_layout"] == staging
