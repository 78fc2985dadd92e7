"""What is measured: a plan is the runs of one round, each with the number of rounds it takes part in."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from benchmarks.pages import PAGE_SIZE, pages_needed
from benchmarks.shapes import DECLARED, SHAPES

FEW, MANY = 16, 32
# the shape that is loaded by the seed config too, and in large
EXTRA = "extra5"
WAREHOUSES = {"duckdb": "DuckDB", "postgres": "PostgreSQL"}
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
    "empty_dagster": "four empty assets in Dagster",
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
    warm_up: bool = False
    shape: str = DECLARED
    warehouse: str = "duckdb"

    def __str__(self) -> str:
        parts = [f"{NAMES[self.contender]}: {self.tables} x {self.rows:,} rows, {self.latency_ms} ms"]
        if self.is_ours or self.contender == "floor":
            parts.append(f"{self.in_flight} in flight")
        if self.shape != DECLARED:
            parts.append(SHAPES[self.shape].what)
        if self.warehouse != "duckdb":
            parts.append(WAREHOUSES[self.warehouse])
        if self.times > 1:
            parts.append(f"{self.times} times")
        return ", ".join(parts)

    @property
    def is_ours(self) -> bool:
        """Whether it is this project, with or without Dagster."""
        return self.contender in {"ours", "ours_dagster"}

    @property
    def requests(self) -> int:
        """The requests that all its loads need: one for each page, and one behind a full last page of a round total."""
        behind = 1 if self.is_ours and self.rows and self.rows % PAGE_SIZE == 0 else 0
        return self.tables * (pages_needed(self.rows) + behind) * (self.times + self.warm_up)


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Sizes and rounds of a session. The cells are found again by the same properties that make them."""

    is_quick: bool = False
    rounds: int = 3
    shape_rounds: int = 5
    rows: int = 20_000
    latencies: tuple[int, ...] = (0, 10, 50, 100)
    slow: int = 50
    curve: tuple[int, ...] = (1_000, 10_000, 100_000, 400_000, 1_600_000)
    seed_curve: int = 100_000
    peers: tuple[str, ...] = ()
    has_postgres: bool = True

    @property
    def small_day(self) -> Cell:
        """One small day as the assets load it: a pipeline per endpoint; the second time in a warm process."""
        return Cell(contender="ours", rows=SMALL_DAY_ROWS, times=2)

    @property
    def small_day_in_dagster(self) -> Cell:
        """The same as a command of Dagster."""
        return Cell(contender="ours_dagster", rows=SMALL_DAY_ROWS)

    @property
    def empty_in_dagster(self) -> Cell:
        """Four assets that do nothing: what Dagster's command takes by itself."""
        return Cell(contender="empty_dagster", rows=0)

    @property
    def again(self) -> Cell:
        """The same rows twice into one file, in a process that has loaded them once into another."""
        return Cell(contender="ours", rows=self.rows, times=2, warm_up=True)

    @property
    def large(self) -> tuple[int, ...]:
        """The two largest tables of the curve, whose memory has targets."""
        return self.curve[-2:]

    def load(
        self, contender: str, latency_ms: int, in_flight: int = FEW, shape: str = DECLARED, warehouse: str = "duckdb"
    ) -> Cell:
        """Return the load of four tables into a fresh file or database."""
        return Cell(
            contender=contender,
            rows=self.rows,
            latency_ms=latency_ms,
            in_flight=in_flight,
            shape=shape,
            warehouse=warehouse,
        )

    def point(self, contender: str, rows: int, shape: str = DECLARED) -> Cell:
        """Return a point of the scaling curve: one table of so many rows."""
        return Cell(contender=contender, rows=rows, tables=1, shape=shape)

    def cells(self) -> Mapping[Cell, int]:
        """Return what to run in a round, compared things beside each other, and in how many rounds."""
        cells: dict[Cell, int] = {}
        for cell, rounds in self._runs():
            cells[cell] = max(rounds, cells.get(cell, 0))
        return cells

    def _runs(self) -> Iterator[tuple[Cell, int]]:
        """Yield cells and their rounds; one that serves two comparisons comes twice and stands where it came first."""
        yield self.load("seed", 0), self.rounds
        # the seed's files keep the disk busy, and shapes are compared to a few percent: never one next to the other
        yield self.load("ours", 0, MANY), self.rounds
        for shape in SHAPES:
            yield self.load("ours", 0, shape=shape), self.shape_rounds
        for latency in self.latencies:
            yield from self._of_latency(latency)
        for cell in (self.small_day, self.small_day_in_dagster, self.empty_in_dagster, self.again):
            yield cell, self.rounds
        if self.has_postgres:
            for name, shape in (("seed", DECLARED), ("ours", DECLARED), ("ours", EXTRA)):
                yield self.load(name, 0, shape=shape, warehouse="postgres"), self.rounds
        yield from self._of_curve()

    def _of_latency(self, latency: int) -> Iterator[tuple[Cell, int]]:
        fast = [self.load(name, latency, in_flight) for name in ("ours", "floor") for in_flight in (FEW, MANY)]
        if latency not in {0, self.slow}:
            yield from ((cell, 1) for cell in fast)
            return
        # the seed waits for each page: at 50 ms for the better part of a minute, and with more columns twice as long
        seed_rounds, extra_rounds = (self.rounds, self.rounds) if latency == 0 else (min(2, self.rounds), 1)
        for name in ("seed", *self.peers):
            yield self.load(name, latency), seed_rounds
        yield from ((cell, self.rounds) for cell in fast)
        yield self.load("seed", latency, shape=EXTRA), extra_rounds
        for in_flight in (FEW,) if latency == 0 else (FEW, MANY):
            yield self.load("ours", latency, in_flight, EXTRA), self.rounds
        if latency == 0:
            yield self.load("seed_dagster", latency), self.rounds
        yield self.load("ours_dagster", latency, MANY), self.rounds

    def _of_curve(self) -> Iterator[tuple[Cell, int]]:
        for rows in self.curve:
            if rows <= self.seed_curve:
                yield self.point("seed", rows), 1
            rounds = min(2, self.rounds) if rows == max(self.curve) else self.rounds
            yield self.point("ours", rows), rounds
            if rows in self.large:
                yield self.point("ours", rows, EXTRA), rounds


def quick(*, peers: tuple[str, ...], has_postgres: bool) -> Plan:
    """Return the plan that shows in a few minutes that everything works; its figures judge nothing."""
    return Plan(
        is_quick=True,
        rounds=1,
        shape_rounds=1,
        rows=2_000,
        latencies=(0, 50),
        curve=(1_000, 10_000),
        seed_curve=1_000,
        peers=peers,
        has_postgres=has_postgres,
    )
