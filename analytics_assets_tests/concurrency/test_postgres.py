"""PostgreSQL: loads of one endpoint at once merge through staging of their own, and lose nothing."""

import pytest

from analytics_assets.sandbox.shape import Shape
from analytics_assets_tests.concurrency.conftest import working_directories
from analytics_assets_tests.concurrency.loader import ALL, HOLD, Loads
from analytics_assets_tests.concurrency.test_duckdb import ids, of_days
from analytics_assets_tests.project import KEY, Project
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
