"""Thirty days in characters."""

import datetime as dt

from analytics_assets.ingest.warehouse.standing import Measured, Numbers, Standing
from analytics_assets.plot import as_plot, bars

DAYS = tuple(dt.date(2025, 3, day) for day in (1, 2, 3, 4))


def test_a_bar_is_as_high_as_its_number() -> None:
    """From nothing to the largest; a day without a number is no zero."""
    assert bars({DAYS[0]: 0, DAYS[1]: 50, DAYS[3]: 100}, DAYS) == "▁▅·█"
    assert bars({DAYS[0]: 0}, DAYS) == "▁···"
    assert bars({DAYS[0]: -5, DAYS[1]: 5}, DAYS) == "▁█··"


def test_each_line_says_what_it_is() -> None:
    """Sums come first; whatever a metric is called, it stays in its cell."""
    measured = {
        Measured("reach", "day", "unique"): Numbers({DAYS[1]: 1_234.0}, is_of_several=True),
        Measured("a|b\n<c>", "", None): Numbers({DAYS[1]: 0.123456}),
        Measured("likes", "week", "sum"): Numbers({DAYS[2]: 7.0, DAYS[1]: 9.0}),
    }
    plot = as_plot(Standing(days=DAYS, rows_by_day={DAYS[1]: 3}, measured=measured))
    assert plot
    assert plot.splitlines() == [
        "| 2025-03-01 to 2025-03-04 |  | newest | most |",
        "| --- | --- | --- | --- |",
        "| rows of the day | `·█··` | 3 | 3 |",
        "| likes (week), added up | `·█▇·` | 7 | 9 |",
        "| a\\|b &lt;c> | `·█··` | 0.1235 | 0.1235 |",
        "| reach (day), the largest of one | `·█··` | 1,234 | 1,234 |",
    ]


def test_without_rows_there_is_nothing_to_plot() -> None:
    """An empty picture would say less than none."""
    assert as_plot(Standing(days=DAYS)) is None
