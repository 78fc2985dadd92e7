"""PostgreSQL: loads of one endpoint at once merge through staging of their own, and lose nothing."""

import json
from typing import Any

import pytest

from analytics_assets.ingest import load as loading
from analytics_assets.ingest.configured import load_settings
from analytics_assets.ingest.errors import ApiError
from analytics_assets.ingest.opening import open_warehouse, read_warehouse
from analytics_assets.ingest.warehouse.ledger import last_reduced
from analytics_assets.sandbox.shape import Shape
from analytics_assets_tests.concurrency.conftest import working_directories
from analytics_assets_tests.concurrency.loader import ALL, HOLD, TABLES, Loads
from analytics_assets_tests.concurrency.test_duckdb import ids, of_days
from analytics_assets_tests.project import KEY, WINDOW, Project
from analytics_assets_tests.warehouses import Postgres

pytestmark = pytest.mark.postgres

DAYS = tuple(f"2025-03-{day:02d}" for day in range(1, 7))
ROWS = of_days(1000, *DAYS)


@pytest.fixture(autouse=True)
def served(project: Project) -> None:
    """Serve a thousand stories a day."""
    project.serve(rows={"stories": ROWS}, shape=Shape(key=KEY, max_page_size=1000))
    project.configure(page_size=1000)


def count(postgres: Postgres) -> tuple[int, int]:
    """Return how many rows there are, and how many ids."""
    [(rows, distinct)] = postgres.execute("SELECT count(*), count(DISTINCT id) FROM analytics.stories")
    return rows, distinct


def outcomes(postgres: Postgres) -> list[tuple[str, int]]:
    """Return the ledger's outcomes and how often each stands there."""
    return postgres.execute("SELECT outcome, count(*) FROM analytics._analytics_windows GROUP BY 1 ORDER BY 1")


def test_loads_at_once_lose_nothing(project: Project, postgres: Postgres, loads: Loads) -> None:
    """Twelve loads by six processes, each day by two of them, on an empty database: every row once, no staging left."""
    started = [loads.start(day, DAYS[(i + 1) % 6]) for i, day in enumerate(DAYS)]
    for load in started:
        load.succeed()
    assert count(postgres) == (6000, 6000)
    assert [row["id"] for row in postgres.table("stories")] == ids(ROWS)
    assert outcomes(postgres) == [("loaded", 12)]
    assert postgres.schemas() == ["analytics"]
    assert working_directories(project) == []


def test_the_same_window_at_once(postgres: Postgres, loads: Loads) -> None:
    """Loads of one and the same day, and two full refreshes, at once: every row is there once."""
    started = [*(loads.start(DAYS[0]) for _ in range(4)), loads.start(ALL), loads.start(ALL)]
    for load in started:
        load.succeed()
    assert count(postgres)[0] == count(postgres)[1] == 6000
    assert postgres.schemas() == ["analytics"]


@pytest.mark.parametrize(("method", "left"), [("load", 0), ("prove", 1)])
def test_a_killed_writer_is_not_waited_for(
    postgres: Postgres, loads: Loads, monkeypatch: pytest.MonkeyPatch, method: str, left: int
) -> None:
    """The server drops the lock with its holder's connection; the next run sweeps up the staging that was left."""
    monkeypatch.setenv(HOLD, method)
    holder = loads.start(DAYS[0])
    holder.says("holding")
    monkeypatch.delenv(HOLD)
    waiting = [loads.start(day) for day in DAYS[:2]]
    waiting[0].says("waiting for another run to finish writing analytics")
    assert len([schema for schema in postgres.schemas() if "staging" in schema]) == left
    assert holder.kill() == -9
    for load in waiting:
        load.succeed(20)
    assert count(postgres) == (2000, 2000)
    assert postgres.schemas() == ["analytics"]


def test_endpoints_do_not_wait_for_each_other(
    postgres: Postgres, loads: Loads, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While one endpoint's rows are merged, another's are loaded, proven and looked at from beginning to end."""
    loads.start(DAYS[0], endpoint="media_insights").succeed()
    assert postgres.schemas() == ["analytics"]
    monkeypatch.setenv(HOLD, "close the ledger")
    holder = loads.start(DAYS[0])
    holder.says("holding")
    monkeypatch.delenv(HOLD)
    loads.start(DAYS[1], endpoint="media_insights").succeed(30)
    waiting = loads.start(DAYS[1])
    waiting.says("waiting for another run to finish writing analytics.stories")
    # and whoever wants all of it waits for both
    with open_warehouse() as opened, pytest.raises(ApiError, match="warehouse busy"), opened.writer(patience=0.1):
        pass
    with read_warehouse(patience=0.1) as client:
        assert last_reduced(client, "stories") is None
    assert holder.kill() == -9
    waiting.succeed()


def test_tables_are_changed_by_one_load_at_a_time(
    postgres: Postgres, loads: Loads, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Endpoints share views, ledger and dlt's schema: of two that change these at once, one would undo the other's."""
    monkeypatch.setenv(HOLD, TABLES)
    holder = loads.start(DAYS[0])
    holder.says("holding")
    monkeypatch.delenv(HOLD)
    waiting = loads.start(DAYS[0], endpoint="media_insights")
    waiting.says("waiting for another run to finish writing analytics.its tables")
    assert holder.kill() == -9
    waiting.succeed()
    assert outcomes(postgres) == [("loaded", 1)]


def test_columns_that_another_endpoint_gets_meanwhile_stay_known(
    project: Project, postgres: Postgres, loads: Loads, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An endpoint is loaded from beginning to end between reading and loading of another: what is stored knows both."""
    names = {"stories": "weather", "media_insights": "mood"}
    served = {name: [{**row, new: 1} for row in of_days(3, *DAYS[:2])] for name, new in names.items()}
    project.serve(rows=served, shape=Shape(key=KEY, max_page_size=1000))
    begin = loading.load

    def meanwhile(*arguments: Any) -> object:  # noqa: ANN401 - of a load
        loads.start(DAYS[0], endpoint="media_insights").succeed(30)
        return begin(*arguments)

    monkeypatch.setattr(loading, "load", meanwhile)
    project.load(WINDOW)
    [(text,)] = postgres.execute("SELECT schema FROM analytics._dlt_version ORDER BY inserted_at DESC LIMIT 1")
    stored = json.loads(text)["tables"]
    assert {
        name: stored.get(name, {}).get("columns", {}).get(new, {}).get("x-api-field") for name, new in names.items()
    } == names


def test_endpoints_at_once_on_an_empty_database(project: Project, postgres: Postgres, loads: Loads) -> None:
    """Four endpoints at once, each with a column that nobody declared: all rows, and all columns are known."""
    names = {endpoint.name: f"new_{number}" for number, endpoint in enumerate(load_settings().resolved_endpoints)}
    served = {
        name: [{**row, column: f"{day}-{row['id']}"} for day in DAYS[:2] for row in of_days(50, day)]
        for name, column in names.items()
    }
    project.serve(rows=served, shape=Shape(key=KEY, max_page_size=1000))
    started = [loads.start(day, endpoint=name) for day in DAYS[:2] for name in names]
    for load in started:
        load.succeed()
    [(text,)] = postgres.execute("SELECT schema FROM analytics._dlt_version ORDER BY inserted_at DESC LIMIT 1")
    stored = json.loads(text)["tables"]
    for name, column in names.items():
        rows = postgres.execute(f"SELECT count(*), count(DISTINCT id), count({column}) FROM analytics.{name}")  # noqa: S608
        assert rows == [(100, 100, 100)]
        assert stored[name]["columns"][column]["x-api-field"] == column
    assert outcomes(postgres) == [("loaded", 8)]
    assert postgres.schemas() == ["analytics"]
