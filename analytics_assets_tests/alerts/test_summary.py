"""The daily line, on both warehouses: what it says, that it comes once a day, and what it does where nobody can say."""

import datetime as dt
import threading

import pytest

from analytics_assets.build import build_definitions
from analytics_assets.ingest.configured import SettingError, load_settings
from analytics_assets.ingest.opening import open_warehouse, read_warehouse
from analytics_assets.ingest.warehouse.yesterday import day_in_warehouse
from analytics_assets.ingest.window import Window
from analytics_assets.sandbox.faults import Fault
from analytics_assets_tests.alerts.conftest import Receiver, Watch
from analytics_assets_tests.project import Project, stories
from analytics_assets_tests.warehouses import Warehouse, change

YESTERDAY = dt.date(2025, 3, 4)
AT_EIGHT = dt.datetime(2025, 3, 5, 8, 0, 30, tzinfo=dt.UTC)


def alone(project: Project) -> None:
    """Leave stories as the only endpoint."""
    for name in ("media_insights", "user_insights", "story_insights"):
        project.configure(**{f"endpoints__{name}__enabled": False})


def load(watch: Watch, *days: int) -> None:
    """Load these days of March, a quarter of an hour before the line is due."""
    watch.clock.move_to(AT_EIGHT - dt.timedelta(minutes=15))
    first, last = days[0], days[-1]
    watch.project.load(Window(Window.of_day(dt.date(2025, 3, first)).start, Window.of_day(dt.date(2025, 3, last)).end))


def due(watch: Watch, **later: float) -> None:
    """Tick when the line is due, or later."""
    watch.clock.move_to(AT_EIGHT + dt.timedelta(**later))
    watch.ticks()


def test_it_says_that_all_is_there_once(
    project: Project, watch: Watch, receiver: Receiver, warehouse: Warehouse
) -> None:
    """With the rows of the newest window; and no more of it until the next day."""
    alone(project)
    project.serve(rows={"stories": stories(1234, "2025-03-04")})
    load(watch, 4)
    watch.tick(0)
    assert receiver.came == [], "not before eight"
    load(watch, 3, 4)
    due(watch)
    watch.ticks()
    assert receiver.texts == ["The one window of 2025-03-04 proven, 1,234 rows, 0 restated."]
    change(warehouse, "UPDATE analytics._analytics_windows SET restated = 56")
    with read_warehouse() as client:
        found = day_in_warehouse(client, load_settings(), YESTERDAY)
    assert (found.rows, found.restated) == (1234, 56)


def test_it_says_what_is_not_there(project: Project, watch: Watch, receiver: Receiver, warehouse: Warehouse) -> None:
    """Each endpoint that has no proven window, with why; and what is not over."""
    assert warehouse
    project.serve(rows={}, faults=[Fault("status", endpoint="user_insights", status=404)])
    load(watch, 4)
    watch.run("user_insights", day="2025-03-04")
    due(watch)
    line, rest = next(text for text in receiver.texts if "proven" in text).split("\n")
    assert line.startswith(
        "1 of 4 windows of 2025-03-04 proven, 0 rows, 0 restated. user_insights failed: path not found: http"
    )
    assert line.endswith("…; media_insights and story_insights were not loaded.")
    assert rest.startswith("Not over yet: path not found, since 2025-03-05 07:4")


@pytest.mark.usefixtures("warehouse")
def test_it_comes_where_there_is_nothing_at_all(watch: Watch, receiver: Receiver) -> None:
    """No table, no ledger: nothing is proven, and the line says so."""
    due(watch)
    (text,) = receiver.texts
    assert text == (
        "0 of 4 windows of 2025-03-04 proven, 0 rows, 0 restated. "
        "media_insights, stories, story_insights and user_insights were not loaded."
    )


def test_a_day_that_was_loaded_while_it_lasted_is_not_proven(
    project: Project, watch: Watch, receiver: Receiver
) -> None:
    """What came after the load is not in it."""
    alone(project)
    project.serve(rows={"stories": stories(1, "2025-03-04")})
    project.load(Window.of_day(YESTERDAY))
    due(watch)
    assert receiver.texts == [
        "0 of 1 window of 2025-03-04 proven, 0 rows, 0 restated. stories was loaded only while the day lasted."
    ]


def test_a_list_without_days_counts_as_a_whole(project: Project, watch: Watch, receiver: Receiver) -> None:
    """An endpoint that cannot be asked for by a window is read whole: its rows are those of all history."""
    alone(project)
    project.configure(endpoints__stories__window_start_param="", endpoints__stories__window_end_param="")
    project.serve(rows={"stories": stories(3)})
    watch.clock.move_to(AT_EIGHT - dt.timedelta(hours=1))
    project.load(None)
    due(watch)
    assert receiver.texts == ["The one window of 2025-03-04 proven, 3 rows, 0 restated."]


def test_a_machine_that_slept_says_it_late_and_once(watch: Watch, receiver: Receiver) -> None:
    """Of three mornings that it missed it tells the last."""
    due(watch, days=2, hours=5)
    watch.ticks()
    assert [text[:26] for text in receiver.texts] == ["0 of 4 windows of 2025-03-0"[:26]]
    assert "2025-03-06" in receiver.texts[0]


def test_before_the_first_day_is_over_no_window_is_due(project: Project, watch: Watch, receiver: Receiver) -> None:
    """A project that begins today."""
    project.configure(start_date="2025-03-05")
    due(watch)
    assert receiver.texts == ["No window is due yet: the first day is 2025-03-05."]


@pytest.mark.duckdb
def test_while_the_warehouse_is_busy_it_waits_and_then_says_so(
    project: Project, watch: Watch, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For three hours; silence would mean that nobody watches. A DuckDB file, that is: PostgreSQL is never busy so."""
    monkeypatch.setattr("analytics_assets.alerts.summary.PATIENCE_SECONDS", 0.1)
    monkeypatch.setattr("analytics_assets.alerts.tick.PATIENCE_SECONDS", 0.1)
    project.serve(rows={})
    load(watch, 4)
    held, done = threading.Event(), threading.Event()

    def hold() -> None:
        with open_warehouse() as other, other.writer():
            held.set()
            done.wait(30)

    holder = threading.Thread(target=hold)
    holder.start()
    assert held.wait(10)
    try:
        due(watch)
        due(watch, hours=2)
        assert receiver.texts == []
        due(watch, hours=3)
        (text,) = receiver.texts
    finally:
        done.set()
        holder.join()
    assert text.startswith(
        "Nothing can be said of 2025-03-04, for the warehouse could not be read since 08:00: warehouse busy"
    )
    due(watch, hours=4)
    assert len(receiver.texts) == 1


@pytest.mark.parametrize(
    ("moment", "day"),
    [
        ("2025-03-29T07:00:30", "2025-03-28"),
        # the night in which clocks were put forward
        ("2025-03-30T06:00:30", "2025-03-29"),
        ("2025-10-25T06:00:30", "2025-10-24"),
        # the night in which they were put back
        ("2025-10-26T07:00:30", "2025-10-25"),
    ],
)
def test_its_hour_is_that_of_the_time_zone(
    project: Project, watch: Watch, receiver: Receiver, moment: str, day: str
) -> None:
    """Eight in Berlin, in winter and in summer, and not a minute before."""
    project.configure(timezone="Europe/Berlin")
    then = dt.datetime.fromisoformat(moment).replace(tzinfo=dt.UTC)
    watch.clock.move_to(then - dt.timedelta(hours=3))
    watch.cursor = None
    watch.tick(0)
    watch.clock.move_to(then - dt.timedelta(minutes=1))
    assert watch.tick(0)["outbox"] == []
    watch.clock.move_to(then)
    watch.ticks()
    (text,) = receiver.texts
    assert f"of {day} proven" in text


def test_a_wrong_cron_line_is_refused_by_its_name(project: Project) -> None:
    """When the definitions are loaded, not at eight."""
    project.configure(summary_cron="0 8 * * someday")
    with pytest.raises(SettingError, match=r"analytics_api\.summary_cron = '0 8 \* \* someday': must be a cron"):
        build_definitions()
