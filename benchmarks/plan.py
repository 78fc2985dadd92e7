"""What is measured: a plan is the runs of one round, each with the number of rounds it takes part in."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass

from benchmarks.pages import pages_needed

FEW, MANY = 16, 32
SMALL_DAY_ROWS = 130
PEERS = {"airbyte": "airbyte_cdk", "singer": "singer_sdk"}
NAMES = {
    "seed": "seed config",
    "ours": "this project",
    "floor": "written by hand",
    "airbyte": "Airbyte CDK, reads only",
    "singer": "Singer SDK tap, reads only",
    "seed_dagster": "seed config in Dagster",
    "ours_dagster": "this project in Dagster",
}


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One thing to measure: who loads how much from an API that is how slow. ``rows`` are per table."""

    contender: str
    rows: int
    latency_ms: int = 0
    in_flight: int = FEW
    tables: int = 4
    times: int = 1
    separately: bool = False
    warm_up: bool = False

    def __str__(self) -> str:
        parts = [f"{NAMES[self.contender]}: {self.tables} x {self.rows:,} rows, {self.latency_ms} ms"]
        if self.is_ours or self.contender == "floor":
            parts.append(f"{self.in_flight} in flight")
        if self.times > 1:
            parts.append(f"{self.times} times")
        if self.separately:
            parts.append("each table on its own")
        return ", ".join(parts)

    @property
    def is_ours(self) -> bool:
        """Whether it is this project, with or without Dagster."""
        return self.contender in {"ours", "ours_dagster"}

    @property
    def requests(self) -> int:
        """The requests that all its loads need: a page each and no more."""
        return self.tables * pages_needed(self.rows) * (self.times + self.warm_up)


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Sizes and rounds of a session. The cells are found again by the same properties that make them."""

    is_quick: bool = False
    rounds: int = 3
    rows: int = 20_000
    latencies: tuple[int, ...] = (0, 10, 50, 100)
    slow: int = 50
    curve: tuple[int, ...] = (1_000, 10_000, 100_000, 400_000, 1_600_000)
    seed_curve: int = 100_000
    peers: tuple[str, ...] = ()

    @property
    def small_day(self) -> Cell:
        """One small day as the assets load it: a pipeline per endpoint; the second time in a warm process."""
        return Cell(contender="ours", rows=SMALL_DAY_ROWS, times=2, separately=True)

    @property
    def small_day_at_once(self) -> Cell:
        """The same in a single pipeline."""
        return dataclasses.replace(self.small_day, separately=False)

    @property
    def small_day_in_dagster(self) -> Cell:
        """The same as a command of Dagster."""
        return Cell(contender="ours_dagster", rows=SMALL_DAY_ROWS)

    @property
    def again(self) -> Cell:
        """The same rows twice into one file, in a process that has loaded them once into another."""
        return Cell(contender="ours", rows=self.rows, times=2, warm_up=True)

    def load(self, contender: str, latency_ms: int, in_flight: int = FEW) -> Cell:
        """Return the load of four tables into a fresh file."""
        return Cell(contender=contender, rows=self.rows, latency_ms=latency_ms, in_flight=in_flight)

    def point(self, contender: str, rows: int) -> Cell:
        """Return a point of the scaling curve: one table of so many rows."""
        return Cell(contender=contender, rows=rows, tables=1)

    def cells(self) -> Mapping[Cell, int]:
        """Return what to run in a round, compared things beside each other, and in how many rounds."""
        cells: dict[Cell, int] = {}
        for latency in self.latencies:
            is_target = latency in {0, self.slow}
            rounds = self.rounds if is_target else min(2, self.rounds)
            # the seed waits for each page: at 50 ms for the better part of a minute
            seed_rounds = rounds if latency == 0 else min(2 if is_target else 1, rounds)
            cells[self.load("seed", latency)] = seed_rounds
            cells |= {self.load("ours", latency, in_flight): rounds for in_flight in (FEW, MANY)}
            cells |= {self.load("floor", latency, in_flight): rounds for in_flight in (FEW, MANY)}
            if is_target:
                cells |= {self.load(peer, latency): seed_rounds for peer in self.peers}
                cells[self.load("seed_dagster", latency)] = self.rounds if latency == 0 else 1
                cells[self.load("ours_dagster", latency, MANY)] = self.rounds
        cells |= dict.fromkeys(
            (self.small_day, self.small_day_at_once, self.small_day_in_dagster, self.again), self.rounds
        )
        for rows in self.curve:
            if rows <= self.seed_curve:
                cells[self.point("seed", rows)] = 1
            cells[self.point("ours", rows)] = min(2, self.rounds) if rows == max(self.curve) else self.rounds
        return cells


def quick(peers: tuple[str, ...]) -> Plan:
    """Return the plan that shows in a minute or two that everything works; its figures judge nothing."""
    return Plan(
        is_quick=True, rounds=1, rows=2_000, latencies=(0, 50), curve=(1_000, 10_000), seed_curve=1_000, peers=peers
    )
