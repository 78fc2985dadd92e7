"""A year of an account, put into the tables by SQL: what the page is then."""

import datetime as dt
from collections import Counter

import time_machine

from analytics_assets.ingest.window import Window
from analytics_assets_tests.project import Project
from analytics_assets_tests.report.reading import report
from analytics_assets_tests.warehouses import Warehouse, change, types

LAST = dt.date(2026, 3, 8)
DAYS = 365
MOST_BYTES = 5_000_000
# what is not the same on every day: how the copy of a row, that many days before it, differs from it
MOVED = {
    "id",
    "media_id",
    "story_id",
    "timestamp",
    "end_time",
    "updated_at",
    "expires_at",
    "window_start",
    "window_end",
}
MOVED |= {"started_at", "_dlt_id"}


def copies(warehouse: Warehouse, table: str) -> str:
    """Return the statement that puts the rows of a table's one day into each of the days before it."""
    columns = [*types(warehouse, table), "_dlt_id", "_dlt_load_id"]
    chosen = []
    for name, kind in [*types(warehouse, table).items(), ("_dlt_id", "text"), ("_dlt_load_id", "text")]:
        if name not in MOVED:
            chosen.append(f'"{name}"')
        elif "timestamp" in kind:
            chosen.append(f"\"{name}\" - back * INTERVAL '1 day'")
        else:
            chosen.append(f"\"{name}\" || '-' || back")
    names = ", ".join(f'"{name}"' for name in columns)
    return (
        f"INSERT INTO analytics.{table} ({names}) "  # noqa: S608 - names of the tests
        f"SELECT {', '.join(chosen)} FROM analytics.{table}, generate_series(1, {DAYS - 1}) AS days(back)"
    )


def test_a_year_is_one_small_file(project: Project, warehouse: Warehouse, clock: time_machine.Traveller) -> None:
    """Less than 5 MB, with every day in the calendar, and a chart of each metric, or of twelve that add up alike."""
    names = ("media_insights", "user_insights", "stories", "story_insights")
    clock.move_to(dt.datetime(2026, 3, 9, 12, tzinfo=dt.UTC))
    project.serve()
    project.load(Window.of_day(LAST), *names)
    for name in (*names, "_analytics_windows"):
        change(warehouse, copies(warehouse, name))
    [(rows,)] = warehouse.execute("SELECT COUNT(*) FROM analytics.media_insights")
    assert int(str(rows)) > DAYS * 100
    found = report()
    assert len(found.source.encode()) < MOST_BYTES
    assert found.headline == "All of it is there: every day of every endpoint is proven"
    assert (found.months[0], found.months[-1], len(found.months)) == ("March 2026", "March 2025", 13)
    days = [day for month in found.months for day in found.days(month, "stories").values()]
    assert Counter(day.split(",")[0] for day in days) == {"proven": DAYS, "missing": 1}
    kinds = Counter(row[2] for row in found.table("Table of all metrics").rows[1:])
    assert kinds.total() > 20
    # and one of the runs
    assert found.source.count('<svg role="img"') == sum(min(12, count) for count in kinds.values()) + 1
