"""How rows get into the table that is there: by id, or in place of everything, and the newer state wins."""

import datetime as dt
import threading
from collections.abc import Callable
from typing import Any

import pytest

from analytics_assets.ingest import load as loading
from analytics_assets.ingest.warehouse.merge import newer_wins
from analytics_assets.ingest.window import Window
from analytics_assets.sandbox.shape import Shape
from analytics_assets_tests.concurrency.test_duckdb import of_days
from analytics_assets_tests.project import KEY, Project, Row, asked, stories
from analytics_assets_tests.warehouses import Duckdb, Warehouse, contents

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
    sandbox = project.serve(rows={"media_insights": stories(5)})
    project.load(DAYS[0], "media_insights")
    sandbox.rows["media_insights"] = [*stories(2), {"id": "old", "timestamp": "2019-01-01T00:00:00Z"}]
    sandbox.requests.clear()
    project.load(None, "media_insights")
    assert project.ids("media_insights") == ["old", "s000", "s001"]
    assert asked(sandbox) == [("/v1/media_insights", {"offset": "0", "limit": "100"})]
    project.load(None, "media_insights")
    assert project.ids("media_insights") == ["old", "s000", "s001"]


@pytest.mark.parametrize("name", ["stories", "media_insights"])
def test_a_window_after_a_full_refresh(project: Project, name: str) -> None:
    """A full refresh replaces everything, but stories, and leaves no order to do so with the days after it."""
    more = (
        {"updated_at": "2025-04-01T00:00:00Z", "metric": "reach", "period": "day"} if name == "media_insights" else {}
    )
    sandbox = project.serve(rows={name: [{**row, **more} for row in of_days(3, "2025-03-01", "2025-03-02")]})
    for window in (None, DAYS[0], DAYS[0], None, DAYS[0]):
        project.load(window, name)
        assert len(project.ids(name)) == 6
    sandbox.rows[name] = [{**row, **more} for row in of_days(3, "2025-03-01")]
    project.load(None, name)
    assert len(project.ids(name)) == (6 if name == "stories" else 3)


def test_every_merge_says_the_same_things() -> None:
    """What one kind of load says and the other leaves out would stay as the warehouse has it stored."""
    said = [
        newer_wins(merge_key=["id"], held="h", came="c", restated_by=name, gone=gone).keys()
        for name in (None, "updated_at")
        for gone in (None, "1 = 1")
    ]
    assert all(keys == said[0] for keys in said)


def _state(name: str, value: int, hour: int | None, **more: object) -> Row:
    updated = None if hour is None else f"2025-03-01T{hour:02d}:00:00Z"
    return {"id": name, "timestamp": "2025-03-01T00:00:00Z", "profile_views": value, "updated_at": updated} | more


def _values(warehouse: Warehouse, name: str = "media_insights", column: str = "profile_views") -> dict[object, object]:
    return {row["id"]: row.get(column) for row in contents(warehouse, name)}


# updated_at of the row that the table holds and of the one that comes, by the hour
STATES: dict[str, tuple[int | None, int | None]] = {
    "newer": (2, 3),
    "the same": (2, 2),
    "older": (2, 1),
    "not known what comes": (2, None),
    "not known what is held": (None, 1),
    "not known at all": (None, None),
}


@pytest.mark.parametrize("order", ["as read", "the other way round"])
@pytest.mark.parametrize("case", STATES)
def test_the_newer_state_wins(project: Project, warehouse: Warehouse, case: str, order: str) -> None:
    """By what the API says of it; where that is nothing or the same, by when it was read, in any order of commits."""
    first, second = STATES[case]
    sandbox = project.serve(rows={"media_insights": [_state("a", 1, first), _state("b", 1, 2)]})

    def restate(*_: object) -> None:
        sandbox.rows["media_insights"] = [_state("a", 2, second), _state("b", 2, 3), _state("c", 2, None)]

    if order == "as read":
        project.load(DAYS[0], "media_insights")
        restate()
        project.load(DAYS[0], "media_insights")
    else:
        _commit_between(project, lambda: (restate(), project.load(DAYS[0], "media_insights")), DAYS[0])
    is_older = (first or 0, second or 0) == (2, 1)
    assert _values(warehouse) == {"a": 1 if is_older else 2, "b": 2, "c": 2}


@pytest.mark.parametrize("full_refresh", [False, True], ids=["of a day", "of everything"])
def test_rows_without_updated_at_are_ordered_too(project: Project, warehouse: Warehouse, full_refresh: bool) -> None:  # noqa: FBT001 - a parameter
    """A load of stories that was read first and commits last leaves what was read meanwhile, also undeclared times."""
    rows = {"id": "a", "timestamp": "2025-03-01T00:00:00Z", "updated_at": "2025-03-01T09:00:00Z"}
    sandbox = project.serve(rows={"stories": [rows | {"like_count": 1}]})

    def meanwhile() -> None:
        sandbox.rows["stories"] = [rows | {"like_count": 2}]
        project.load(DAYS[0])

    _commit_between(project, meanwhile, None if full_refresh else DAYS[0], "stories")
    assert _values(warehouse, "stories", "like_count") == {"a": 2}


def test_a_full_refresh_leaves_what_was_read_since_it_began(project: Project, warehouse: Warehouse) -> None:
    """A row that appears while all history is read, and that another load has reported as loaded, is not removed."""
    sandbox = project.serve(rows={"media_insights": [_state("gone", 1, 2), _state("a", 1, 2)]})
    project.load(DAYS[0], "media_insights")
    del sandbox.rows["media_insights"][0]

    def meanwhile() -> None:
        sandbox.rows["media_insights"] += [_state("new", 2, 2)]
        sandbox.rows["media_insights"][0] |= {"profile_views": 2}
        project.load(DAYS[0], "media_insights")

    _commit_between(project, meanwhile, None)
    assert _values(warehouse) == {"a": 2, "new": 2}
    project.load(None, "media_insights")
    assert _values(warehouse) == {"a": 2, "new": 2}


def test_a_full_refresh_takes_what_the_api_says_now(project: Project, warehouse: Warehouse) -> None:
    """Also where that claims to be older than what the table holds: it is how a table is made what the API is."""
    sandbox = project.serve(rows={"media_insights": [_state("a", 1, 9)]})
    project.load(DAYS[0], "media_insights")
    sandbox.rows["media_insights"] = [_state("a", 2, 3)]
    project.load(None, "media_insights")
    assert _values(warehouse) == {"a": 2}


@pytest.mark.parametrize("states", [(1, 2), (2, 1), (1, None), (None, 1)], ids=str)
def test_two_states_in_one_load(project: Project, warehouse: Warehouse, states: tuple[int | None, int | None]) -> None:
    """Of two states of a row in one load the newer one stays; one that says nothing of it is the older one."""
    project.configure(total_selector="")
    rows = [_state("a", hour or 0, hour) for hour in states]
    project.serve(rows={"media_insights": rows}, shape=Shape(key=KEY, total_path=None))
    project.load(DAYS[0], "media_insights")
    assert _values(warehouse) == {"a": max(hour or 0 for hour in states)}


def test_a_table_of_before_has_no_moments(project: Project, warehouse: Warehouse) -> None:
    """Rows from before there was such a column count as read long ago: they are replaced, and may be gone."""
    sandbox = project.serve(rows={"media_insights": [_state("gone", 1, 2), _state("a", 1, 2)]})
    project.load(DAYS[0], "media_insights")
    forget = "UPDATE analytics.media_insights SET _analytics_read_at = NULL"
    (warehouse.change if isinstance(warehouse, Duckdb) else warehouse.execute)(forget)
    sandbox.rows["media_insights"] = [_state("a", 2, 2)]
    project.load(DAYS[0], "media_insights")
    assert _values(warehouse) == {"gone": 1, "a": 2}
    project.load(None, "media_insights")
    assert _values(warehouse) == {"a": 2}


def test_an_id_of_several_fields(project: Project, warehouse: Warehouse) -> None:
    """Rows that are known by account, metric and date together are merged by all three, and only by them."""
    project.configure(endpoints__user_insights__id='["user_id", "metric", "date"]')

    def row(user: str, metric: str, date: str, views: int) -> Row:
        known_by = {"user_id": user, "metric": metric, "date": date}
        return {**known_by, "end_time": "2025-03-01T07:00:00Z", "profile_views": views}

    first = [row(user, metric, "2025-03-01", 1) for user in ("u", "v") for metric in ("reach", "likes")]
    sandbox = project.serve(rows={"user_insights": [*first, row("u", "reach", "2025-02-28", 1)]})
    assert project.load(DAYS[0], "user_insights").rows_loaded == 5
    sandbox.rows["user_insights"] = [row("u", "reach", "2025-03-01", 2), row("w", "reach", "2025-03-01", 2)]
    assert project.load(DAYS[0], "user_insights").rows_loaded == 2
    found = contents(warehouse, "user_insights", "user_id, metric, date")
    assert [(*(one[name] for name in ("user_id", "metric", "date")), one["profile_views"]) for one in found] == [
        ("u", "likes", "2025-03-01", 1),
        ("u", "reach", "2025-02-28", 1),
        ("u", "reach", "2025-03-01", 2),
        ("v", "likes", "2025-03-01", 1),
        ("v", "reach", "2025-03-01", 1),
        ("w", "reach", "2025-03-01", 2),
    ]
    assert project.load(None, "user_insights").rows_loaded == 2
    assert len(contents(warehouse, "user_insights", "user_id")) == 2


def _commit_between(
    project: Project, meanwhile: Callable[[], object], window: Window | None, name: str = "media_insights"
) -> None:
    """Load, and do something else after the rows were read and before they are merged."""
    read = loading.read_proven
    with pytest.MonkeyPatch.context() as patch:

        def and_then(*arguments: Any) -> None:  # noqa: ANN401 - whatever it takes
            patch.undo()
            read(*arguments)
            # a thread of its own has a dlt pipeline of its own
            thread = threading.Thread(target=meanwhile)
            thread.start()
            thread.join()

        patch.setattr(loading, "read_proven", and_then)
        project.load(window, name)
