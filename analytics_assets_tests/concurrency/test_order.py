"""Runs of different kinds, one after the other: none inherits what another has stored in the warehouse."""

import datetime as dt

import pytest

from analytics_assets.ingest.window import Window
from analytics_assets_tests.concurrency.test_duckdb import DAYS, of_days
from analytics_assets_tests.project import Project

FIRST_DAY = Window.of_day(dt.date.fromisoformat(DAYS[0]))


@pytest.mark.parametrize("name", ["stories", "media_insights"])
def test_a_window_after_a_full_refresh(project: Project, name: str) -> None:
    """A full refresh replaces everything, and leaves no order to do so with the days that are loaded after it."""
    more = (
        {"updated_at": "2025-04-01T00:00:00Z", "metric": "reach", "period": "day"} if name == "media_insights" else {}
    )
    sandbox = project.serve(rows={name: [{**row, **more} for row in of_days(3, *DAYS[:2])]})
    for window in (None, FIRST_DAY, FIRST_DAY, None, FIRST_DAY):
        project.load(window, name)
        assert len(project.ids(name)) == 6
    sandbox.rows[name] = [{**row, **more} for row in of_days(3, DAYS[0])]
    project.load(None, name)
    assert len(project.ids(name)) == 3
