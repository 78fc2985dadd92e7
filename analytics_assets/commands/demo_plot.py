"""The bars that the demo draws at its end.

What belongs here: figures to characters. Which figures they are is asked in ``tables.py``.
"""

from collections.abc import Mapping, Sequence

from rich.console import Console
from rich.markup import escape

_LINES = 6
_EIGHTHS = " ▁▂▃▄▅▆▇█"


def print_plot(console: Console, title: str, values: Mapping[str, float], days: Sequence[str]) -> None:
    """Draw a column for each day, in eighths of a line."""
    highest = max(values.values()) or 1
    label = f"{highest:,.0f}"
    console.print(f"[bold]{escape(title)}[/]")
    for line in reversed(range(_LINES)):
        columns = (_EIGHTHS[max(0, min(8, round(values[day] / highest * _LINES * 8) - line * 8))] for day in days)
        axis = {_LINES - 1: label, 0: "0"}.get(line, "").rjust(len(label))
        console.print(f"{axis} [cyan]{' '.join(columns)}[/]")
    console.print(f"{' ' * len(label)} {days[0]}{days[-1].rjust(2 * len(days) - 1 - len(days[0]))}\n")
