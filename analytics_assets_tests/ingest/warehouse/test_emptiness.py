"""A window that comes empty although the table holds rows of it, and one between days that have some."""

import datetime as dt
from dataclasses import replace

import pytest

from analytics_assets.ingest.configured import load_settings
from analytics_assets.ingest.errors import ApiError
from analytics_assets.ingest.opening import open_pipeline
from analytics_assets.ingest.report import WindowReport
from analytics_assets.ingest.source import build_source
from analytics_assets.ingest.window import Window
from analytics_assets_tests.project import Project, Row, endpoint_of, stories
from analytics_assets_tests.warehouses import Warehouse, contents

DAYS = [Window.of_day(dt.date(2025, 3, day)) for day in (1, 2, 3)]


def accept(window: Window | None, name: str = "stories") -> WindowReport:
    """Load, and accept it where nothing comes."""
    source, reading = build_source(endpoint_of(name), load_settings(), window)
    with open_pipeline(replace(reading, accepts_empty=True)) as pipeline:
        pipeline.run(source)
    return pipeline.report


def test_a_window_that_held_rows_does_not_come_empty(project: Project, warehouse: Warehouse) -> None:
    """The run fails and says what to do; accepted, it is a result, then and whenever the window is loaded again."""
    sandbox = project.serve(rows={"stories": stories(3)})
    project.load(DAYS[0])
    sandbox.rows["stories"] = []
    for _ in range(2):
        with pytest.raises(ApiError, match=r"incomplete: no rows came for .*has 3 rows of it.*accept_empty"):
            project.load(DAYS[0])
    assert accept(DAYS[0]).rows_loaded == 0
    assert len(contents(warehouse, "stories")) == 3
    assert project.load(DAYS[0]).rows_kept == 0
    outcomes = warehouse.execute("SELECT outcome FROM analytics._analytics_windows ORDER BY started_at")
    assert [outcome for (outcome,) in outcomes] == ["loaded", "failed", "failed", "loaded", "loaded"]


def test_what_was_accepted_holds_for_the_rows_of_then(project: Project, warehouse: Warehouse) -> None:
    """Rows that have come since, by whatever window, are missed again, though the day had been empty before."""
    sandbox = project.serve(rows={})
    project.load(DAYS[0])
    sandbox.rows["stories"] = stories(3)
    project.load(replace(DAYS[0], end=DAYS[1].end))
    sandbox.rows["stories"] = []
    with pytest.raises(ApiError, match="the table has 3 rows"):
        project.load(DAYS[0])
    accept(replace(DAYS[0], end=DAYS[2].end))
    assert project.load(DAYS[0]).rows_kept == 0
    assert len(contents(warehouse, "stories")) == 3


def test_rows_of_other_days_do_not_count(project: Project, warehouse: Warehouse) -> None:
    """An empty day beside a full one is empty."""
    project.serve(rows={"stories": stories(3)})
    project.load(DAYS[0])
    assert project.load(DAYS[1]).rows_kept == 0
    assert len(contents(warehouse, "stories")) == 3


def _expiring(count: int, expires_at: str) -> list[Row]:
    return [{**row, "expires_at": expires_at} for row in stories(count)]


def test_the_api_may_forget_what_has_expired(project: Project, warehouse: Warehouse) -> None:
    """A window of stories that have expired comes empty, and so does all history; the table keeps them."""
    sandbox = project.serve(rows={"stories": _expiring(3, "2025-03-02T00:00:00Z")})
    project.load(DAYS[0])
    sandbox.rows["stories"] = []
    assert project.load(DAYS[0]).rows_kept == 0
    assert project.load(None).rows_kept == 0
    assert len(contents(warehouse, "stories")) == 3
    sandbox.rows["stories"] = [{"id": "new", "timestamp": "2025-03-05T00:00:00Z"}]
    project.load(None)
    assert [row["id"] for row in contents(warehouse, "stories")] == ["new", "s000", "s001", "s002"]


def test_a_story_that_has_not_expired_is_missed(project: Project, warehouse: Warehouse) -> None:
    """It should still come; where none does, the load fails."""
    sandbox = project.serve(rows={"stories": _expiring(3, "2999-01-01T00:00:00Z")})
    project.load(DAYS[0])
    sandbox.rows["stories"] = []
    for window in (DAYS[0], None):
        with pytest.raises(ApiError, match="the table has 3 rows"):
            project.load(window)
    assert len(contents(warehouse, "stories")) == 3


@pytest.mark.parametrize("expires_at", ["2025-03-02T00:00:00Z", "2999-01-01T00:00:00Z", None])
def test_a_story_once_read_is_removed_by_no_mode(
    project: Project, warehouse: Warehouse, expires_at: str | None
) -> None:
    """Whether it has expired or not, or never says when: also not where an empty answer is accepted."""
    sandbox = project.serve(rows={"stories": [{**row, "expires_at": expires_at} for row in stories(3)]})
    project.load(DAYS[0])
    new = {"id": "new", "timestamp": "2025-03-01T00:00:00Z"}
    sandbox.rows["stories"] = [{**stories(1)[0], "like_count": 9}, new]
    for window in (DAYS[0], None):
        project.load(window)
    sandbox.rows["stories"] = []
    for window in (DAYS[0], None):
        accept(window)
    likes = {row["id"]: row.get("like_count") for row in contents(warehouse, "stories")}
    assert likes == {"new": None, "s000": 9, "s001": 1, "s002": 2}


@pytest.mark.parametrize("answer", ["nothing", "no total", "nothing loadable"])
def test_a_full_refresh_of_nothing_needs_consent(project: Project, warehouse: Warehouse, answer: str) -> None:
    """Whatever the API says, the table is left as it is, unless the run's config accepts it."""
    sandbox = project.serve(rows={"media_insights": stories(3)})
    project.load(None, "media_insights")
    sandbox.rows["media_insights"] = [{"timestamp": "2025-03-01T00:00:00Z"}] if answer == "nothing loadable" else []
    if answer == "no total":
        project.configure(total_selector="")
    with pytest.raises(ApiError, match=r"incomplete: no rows came for all history.*has 3 rows.*accept_empty"):
        project.load(None, "media_insights")
    assert len(contents(warehouse, "media_insights")) == 3
    accept(None, "media_insights")
    assert contents(warehouse, "media_insights") == []
    assert project.load(None, "media_insights").rows_kept == 0


def test_the_neighbours_of_an_empty_day(project: Project, warehouse: Warehouse) -> None:
    """What the table has of the days beside it is in the report; of a full one nothing is asked."""
    del warehouse
    project.serve(
        rows={"stories": [*stories(2), *({**row, "id": f"n{row['id']}"} for row in stories(3, "2025-03-03"))]}
    )
    assert [project.load(day).rows_beside for day in (DAYS[0], DAYS[2], DAYS[1])] == [None, None, (2, 3)]
