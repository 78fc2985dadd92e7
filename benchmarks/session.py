"""All that was measured in one sitting, and the medians of it."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from benchmarks.plan import Cell, Plan
from benchmarks.race import Result


@dataclass(frozen=True, kw_only=True)
class Session:
    """All that was measured in one sitting."""

    plan: Plan
    results: Mapping[Cell, Sequence[Result]]
    startups: Sequence[Mapping[str, float]]
    server: Mapping[str, tuple[float, float]]
    """Pages a second of a shape, by the clock and by the server's own CPU time."""
    restating: Mapping[str, Mapping[str, Mapping[str, float]]]
    """Seconds of a load with and without recording restatements, by warehouse and by how many there are."""
    load_before: float
    minutes: float

    def seconds(self, cell: Cell) -> float:
        """Return the median seconds of a cell's last load."""
        return statistics.median(result.seconds for result in self.results[cell])

    def passes(self, cell: Cell, number: int) -> float:
        """Return the median seconds of a cell's first (0) or second (1) load."""
        return statistics.median(result.passes[number] for result in self.results[cell])

    def peak(self, cell: Cell) -> float:
        """Return the most memory that any run of the cell held, in MiB."""
        return max(result.peak_rss_mb for result in self.results[cell])

    def extract_peak(self, cell: Cell) -> float:
        """Return the most memory that any run of the cell had held when extract ended, in MiB."""
        return max(float(result.figures[-1]["peaks_mb"]["extract"]) for result in self.results[cell])

    def step(self, cell: Cell, number: int, name: str) -> float:
        """Return the median seconds of a step of dlt in a cell's first or second load."""
        return statistics.median(float(result.figures[number]["steps"][name]) for result in self.results[cell])

    def cpu(self, cell: Cell) -> float:
        """Return the median CPU seconds of a cell's last load."""
        return statistics.median(result.cpu_seconds for result in self.results[cell])

    def memory(self, cell: Cell) -> float:
        """Return the median of the most memory that the runs of a cell held, in MiB."""
        return statistics.median(result.peak_rss_mb for result in self.results[cell])

    def seed(self, cell: Cell) -> float | None:
        """Return the seconds of the seed config on the same rows, in Dagster for a run in Dagster; if it was run."""
        name = "seed_dagster" if cell.contender.endswith("_dagster") else "seed"
        beside = self.plan.load(name, cell.latency_ms, shape=cell.shape, warehouse=cell.warehouse)
        return self.seconds(beside) if beside in self.results else None

    def ratio(self, cell: Cell) -> float | None:
        """Return how many times as fast as the seed config it was."""
        seed = self.seed(cell)
        return seed / self.seconds(cell) if seed else None

    def curve(self) -> list[tuple[int, float, float | None]]:
        """Return rows, seconds, and the seconds of each row beyond the first point's."""
        points = [(rows, self.seconds(self.plan.point("ours", rows))) for rows in self.plan.curve]
        (least, base), *_ = points
        return [(rows, took, (took - base) / (rows - least) if rows > least else None) for rows, took in points]
