"""The SQL that the project writes itself, for warehouses that nobody has run it on: collected by loads, and parsed."""

import re
import sys
from pathlib import Path
from typing import Any

import dlt.destinations
import pytest
import sqlglot
from dlt.destinations.impl.sqlalchemy.db_api_client import SqlalchemyClient
from sqlglot import exp

from analytics_assets_tests.project import Project, stories

DOCS = (Path(__file__).parents[3] / "docs" / "warehouses.md").read_text()
DIALECTS = ("snowflake", "bigquery", "databricks", "redshift")
NAMES = ("media_insights", "user_insights", "stories", "story_insights")
# modules of ours, each with a word of a statement that it is known to have sent
SENT = {
    "coverage": "SELECT endpoint, window_start",
    "day_counts": "EXTRACT(EPOCH FROM",
    "emptiness": '"expires_at" IS NULL OR',
    "kin": "NOT EXISTS",
    "ledger": "UPDATE _analytics_windows SET",
    "quality": "SELECT outcome, api_total",
    "warehouse": "SELECT MAX(began)",
    "merge": "ROW_NUMBER() OVER (PARTITION BY",
}


@pytest.fixture
def written(project: Project, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return each statement of ours that loads, checks and a full refresh have sent to a database without a lock.

    They are those that our own modules have put together, and dlt's deletes, which are made around a condition of ours.
    """
    found: dict[str, None] = {}
    execute = SqlalchemyClient.execute_query

    def note(client: SqlalchemyClient, query: Any, *arguments: Any, **named: Any) -> Any:  # noqa: ANN401 - dlt's signature
        statement = " ".join(str(query).split())
        if _caller().startswith("analytics_assets.") or "SELECT held._dlt_id" in statement:
            found[re.sub(r"(_staging)_[0-9a-f]{8}", r"\1", statement)] = None
        return execute(client, query, *arguments, **named)

    monkeypatch.setattr(SqlalchemyClient, "execute_query", note)
    monkeypatch.setenv("DESTINATION__WAREHOUSE__DESTINATION_TYPE", "sqlalchemy")
    monkeypatch.setenv("DESTINATION__WAREHOUSE__CREDENTIALS", f"sqlite:///{project.path}/warehouse.db")
    more = {"metric": "likes", "value": 3, "story_id": "s001"}
    rows = [row | more | {"end_time": row["timestamp"]} for row in stories(4)]
    sandbox = project.serve(rows=dict.fromkeys(NAMES, rows))
    for _ in range(2):
        assert project.materialize(*NAMES).success
    assert project.materialize("user_insights", full_refresh=True).success
    sandbox.rows = {}
    assert not project.materialize("stories").success
    return [statement for statement in found if "SELECT" in statement or "UPDATE" in statement]


def _caller() -> str:
    """Return the module that has asked dlt's client, of ours or of dlt's."""
    frame = sys._getframe(2)  # noqa: SLF001 - nothing else says who calls
    while frame.f_back:
        name = str(frame.f_globals.get("__name__"))
        if name.startswith(("analytics_assets.", "dlt.")) and not name.endswith("client"):
            return name
        frame = frame.f_back
    return ""


def _as_in(dialect: str, statement: str) -> str:
    """Write a statement as the project would there: names are escaped by dlt."""
    there = getattr(dlt.destinations, dialect)().capabilities()
    escaped = re.sub(r'"(\w+)"', lambda name: there.escape_identifier(there.casefold_identifier(name[1])), statement)
    return escaped.replace("%s", "'x'")


def _sorts_nulls_elsewhere(dialect: str, statement: str) -> bool:
    """Parse a statement in a dialect; say whether it sorts nulls elsewhere than PostgreSQL. Raises what is no SQL."""
    parsed = sqlglot.parse_one(_as_in(dialect, statement), read=dialect)
    assert [one.name for one in parsed.find_all(exp.Anonymous)] == [], "functions that nobody knows there"
    return "NULLS" in sqlglot.parse_one(statement.replace("%s", "'x'"), read="postgres").sql(dialect).upper()


def test_what_is_written_is_collected_by_running_it(written: list[str]) -> None:
    """Each module that asks the database without being told its kind is among those who did."""
    assert {name for name, words in SENT.items() if not any(words in statement for statement in written)} == set()


@pytest.mark.parametrize("dialect", DIALECTS)
def test_it_is_sql_there_and_differs_as_the_page_says(written: list[str], dialect: str) -> None:
    """Every statement is parsed; whether nulls are sorted elsewhere there stands in the page's table."""
    differs = {_sorts_nulls_elsewhere(dialect, statement) for statement in written}
    head, nulls = (
        [cell.strip().lower() for cell in row.strip("|").split("|")]
        for row in re.findall(r"^\| (?:what \| Snowflake|order of nulls).*$", DOCS, re.MULTILINE)
    )
    assert nulls[head.index(dialect)] == ("other" if True in differs else "as in postgresql")


def test_no_load_counts_days_from_the_epoch(written: list[str]) -> None:
    """Not every database can: where one cannot, checks of days say so, and what loads and proves is not among them."""
    counts = [statement for statement in written if "EPOCH" in statement]
    assert counts
    assert [one for one in counts if "DELETE" in one or "_analytics_windows" in one or "_dlt_load_id" in one] == []


def test_what_is_no_sql_there_is_found() -> None:
    """The parser is not one that takes anything."""
    with pytest.raises(AssertionError, match="functions that nobody knows"):
        _sorts_nulls_elsewhere("bigquery", "SELECT pg_try_advisory_lock(1)")
    with pytest.raises(sqlglot.errors.ParseError):
        _sorts_nulls_elsewhere("redshift", "SELECT FROM WHERE")


@pytest.mark.parametrize("dialect", DIALECTS)
def test_the_settings_of_the_page_are_read(monkeypatch: pytest.MonkeyPatch, dialect: str) -> None:
    """Dlt resolves its configuration from what the page says, and each name stands for something."""
    (block,) = re.findall(rf"^```bash {dialect}\n(.*?)^```", DOCS, re.MULTILINE | re.DOTALL)
    given = dict(line.split("=", 1) for line in block.splitlines())
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    destination = getattr(dlt.destinations, dialect)(destination_name="warehouse")
    resolved = destination.configuration(destination.spec()._bind_dataset_name("analytics"))  # noqa: SLF001 - dlt's own way
    read = {**dict(resolved), **dict(resolved.credentials)}
    for name, value in given.items():
        assert read[name.rpartition("__")[2].lower()].strip() == value
