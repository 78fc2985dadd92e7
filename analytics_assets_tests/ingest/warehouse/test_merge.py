"""How rows get into the table that is there: by id, or in place of everything."""

import datetime as dt

import pytest

from analytics_assets.ingest.warehouse.merge import REPLACE, merge_by_id
from analytics_assets.ingest.window import Window
from analytics_assets_tests.concurrency.test_duckdb import of_days
from analytics_assets_tests.project import Project, Row, asked, stories
from analytics_assets_tests.warehouses import Warehouse, contents

DAYS = [Window.of_day(dt.date(2025, 3, day)) for day in (1, 2)]


def test_a_window_leaves_other_days_alone(project: Project) -> None:
    """Loading one day touches no row of another."""
    sandbox = project.serve(rows={"stories": stories(3)})
    project.load(DAYS[0])
    sandbox.rows["stories"] = [{"id": "n", "timestamp": "2025-03-02T00:00:00Z"}]
    project.load(DAYS[1])
    assert project.ids() == ["n", "s000", "s001", "s002"]


def test_a_full_refresh_replaces_the_table(project: Project) -> None:
    """All history is read without a window, and rows that the API no longer has are gone."""
    sandbox = project.serve(rows={"stories": stories(5)})
    project.load(DAYS[0])
    sandbox.rows["stories"] = [*stories(2), {"id": "old", "timestamp": "2019-01-01T00:00:00Z"}]
    sandbox.requests.clear()
    project.load(None)
    assert project.ids() == ["old", "s000", "s001"]
    assert asked(sandbox) == [("/v1/stories", {"offset": "0", "limit": "100"})]
    project.load(None)
    assert project.ids() == ["old", "s000", "s001"]


@pytest.mark.parametrize("name", ["stories", "media_insights"])
def test_a_window_after_a_full_refresh(project: Project, name: str) -> None:
    """A full refresh replaces everything, and leaves no order to do so with the days that are loaded after it."""
    more = (
        {"updated_at": "2025-04-01T00:00:00Z", "metric": "reach", "period": "day"} if name == "media_insights" else {}
    )
    sandbox = project.serve(rows={name: [{**row, **more} for row in of_days(3, "2025-03-01", "2025-03-02")]})
    for window in (None, DAYS[0], DAYS[0], None, DAYS[0]):
        project.load(window, name)
        assert len(project.ids(name)) == 6
    sandbox.rows[name] = [{**row, **more} for row in of_days(3, "2025-03-01")]
    project.load(None, name)
    assert len(project.ids(name)) == 3


def test_every_merge_says_the_same_things() -> None:
    """What one kind of load says and the other leaves out would stay as the warehouse has it stored."""
    for updated in (None, "updated_at"):
        assert merge_by_id("id", "held", "came", updated).keys() == REPLACE.keys()


# updated_at of the row that the table holds and of the one that comes, by the hour, and whether the second is taken
STATES: dict[str, tuple[int | None, int | None, bool]] = {
    "newer": (2, 3, True),
    "the same": (2, 2, True),
    "older": (2, 1, False),
    "not known what comes": (2, None, True),
    "not known what is held": (None, 1, True),
    "not known at all": (None, None, True),
}


@pytest.mark.parametrize("case", STATES)
def test_an_older_state_is_passed_over(project: Project, warehouse: Warehouse, case: str) -> None:
    """Only what is known to be older than what the table holds; its neighbours are taken as they come."""
    held, came, is_taken = STATES[case]

    def state(name: str, value: int, hour: int | None) -> Row:
        updated = None if hour is None else f"2025-03-01T{hour:02d}:00:00Z"
        return {"id": name, "timestamp": "2025-03-01T00:00:00Z", "profile_views": value, "updated_at": updated}

    sandbox = project.serve(rows={"media_insights": [state("a", 1, held), state("b", 1, 2)]})
    project.load(DAYS[0], "media_insights")
    sandbox.rows["media_insights"] = [state("a", 2, came), state("b", 2, 3), state("c", 2, None)]
    project.load(DAYS[0], "media_insights")
    found = [(row["id"], row["profile_views"]) for row in contents(warehouse, "media_insights")]
    assert found == [("a", 2 if is_taken else 1), ("b", 2), ("c", 2)]
