"""The last thirty days of an endpoint as a Markdown table of characters, which the UI shows in any theme."""

import datetime as dt
from collections.abc import Mapping, Sequence

from analytics_assets.ingest.warehouse.standing import Measured, Numbers, Standing

_MOST_LINES = 12
_EIGHTHS = "▁▂▃▄▅▆▇█"
_NONE = "·"


def as_plot(standing: Standing) -> str | None:
    """Return a line for the rows and one for each metric; ``None`` where the table has no row of these days.

    Each line begins at zero and ends at its largest number; a day without one is a dot.
    """
    if not standing.rows_by_day:
        return None
    days = standing.days
    measured = sorted(
        standing.measured.items(), key=lambda one: (one[0].adds_up != "sum", one[0].metric, one[0].period)
    )
    lines = [
        f"| {days[0]} to {days[-1]} |  | newest | most |",
        "| --- | --- | --- | --- |",
        _line("rows of the day", standing.rows_by_day, days),
        *(_line(_said(what, numbers), numbers.by_day, days) for what, numbers in measured[:_MOST_LINES]),
    ]
    return "\n".join(lines)


def bars(values: Mapping[dt.date, float], days: Sequence[dt.date]) -> str:
    """Return a character for each day."""
    most = max(values.values())
    return "".join(_bar(values[day], most) if day in values else _NONE for day in days)


def _bar(value: float, most: float) -> str:
    return _EIGHTHS[min(max(int(value / most * 8), 0), 7)] if most > 0 else _EIGHTHS[0]


def _said(what: Measured, numbers: Numbers) -> str:
    """Say what the numbers of a metric are: nobody is to take the largest for all."""
    how = ", added up" if what.adds_up == "sum" else ", the largest of one" if numbers.is_of_several else ""
    return f"{what.metric}{f' ({what.period})' if what.period else ''}{how}"


def _line(title: str, values: Mapping[dt.date, float], days: Sequence[dt.date]) -> str:
    plain = " ".join(title.split()).replace("|", "\\|").replace("<", "&lt;")
    newest, most = (_number(number) for number in (values[max(values)], max(values.values())))
    return f"| {plain} | `{bars(values, days)}` | {newest} | {most} |"


def _number(number: float) -> str:
    return f"{number:,.0f}" if number == int(number) else f"{number:,.4g}"
