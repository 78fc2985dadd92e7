"""What ``make check`` and ``make estimate`` print: their answer, and nothing else."""

import logging
import sys
from collections.abc import Iterable


def be_silent() -> None:
    """Keep from stderr what the project logs, of which Python prints the warnings where nobody takes them."""
    logging.getLogger("analytics_assets").addHandler(logging.NullHandler())


def print_answer(lines: Iterable[str]) -> None:
    """Print lines such as ``stories: fine``, what is behind their names one below the other."""
    named = [line.partition(": ")[::2] for line in lines]
    width = max(len(name) for name, _ in named) + 2
    sys.stdout.writelines(f"{f'{name}:':<{width}}{' '.join(what.split())}\n" for name, what in named)
