"""What was known on a date: the view of it, asked as the document says."""

import datetime as dt
import re
from pathlib import Path
from typing import Any

import time_machine

from analytics_assets.ingest.window import Window
from analytics_assets_tests.ingest.warehouse.test_restated import loaded, row
from analytics_assets_tests.project import Project, Row
from analytics_assets_tests.warehouses import Warehouse

DOCUMENT = Path(__file__).parents[3] / "docs" / "restatements.md"
_DAY = Window.of_day(dt.date(2025, 3, 1))
_DAYS = _DAY.widened(after=dt.timedelta(days=1))


def on(day: int) -> dt.datetime:
    """Return the beginning of a day in March."""
    return dt.datetime(2025, 3, day, tzinfo=dt.UTC)


def load_on(project: Project, day: int, *rows: Row, window: Window | None = _DAY) -> None:
    """Load what the API says on a day."""
    with time_machine.travel(on(day), tick=True):
        loaded(project, list(rows), window=window)


def documented(number: int) -> str:
    """Return one of the document's queries."""
    found: list[str] = re.findall(r"\n    (SELECT .*?)\n\n", DOCUMENT.read_text(), re.DOTALL)
    return found[number]


def known(warehouse: Warehouse, day: int) -> dict[Any, Any]:
    """Return what was known at the end of a day, by id."""
    query = documented(1).replace("2025-03-10 00:00:00+00", f"{on(day) + dt.timedelta(hours=23):%Y-%m-%d %H:%M:%S+00}")
    return {name: value for _, name, value in warehouse.execute(query)}


def test_as_it_was_known_on_a_date(project: Project, warehouse: Warehouse) -> None:
    """Each number has the value of then, and what had not been read by then has none."""
    load_on(project, 2, row(10), row(5, 2))
    load_on(project, 4, row(12), row(5, 2))
    load_on(project, 6, row(12), row({"a": 3, "b": 4}, 2), row(1, 3, timestamp="2025-03-02T00:00:00Z"), window=_DAYS)
    load_on(project, 8, row(10), row(5, 2))
    assert known(warehouse, 1) == {}
    assert known(warehouse, 2) == known(warehouse, 3) == {"m1": 10, "m2": 5}
    assert known(warehouse, 4) == known(warehouse, 5) == {"m1": 12, "m2": 5}
    assert known(warehouse, 6) == {"m1": 12, "m2": 7, "m3": 1}
    assert known(warehouse, 8) == known(warehouse, 9) == {"m1": 10, "m2": 5, "m3": 1}


def test_the_states_of_a_number_follow_each_other(project: Project, warehouse: Warehouse) -> None:
    """Each is known until the next is, and the last is that of the table."""
    for day, value in ((2, 1), (3, 2), (5, None), (6, 4)):
        load_on(project, day, row(value, extra_count=7))
    states = warehouse.execute(
        "SELECT value, number, known_from, known_until FROM analytics.insight_history "
        "WHERE column_name = 'value' ORDER BY known_from"
    )
    assert [(value, number) for value, number, _, _ in states] == [("1", 1), ("2", 2), (None, None), ("4", 4)]
    assert [state[3] for state in states] == [*(state[2] for state in states[1:]), None]
    assert [state[2].day for state in states] == [2, 3, 5, 6]
    of_others = "SELECT column_name, metric, number, known_until FROM analytics.insight_history WHERE number = 7"
    assert warehouse.execute(of_others) == [("extra_count", "extra_count", 7, None)]


def test_a_day_is_not_known_before_it_was(project: Project, warehouse: Warehouse) -> None:
    """A row is known from its own moment at the earliest, though a window with it had been read before."""
    with time_machine.travel(on(1), tick=True):
        loaded(project, [])
    load_on(project, 3, row(10))
    [(since,)] = warehouse.execute("SELECT known_from FROM analytics.insight_history WHERE column_name = 'value'")
    assert since == dt.datetime(2025, 3, 1, 23, 30, tzinfo=dt.UTC)


def test_of_a_row_that_is_gone_the_states_before_stay(project: Project, warehouse: Warehouse) -> None:
    """What it was until its last restatement; it is not shown as what the table holds."""
    load_on(project, 2, row(10), row(5, 2))
    load_on(project, 3, row(11), row(5, 2))
    load_on(project, 4, row(5, 2), window=None)
    assert known(warehouse, 2) == {"m1": 10, "m2": 5}
    assert known(warehouse, 5) == {"m2": 5}


def test_a_number_gets_wider_under_the_view(project: Project, warehouse: Warehouse) -> None:
    """A column that becomes one of decimals is shown by the view all the while."""
    load_on(project, 2, row(1, extra=1))
    load_on(project, 3, row(1, extra=1.5))
    states = "SELECT value, known_until IS NULL FROM analytics.insight_history WHERE column_name = 'extra' ORDER BY 2"
    [(old, _), (new, _)] = warehouse.execute(states)
    assert (float(str(old)), float(str(new))) == (1, 1.5)


def test_the_other_query_of_the_document(project: Project, warehouse: Warehouse) -> None:
    """How much each day's numbers moved in the last week."""
    loaded(project, [row(10), row(1, 2)], [row(12), row(7, 2)])
    assert warehouse.execute(documented(0)) == [(dt.date(2025, 3, 1), "reach", 2, 4)]
