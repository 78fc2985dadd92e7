"""A run that is killed with ``kill -9``, at any moment, leaves a whole table; running it again repairs the rest."""

import random
import time
from collections.abc import Callable

import pytest

from analytics_assets_tests.concurrency.conftest import working_directories
from analytics_assets_tests.concurrency.loader import ALL, HOLD, STEPS, Loads
from analytics_assets_tests.project import DAY, KEY_FORMS, Project, Row
from analytics_assets_tests.warehouses import Warehouse, types

KILLS = {DAY: 5, ALL: 3}
TABLE = "media_insights"
STAGES = tuple(STEPS)

Look = Callable[[], list[Row]]


def version(number: int, *, more: bool = False) -> list[Row]:
    """Return the rows as they are after that many restatements: new values, one row gone and one new each time.

    With ``more``, columns that nobody declared say the same.
    """
    undeclared = {"restatementId": number, "mood": str(number), "tags": [number]} if more else {}
    return [
        {
            "id": f"m{row:04d}",
            "media_id": f"media{row % 7}",
            "metric": "reach",
            "period": "day",
            "value": {"total": number},
            "timestamp": f"{DAY}T{row % 24:02d}:00:00Z",
            "updated_at": f"2025-04-01T{number // 60:02d}:{number % 60:02d}:00Z",
            **undeclared,
        }
        for row in range(number, number + 300)
    ]


def held(warehouse: Warehouse) -> dict[str, str]:
    """Return what the table holds: id to the restatement it is from.

    Fails when an id is there twice, or a row's columns are not of one restatement.
    """
    told = [name for name in ("value", "restatement_id", "mood", "tags") if name in types(warehouse, TABLE)]
    chosen = ", ".join(f"CAST({name} AS VARCHAR)" for name in told)
    rows = warehouse.execute(f"SELECT id, {chosen} FROM analytics.{TABLE}")  # noqa: S608
    found = {}
    for key, *values in rows:
        numbers = {"".join(filter(str.isdigit, str(value))) for value in values}
        assert len(numbers) == 1, (key, values)
        found[str(key)] = numbers.pop()
    assert len(found) == len(rows)
    return found


def expected(number: int, before: dict[str, str] | None = None) -> dict[str, str]:
    """Return what the table holds when that version was loaded; rows that the API has no more stay from before."""
    return {**(before or {}), **{row["id"]: str(number) for row in version(number)}}


def between(found: dict[str, str], before: dict[str, str], after: dict[str, str]) -> dict[str, tuple[str | None, ...]]:
    """Return what is neither as before nor as after: id to what is found, what was before, and what should be after."""
    wrong = min((before, after), key=lambda whole: len(whole.items() ^ found.items()))
    keys = {key for key, _ in wrong.items() ^ found.items()}
    return {key: (found.get(key), before.get(key), after.get(key)) for key in keys}


def growing(warehouse: Warehouse) -> tuple[list[str], list[tuple[object, ...]], list[tuple[object, ...]]]:
    """Return what must not grow from run to run: schemas, tables, and dlt's schema versions and states."""
    tables = warehouse.execute(
        "SELECT table_schema, table_name FROM information_schema.tables "
        "WHERE table_schema LIKE 'analytics%' ORDER BY table_schema, table_name"
    )
    return warehouse.schemas(), tables, warehouse.execute("SELECT COUNT(*) FROM analytics._dlt_version")


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("day", "more"), [(DAY, False), (ALL, False), (DAY, True)], ids=["window", "full refresh", "undeclared columns"]
)
def test_kills_at_random_moments(
    project: Project,
    warehouse: Warehouse,
    loads: Loads,
    day: str,
    more: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    """After each kill, the table is as before or as after, never between; the rerun makes it as after."""
    moments = random.Random(7)  # noqa: S311 - not for secrets
    sandbox = project.serve(rows={TABLE: version(0, more=more)})
    for first in (ALL, DAY, day):
        began = time.monotonic()
        loads.start(first, endpoint=TABLE).succeed()
        duration = time.monotonic() - began
    before, size = expected(0), growing(warehouse)
    killed = 0
    for number in range(1, 3 * KILLS[day]):
        sandbox.rows[TABLE] = version(number, more=more)
        after = expected(number, before if day == DAY else None)
        load = loads.start(day, endpoint=TABLE)
        time.sleep(moments.uniform(0, duration))
        killed += load.kill() == -9
        assert between(held(warehouse), before, after) == {}
        began = time.monotonic()
        loads.start(day, endpoint=TABLE).succeed()
        duration = (duration + time.monotonic() - began) / 2
        assert held(warehouse) == after
        assert growing(warehouse) == size
        assert working_directories(project) == []
        before = after
        if killed == KILLS[day]:
            break
    assert killed == KILLS[day]


@pytest.mark.slow
@pytest.mark.parametrize("more", [False, True], ids=["", "undeclared columns"])
def test_kills_between_the_steps(
    project: Project,
    warehouse: Warehouse,
    loads: Loads,
    monkeypatch: pytest.MonkeyPatch,
    more: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    """The same for a kill before each step of a run, also of the first; the ledger says which runs did not finish."""
    sandbox = project.serve(rows={TABLE: version(0, more=more)})
    before: dict[str, str] = {}
    for number, stage in enumerate(STAGES):
        sandbox.rows[TABLE] = version(number, more=more)
        after = expected(number, before)
        monkeypatch.setenv(HOLD, stage)
        load = loads.start(DAY, endpoint=TABLE)
        load.says("holding")
        assert load.kill() == -9
        monkeypatch.delenv(HOLD)
        if number:
            assert held(warehouse) == (before if STAGES.index(stage) < STAGES.index("prove") else after)
        loads.start(DAY, endpoint=TABLE).succeed()
        assert held(warehouse) == after
        assert warehouse.schemas() == ["analytics"]
        assert working_directories(project) == []
        before = after
    outcomes = warehouse.execute("SELECT outcome, COUNT(*) FROM analytics._analytics_windows GROUP BY 1 ORDER BY 1")
    assert outcomes == [("loaded", 7), ("loading", 2)]


@pytest.mark.parametrize("stage", STAGES)
def test_a_killed_run_leaves_no_key(
    project: Project, loads: Loads, monkeypatch: pytest.MonkeyPatch, stage: str
) -> None:
    """Its working directory stays until the next run; the key is in none of its files."""
    project.serve(rows={TABLE: version(0)})
    monkeypatch.setenv(HOLD, stage)
    load = loads.start(DAY, endpoint=TABLE)
    load.says("holding")
    assert load.kill() == -9
    assert working_directories(project)
    project.assert_nowhere(KEY_FORMS)
