"""A load into PostgreSQL finds the rows that it needs, and does not look at all that there are."""

import datetime as dt
import hashlib

import pytest

from analytics_assets.ingest.warehouse import standing
from analytics_assets.ingest.window import Window
from analytics_assets_tests.project import DAY, Project, stories
from analytics_assets_tests.warehouses import Postgres

pytestmark = pytest.mark.postgres

MANY = 300_000
OTHER = "2025-03-02"
_READ = "SELECT seq_tup_read FROM pg_stat_user_tables WHERE schemaname = 'analytics' AND relname = 'stories'"
_INDEXES = "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'analytics' AND indexname LIKE '%_idx'"


def fill(postgres: Postgres) -> None:
    """Put many rows into the table, of days long ago."""
    columns = "SELECT string_agg(quote_ident(column_name), ',') FROM information_schema.columns "
    [(others,)] = postgres.execute(
        f"{columns} WHERE table_schema = 'analytics' AND table_name = 'stories' "
        "AND column_name NOT IN ('id', '_dlt_id', '_dlt_load_id', 'timestamp')"
    )
    postgres.execute(
        f"INSERT INTO analytics.stories (id, _dlt_id, _dlt_load_id, timestamp, {others}) "  # noqa: S608
        f"SELECT 'old' || n, 'old' || n, 'old', TIMESTAMPTZ '2024-01-01' + n * INTERVAL '1 minute', {others} "
        f"FROM generate_series(1, {MANY}) AS n, (SELECT * FROM analytics.stories LIMIT 1) AS one"
    )
    postgres.execute("ANALYZE analytics.stories")


@pytest.mark.parametrize("fields", ["id", ("id", "timestamp")], ids=["one column", "several"])
def test_what_a_load_reads(
    project: Project, postgres: Postgres, monkeypatch: pytest.MonkeyPatch, fields: str | tuple[str, ...]
) -> None:
    """Beside many rows a load of ten, and one that changes them, read the ten, and count the many but once."""
    project.serve(rows={"stories": [*stories(10), *({**row, "id": f"o{row['id']}"} for row in stories(10, OTHER))]})
    if fields != "id":
        project.configure(endpoints__stories__id=fields)
    project.load()
    fill(postgres)
    for day in (OTHER, DAY, OTHER):
        [(before,)] = postgres.execute(_READ)
        report = project.load(Window.of_day(dt.date.fromisoformat(day)))
        assert (report.rows_kept, report.rows_loaded) == (10, 10)
        [(after,)] = postgres.execute(_READ)
        assert after - before < 1.1 * MANY
    # of very many it is not even counted how many there are
    monkeypatch.setattr(standing, "COUNTED", 1_000)
    project.load()
    assert postgres.execute(_READ)[0][0] - after < MANY / 10
    assert postgres.execute("SELECT count(*), count(DISTINCT id) FROM analytics.stories") == [(MANY + 20, MANY + 20)]


def test_indexes_are_made_where_they_are_missing(project: Project, postgres: Postgres) -> None:
    """Also in tables that an earlier version has made; an id may be longer than what a tree takes."""
    long = "".join(hashlib.sha256(bytes([number])).hexdigest() for number in range(200))
    project.serve(rows={"stories": [{**row, "id": f"{long}{row['id']}"} for row in stories(3)]})
    project.load()
    made = postgres.execute(_INDEXES)
    assert [name.removeprefix("stories_").removesuffix("_idx") for name, _ in sorted(made)] == [
        "_dlt_load_id",
        "expires_at",
        "id",
        "timestamp",
    ]
    postgres.execute("DROP INDEX analytics.stories_timestamp_idx")
    project.load()
    assert sorted(postgres.execute(_INDEXES)) == sorted(made)
    assert [row["id"] for row in postgres.table("stories")] == [f"{long}s00{number}" for number in range(3)]
