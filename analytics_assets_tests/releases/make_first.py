"""Makes ``first.sql``: what the first version of the project wrote into DuckDB, as statements.

It is run by that version, and is kept to show where the file is from: check out 8c0b775 into a folder of its own, with
its ``requirements.lock`` in a ``.venv``, and there, ``python make_first.py first.sql``.
"""

import datetime as dt
import json
import os
import sys
from pathlib import Path
from typing import Any

import dagster as dg
import duckdb

from analytics_assets.build import build_definitions
from analytics_assets.sandbox.app import Sandbox
from analytics_assets.sandbox.faults import Fault
from analytics_assets.sandbox.server import SandboxServer
from analytics_assets.sandbox.shape import Shape

DAYS = ("2025-03-01", "2025-03-02")
KEY = "a-key-of-the-first"

Row = dict[str, Any]


def insight(day: str, metric: str, value: object, number: int) -> Row:
    """Return a row of media or user insights, and of those of stories."""
    row = {"id": f"{day}:{metric}:{number}", "media_id": f"m{number}", "metric": metric, "value": value}
    row |= {"story_id": f"s{number}", "user_id": "u1", "period": "day", "profile_views": number}
    return row | {"timestamp": f"{day}T0{number}:00:00Z", "end_time": f"{day}T0{number}:00:00Z"}


def rows() -> dict[str, list[Row]]:
    """Return what the API has: numbers and breakdowns, fields that nobody declared, and rows that cannot be loaded."""
    insights = [
        insight(day, metric, value, number)
        for day in DAYS
        for number, (metric, value) in enumerate([("likes", 3), ("reach", {"follower": 3, "other": 4}), ("saves", 0.5)])
    ]
    stories = [
        {"id": f"{day}:s{number}", "timestamp": f"{day}T0{number}:00:00Z", "like_count": number, "caption": "é ''"}
        | more
        for day in DAYS
        for number, more in enumerate([{"mood": "good", "ratio": 8}, {"mood": 5, "ratio": 7.5}, {"extra": {"a": [1]}}])
    ]
    stories.append({"id": "bad", "timestamp": f"{DAYS[0]}T05:00:00Z", "like_count": "three"})
    return {"media_insights": insights, "user_insights": insights, "story_insights": insights, "stories": stories}


def load(server: Sandbox) -> None:
    """Load two days and a third that fails, and all history of one endpoint."""
    definitions = build_definitions(retry_policy=dg.RetryPolicy(max_retries=0))
    job = definitions.get_implicit_global_asset_job_def()

    def run(day: str, mode: str, *names: str) -> None:
        config = {"ops": {name: {"config": {"sync_mode": mode}} for name in names}}
        keys = [dg.AssetKey(name) for name in names]
        with dg.DagsterInstance.ephemeral() as instance:
            job.execute_in_process(
                partition_key=day, run_config=config, asset_selection=keys, instance=instance, raise_on_error=False
            )

    run(DAYS[0], "FULL_REFRESH", "user_insights")
    for day in DAYS:
        run(day, "INCREMENTAL", "media_insights", "user_insights", "stories", "story_insights")
    server.faults = [Fault("status", status=500)]
    run("2025-03-03", "INCREMENTAL", "stories")


def statements(path: str) -> list[str]:
    """Return the statements that make the file anew."""
    with duckdb.connect(path, read_only=True) as held:
        tables = held.execute("SELECT table_name, sql FROM duckdb_tables() ORDER BY table_name").fetchall()
        found = ["CREATE SCHEMA analytics;", *(sql for _, sql in tables)]
        for name, _ in tables:
            result = held.execute(f"SELECT CAST(COLUMNS(*) AS VARCHAR) FROM analytics.{name} ORDER BY ALL")  # noqa: S608 - of dlt
            for row in result.fetchall():
                found.append(f"INSERT INTO analytics.{name} VALUES ({', '.join(map(literal, row))});")  # noqa: S608, PERF401 - of dlt
    return found


def literal(value: str | None) -> str:
    """Write a text as SQL has it; DuckDB casts it to the column's type."""
    return "NULL" if value is None else "'" + value.replace("'", "''") + "'"


def main() -> None:
    """Load in the working directory, and write the file that the command line names."""
    os.environ |= {"API_KEY": KEY, "ANALYTICS_API__MAX_RETRIES": "0"}
    sandbox = Sandbox(shape=Shape(key=KEY), rows=rows(), now=lambda: dt.datetime(2025, 3, 4, tzinfo=dt.UTC))
    with SandboxServer(sandbox) as server:
        os.environ["ANALYTICS_API__BASE_URL"] = server.url
        load(sandbox)
    text = "\n".join(statements("warehouse.duckdb")) + "\n"
    assert json.dumps(KEY)[1:-1] not in text
    Path(sys.argv[1]).write_text(text)


if __name__ == "__main__":
    main()
