"""How an endpoint stands after a load: what is there, what is proven, what the last days brought."""

import datetime as dt
import logging
from typing import Any

import pytest
import time_machine

from analytics_assets.ingest.opening import open_pipeline, read_warehouse
from analytics_assets.ingest.source import build_source
from analytics_assets.ingest.warehouse.standing import Measured, Standing, standing
from analytics_assets.ingest.warehouse.view import Tables
from analytics_assets.ingest.window import Window
from analytics_assets.sandbox.shape import Shape
from analytics_assets_tests.project import KEY, WINDOW, Project, endpoint_of, settings_of, stories

pytestmark = pytest.mark.usefixtures("warehouse")
FIRST = dt.date(2025, 3, 1)
NOON = dt.datetime(2025, 3, 4, 12, tzinfo=dt.UTC)


def load(project: Project, name: str = "stories", window: Window | None = WINDOW) -> Standing:
    """Load an endpoint, and return how it stands."""
    source, reading = build_source(endpoint_of(name), settings_of(name), window)
    with open_pipeline(reading) as pipeline:
        pipeline.run(source)
    project.reports[name] = pipeline.report
    assert pipeline.standing
    return pipeline.standing


def insight(day: int, metric: str, value: object, **more: object) -> dict[str, Any]:
    """Return a row of posts' insights."""
    row = {"id": f"{day} {metric} {value} {more}", "media_id": "m", "metric": metric, "period": "day", "value": value}
    return row | {"timestamp": f"2025-03-{day:02d}T23:30:00Z", "profile_views": 9, **more}


def test_days_and_rows(project: Project) -> None:
    """Days until yesterday that nobody loaded are missing; an expiry that is over is not the next one."""
    project.configure(start_date="2025-03-01")
    expires = ["2025-03-02T00:00:00Z", "2025-03-04T14:00:00Z", "2025-03-04T13:00:00Z", None]
    rows = [{**row, "expires_at": at} for row, at in zip(stories(4), expires, strict=True)]
    project.serve(rows={"stories": rows})
    with time_machine.travel(NOON, tick=True):
        stands = load(project)
        assert (stands.rows, stands.last_proven) == (4, FIRST)
        assert stands.missing == (dt.date(2025, 3, 2), dt.date(2025, 3, 3))
        assert stands.next_expiry == dt.datetime(2025, 3, 4, 13, tzinfo=dt.UTC)
        assert (len(stands.days), stands.days[-1], dict(stands.rows_by_day)) == (30, FIRST, {FIRST: 4})
        today = load(project, window=Window.of_day(NOON.date()))
        assert (today.rows, today.last_proven, today.days[-1]) == (4, FIRST, NOON.date())
        everything = load(project, window=None)
    assert (everything.missing, everything.last_proven) == ((), dt.date(2025, 3, 3))
    assert everything.days[-1] == dt.date(2025, 3, 3)


def test_numbers_are_those_that_are_right(project: Project) -> None:
    """A sum is added up; of people the largest is shown, and called that; other days and other spans are others."""
    rows = [
        *(insight(1, "likes", value) for value in (3, {"a": 2, "b": 2})),
        *(insight(1, "reach", value) for value in (50, 80)),
        insight(2, "reach", 70),
        insight(1, "likes", 99, period="week"),
        insight(1, "mood", {"a": 0.5, "b": 0.25}),
        {**insight(1, "likes", 1_000), "timestamp": None},
    ]
    project.serve(rows={"media_insights": rows})
    found = load(project, "media_insights", Window(WINDOW.start, WINDOW.end + dt.timedelta(days=1)))
    by_day = {what: (dict(one.by_day), one.is_of_several) for what, one in found.measured.items()}
    assert by_day == {
        Measured("likes", "day", "sum"): ({FIRST: 7}, False),
        Measured("likes", "week", "sum"): ({FIRST: 99}, False),
        Measured("reach", "day", "unique"): ({FIRST: 80, dt.date(2025, 3, 2): 70}, True),
    }
    assert sum(found.rows_by_day.values()) == 7
    assert found.rows == 8


def test_days_are_those_of_the_time_zone(project: Project) -> None:
    """Half past eleven in UTC is the next day in Berlin, and so are its number and its row."""
    project.configure(timezone="Europe/Berlin")
    project.serve(rows={"media_insights": [insight(1, "likes", 3)]})
    berlin = dt.timezone(dt.timedelta(hours=1))
    found = load(project, "media_insights", Window.of_day(dt.date(2025, 3, 2), berlin))
    assert [dict(one.by_day) for one in found.measured.values()] == [{dt.date(2025, 3, 2): 3}]
    assert dict(found.rows_by_day) == {dt.date(2025, 3, 2): 1}
    assert found.last_proven == dt.date(2025, 3, 2)


def test_any_endpoint_stands_somehow(project: Project) -> None:
    """One with a column for each number, and names that SQL uses; a list without a moment."""
    project.configure(
        endpoints__stories__cursor="from",
        endpoints__stories__columns={"order": "bigint", "expires_at": {"ignore": True}},
        endpoints__totals__path="/totals",
        endpoints__totals__window_start_param="",
        endpoints__totals__window_end_param="",
        metrics={"order": "sum"},
    )
    rows = [{"id": str(number), "from": f"2025-03-0{number}T00:00:00Z", "order": number} for number in (1, 2, 3)]
    shape = Shape(key=KEY, paths={"totals": "/totals", "stories": "/v1/stories"}, cursors={"stories": "from"})
    project.serve(rows={"stories": rows, "totals": [{"id": "t"}]}, shape=shape)
    with time_machine.travel(NOON, tick=True):
        found, total = load(project, window=None), load(project, "totals", None)
    assert (total.rows, total.rows_by_day, total.last_proven) == (1, {}, dt.date(2025, 3, 3))
    assert found.next_expiry is None
    assert [dict(one.by_day) for one in found.measured.values()] == [
        {dt.date(2025, 3, day): day for day in (1, 2, 3)},
    ]


def test_before_there_is_a_table(project: Project) -> None:
    """A first load that brings nothing has proven its day, and the table, if there is one, is empty."""
    project.serve(rows={"stories": []})
    found = load(project)
    assert (found.rows, found.last_proven, found.next_expiry, found.rows_by_day) == (0, FIRST, None, {})


def test_what_the_warehouse_does_not_say_fails_no_load(project: Project, caplog: pytest.LogCaptureFixture) -> None:
    """It is said in the log; a table that is not there is none that cannot be read."""
    project.serve(rows={"stories": stories(2)})
    load(project)
    report = project.reports["stories"]
    with read_warehouse() as client:
        tables = Tables(client, settings_of("stories"))
        nowhere = endpoint_of("user_insights")
        empty = standing(tables, nowhere, report, logging.getLogger("test"))
        assert empty
        assert empty.rows == 0
        client.execute_sql("ALTER TABLE analytics.stories RENAME COLUMN expires_at TO gone")
        assert standing(tables, endpoint_of("stories"), report, logging.getLogger("test")) is None
    assert "stories: how its table stands is not known" in caplog.text
