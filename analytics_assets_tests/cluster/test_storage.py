"""Dagster's history is reached through connections that are kept, and what is kept may break."""

from collections.abc import Iterator

import dagster as dg
import pytest

from analytics_assets.cluster.storage import ClusterStorage
from analytics_assets.ingest.configured import SettingError
from analytics_assets_tests.warehouses import Postgres

pytestmark = pytest.mark.postgres

_SESSIONS = "SELECT sessions FROM pg_stat_database WHERE datname = current_database()"
_OURS = "FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
DAYS = [f"2025-01-{day:02d}" for day in range(1, 31)]


@dg.asset(
    partitions_def=dg.DailyPartitionsDefinition("2025-01-01"),
    check_specs=[dg.AssetCheckSpec("there", asset="days")],
)
def days(context: dg.AssetExecutionContext) -> Iterator[dg.MaterializeResult[None] | dg.AssetCheckResult]:
    """Load nothing, and say much of it."""
    yield dg.MaterializeResult()
    for day in DAYS:
        context.log_event(
            dg.AssetCheckEvaluation(asset_key=dg.AssetKey("days"), check_name="there", passed=True, partition=day)
        )
    yield dg.AssetCheckResult(passed=True, check_name="there")


def load(instance: dg.DagsterInstance) -> None:
    """Run it for a month."""
    span = {"dagster/asset_partition_range_start": DAYS[0], "dagster/asset_partition_range_end": DAYS[-1]}
    assert dg.materialize([days], instance=instance, tags=span).success


def test_an_address_that_is_none_is_not_repeated() -> None:
    """Dagster's own processes read it from ``dagster.yaml``; the driver would repeat the password."""
    with pytest.raises(SettingError, match=r"postgres_url in dagster\.yaml is not the address of a Postgre") as refused:
        ClusterStorage.from_config_value(None, {"postgres_url": "postgresql://user:77/geheim77@host/db"})
    assert "geheim77" not in str(refused.value)


@pytest.mark.usefixtures("queue")
def test_connections_are_kept(database: Postgres, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run has a hundred events, and opens fewer connections than it keeps; when it has ended none is left."""
    monkeypatch.setenv("FLEET", "1")
    monkeypatch.setenv("DAGSTER_EVENT_BATCH_SIZE", "1000")
    with dg.DagsterInstance.from_config("deploy") as instance:
        load(instance)
        [(before,)] = database.execute(_SESSIONS)
        load(instance)
        [(events,)] = database.execute("SELECT count(*) FROM event_logs")
        assert events > 150
        [(after,)] = database.execute(_SESSIONS)
        # those of this test's own questions are among them
        assert after - before <= 5
        assert instance.get_materialized_partitions(dg.AssetKey("days")) == set(DAYS)
        # PostgreSQL restarts between two events
        assert database.execute(f"SELECT count(pg_terminate_backend(pid)) {_OURS}") != [(0,)]
        load(instance)
    assert database.execute(f"SELECT count(*) {_OURS}") == [(0,)]
