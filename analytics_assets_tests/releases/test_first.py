"""A DuckDB file that the project's first version has written is loaded into, merged, reported and moved by today's."""

import datetime as dt
import json
from pathlib import Path
from typing import Any

import duckdb
import pytest
import time_machine

from analytics_assets.commands import move
from analytics_assets.ingest.configured import load_settings
from analytics_assets.ingest.connection import check_warehouse
from analytics_assets.ingest.errors import ApiError
from analytics_assets.ingest.warehouse.layout_version import LAYOUT, LAYOUT_HINT
from analytics_assets.ingest.warehouse.ledger import LEDGER, LEDGER_COLUMNS
from analytics_assets.ingest.window import Window
from analytics_assets.report.contents import read_contents
from analytics_assets.sandbox.faults import Fault
from analytics_assets_tests.project import Project, Row
from analytics_assets_tests.releases.make_first import DAYS, rows
from analytics_assets_tests.warehouses import Duckdb, Postgres, contents, types

pytestmark = pytest.mark.duckdb

FIRST = Path(__file__).with_name("first.sql")
NAMES = ("media_insights", "user_insights", "stories", "story_insights")
# the first version has told dlt of these, rows or not, and a load writes to one only where it sets a row aside
REJECTED = {f"{name}__rejected": 1 for name in NAMES}
WRITTEN = dict.fromkeys([*NAMES, LEDGER, "insight_restatements"], LAYOUT)
WINDOWS = [Window.of_day(dt.date.fromisoformat(day)) for day in DAYS]
NEXT = Window.of_day(dt.date(2025, 3, 3))
SCHEMA = (
    "SELECT schema FROM analytics._dlt_version WHERE schema_name = 'analytics_api' ORDER BY inserted_at DESC LIMIT 1"
)


@pytest.fixture(autouse=True)
def first(project: Project) -> Duckdb:
    """Make the file anew in the test's folder."""
    with duckdb.connect(str(project.path / "warehouse.duckdb")) as made:
        made.execute(FIRST.read_text())
    return Duckdb(project)


def _of_next_day() -> dict[str, list[Row]]:
    """Return what the API has of the day that the first version has failed to load."""
    moment = "2025-03-03T01:00:00Z"
    new = {"id": "new", "timestamp": moment, "end_time": moment, "metric": "likes", "value": 9, "like_count": 9}
    return {name: [*held, new] for name, held in rows().items()}


def _layouts(first: Duckdb) -> dict[str, int]:
    """Return the layout of each table that is ours, as dlt's schema has it."""
    [(stored,)] = first.execute(SCHEMA)
    tables: dict[str, Any] = json.loads(str(stored))["tables"]
    held = [str(name) for (name,) in first.execute("SELECT table_name FROM duckdb_tables()")]
    return {name: tables[name].get(LAYOUT_HINT, 1) for name in held if not name.startswith("_dlt")}


def _states() -> dict[str, list[str]]:
    """Return what the report says of the three days."""
    with time_machine.travel("2025-03-04T12:00:00Z"):
        calendar = read_contents(load_settings()).calendar
    return {name: [day.words for day in days[-4:-1]] for name, days in calendar.days.items()}


def test_it_is_reported_as_it_is(first: Duckdb) -> None:
    """Its days are proven, failed or missing, with their rows; nothing is written by looking."""
    held = first.execute(f"SELECT * FROM analytics.{LEDGER}")  # noqa: S608 - ours
    assert _states() == {
        "media_insights": ["proven, 3 rows", "proven, 3 rows", "missing"],
        # its full refresh came first, and each later window of that version then took away all others
        "user_insights": ["proven, 0 rows", "proven, 3 rows", "proven, 0 rows"],
        "stories": ["proven, 3 rows, 1 rejected in its window", "proven, 3 rows", "failed"],
        "story_insights": ["proven, 3 rows", "proven, 3 rows", "missing"],
    }
    assert first.execute(f"SELECT * FROM analytics.{LEDGER}") == held  # noqa: S608 - ours
    assert set(_layouts(first).values()) == {1}


def test_the_next_day_is_loaded_beside_what_it_holds(project: Project, first: Duckdb) -> None:
    """No row of it goes, not even where dlt's stored schema still says to replace all; its tables are brought up."""
    project.serve(rows=_of_next_day())
    before = {name: [row["id"] for row in contents(first, name)] for name in NAMES}
    ledger = len(contents(first, LEDGER, "started_at"))
    project.load(NEXT, *NAMES)
    assert {name: [row["id"] for row in contents(first, name)] for name in NAMES} == {
        name: [*ids, "new"] for name, ids in before.items()
    }
    assert len(contents(first, LEDGER, "started_at")) == ledger + len(NAMES)
    assert {column["name"] for column in LEDGER_COLUMNS} <= types(first, LEDGER).keys()
    assert _layouts(first) == WRITTEN | REJECTED
    assert [days[-1] for days in _states().values()] == ["proven, 1 row"] * 4


def test_its_own_days_are_merged(project: Project, first: Duckdb) -> None:
    """Loaded again they are there once, with values as sent; what changed is recorded, what was set aside stays."""
    served = rows()
    served["media_insights"][0]["value"] = 5
    project.serve(rows=served)
    for window in WINDOWS:
        project.load(window, *NAMES)
    assert {name: len(contents(first, name)) for name in NAMES} == dict.fromkeys(NAMES, 6)
    held = {row["id"]: row for row in contents(first, "stories")}
    assert [held[f"{DAYS[0]}:s{number}"].get("ratio") for number in range(3)] == [8.0, 7.5, None]
    assert held[f"{DAYS[0]}:s1"]["mood__v_bigint"] == 5
    assert [row["value_number"] for row in contents(first, "media_insights")][:3] == [5.0, 7.0, 0.5]
    [moved] = [row for row in contents(first, "insight_restatements") if row["endpoint"] == "media_insights"]
    assert (moved["id"], moved["old_value"], moved["new_value"]) == (f"{DAYS[0]}:likes:0", "3", "5")
    assert [row["reason"] for row in contents(first, "stories__rejected")] == ["like_count is text, not a whole number"]
    assert _layouts(first) == WRITTEN | REJECTED | {"stories__rejected": LAYOUT}
    assert types(first, "stories__rejected")["raw"] == "varchar"


def test_a_full_refresh_and_a_failure_are_recorded(project: Project, first: Duckdb) -> None:
    """Rows of it that the API no longer has go with a full refresh; a window that fails is in its ledger."""
    sandbox = project.serve(rows={"media_insights": rows()["media_insights"][:1]})
    project.configure(max_retries=0)
    sandbox.faults = [Fault("status", status=500)]
    with pytest.raises(Exception, match="500"):
        project.load(NEXT, "media_insights")
    newest = contents(first, LEDGER, "started_at")[-1]
    assert (newest["endpoint"], newest["outcome"]) == ("media_insights", "failed")
    sandbox.faults = []
    project.load(None, "media_insights")
    assert [row["id"] for row in contents(first, "media_insights")] == [f"{DAYS[0]}:likes:0"]


@pytest.mark.postgres
def test_it_is_moved_as_it_is(project: Project, first: Duckdb, request: pytest.FixtureRequest) -> None:
    """It need not be loaded into first, and afterwards it is loaded into in PostgreSQL."""
    project.serve(rows=_of_next_day())
    held = {name: contents(first, name) for name in (*NAMES, "stories__rejected")}
    database: Postgres = request.getfixturevalue("postgres")
    assert move.main() == 0
    assert {name: contents(database, name) for name in held} == held
    project.load(NEXT, *NAMES)
    assert {name: len(contents(database, name)) - len(held[name]) for name in NAMES} == dict.fromkeys(NAMES, 1)


def test_what_a_newer_version_has_made_is_left_alone(
    project: Project, first: Duckdb, capfd: pytest.CaptureFixture[str], request: pytest.FixtureRequest
) -> None:
    """A load asks nothing of the API and writes nothing; the check says so beforehand, and a move as well."""
    sandbox = project.serve(rows=_of_next_day())
    project.load(NEXT)
    project.load(NEXT, "media_insights")
    asked = len(sandbox.requests)
    hint = f'"{LAYOUT_HINT}":'
    first.change(f"UPDATE analytics._dlt_version SET schema = replace(schema, '{hint}2', '{hint}3')")  # noqa: S608 - ours
    held = first.execute(f"SELECT * FROM analytics.{LEDGER}")  # noqa: S608 - ours
    said = (
        "has layout 3, and this version of the project knows 2: a newer one made it. "
        "Install that one, or load into another warehouse"
    )
    with pytest.raises(ApiError, match="has layout 3") as refused:
        project.load(NEXT)
    assert str(refused.value).endswith(said)
    assert not refused.value.problem.is_transient
    assert len(sandbox.requests) == asked
    assert first.execute(f"SELECT * FROM analytics.{LEDGER}") == held  # noqa: S608 - ours
    assert check_warehouse(load_settings()).message.endswith(said)
    request.getfixturevalue("postgres")
    capfd.readouterr()
    assert move.main() == 1
    assert capfd.readouterr().err.endswith(f"{said}\n")
