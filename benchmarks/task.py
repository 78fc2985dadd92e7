"""What a contender is given and what every contender is measured by."""

import argparse
import os
import resource
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, Protocol, Self

TABLES = ("media_insights", "user_insights", "stories", "story_insights")
DATABASE = "benchmark.duckdb"
# the server wants one, and takes any
KEY = "benchmark"
# its address has a password, and a command line is shown when it fails
POSTGRES = "BENCHMARK_POSTGRES"


@dataclass(frozen=True, kw_only=True)
class Task:
    """Load the first ``tables`` endpoints of the API at ``url`` into a DuckDB file, or a PostgreSQL database."""

    url: str
    in_flight: int
    tables: int
    shape: str = "declared"
    postgres: str = ""
    database: Path = field(default_factory=lambda: Path(DATABASE).resolve())

    @classmethod
    def of(cls, args: argparse.Namespace) -> Self:
        """Read the task from parsed arguments, and the database from the environment."""
        return cls(
            url=args.url,
            in_flight=args.in_flight,
            tables=args.tables,
            shape=args.shape,
            postgres=os.environ.get(POSTGRES, ""),
        )


class Counted(NamedTuple):
    """What is there after a load; ``columns`` are those of each table that hold a value, without dlt's own."""

    rows: int
    distinct_ids: int
    columns: list[int]


class Contender(Protocol):
    """A module of ``contenders/``. Importing it imports what it needs, so that loading is timed alone."""

    def load(self, task: Task) -> Mapping[str, Any]:
        """Load everything once; returns figures of its own, or an empty mapping."""

    def count(self, task: Task) -> Counted:
        """Return what is there."""


def peak_mb() -> float:
    """Return the most memory that this process has held so far, in MiB."""
    try:
        status = Path("/proc/self/status").read_text(encoding="utf-8")
    except OSError:
        # a Mac counts in bytes
        unit = 2**20 if sys.platform == "darwin" else 2**10
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit
    # unlike rusage, this begins anew when a program is started
    return int(status.partition("VmHWM:")[2].split()[0]) / 2**10
