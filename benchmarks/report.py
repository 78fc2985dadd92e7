"""What the measured figures say: the goals and whether they are met, tables, and the page with its two plots."""

import datetime as dt
import importlib.metadata
import os
import platform
import statistics
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.plan import FEW, MANY, NAMES, PEERS, SMALL_DAY_ROWS, Cell, Plan
from benchmarks.plot import Axis, line_plot
from benchmarks.race import Result

RUN_COLUMNS = [
    "",
    "latency",
    "in flight",
    "median",
    "spread",
    "ratio",
    "CPU s",
    "rows/s",
    "peak MB",
    "requests, most at once",
]
CURVE_COLUMNS = ["rows", "seconds", "µs per row", "µs per further row", "MB at the end of extract", "MB at most"]
GOAL_COLUMNS = ["measure", "target", "measured", "met"]

_VERSIONS = ("dagster", "dagster-dlt", "dlt", "duckdb", "pyarrow", "orjson", "requests", "urllib3", "uvloop")
_FLAT = 1.2
# below it, the fixed second is most of what a row seems to take
_FLAT_FROM_ROWS = 100_000
_BUSY = 0.5
# seconds at 0 ms, on the machine that the targets were set on
_SEED_OF_THE_TARGETS = 11.6


@dataclass(frozen=True)
class Goal:
    """A line of the first table. ``met`` is ``None`` where the plan is too small to judge."""

    measure: str
    target: str
    measured: str
    met: bool | None


@dataclass(frozen=True, kw_only=True)
class Session:
    """All that was measured in one sitting."""

    plan: Plan
    results: Mapping[Cell, Sequence[Result]]
    startups: Sequence[Mapping[str, float]]
    server: tuple[float, float]
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

    def ratio(self, cell: Cell) -> float:
        """Return how many times as fast as the seed config it was, in Dagster where it is in Dagster itself."""
        seed = "seed_dagster" if cell.contender == "ours_dagster" else "seed"
        return self.seconds(self.plan.load(seed, cell.latency_ms)) / self.seconds(cell)


def goals(session: Session) -> list[Goal]:
    """Return the targets of the design beside what was measured."""
    plan = session.plan
    found = [
        *_goals_of_speed(session),
        *_goals_of_dagster(session),
        _goal(
            plan,
            "one small day, four endpoints, warm process",
            "at most 1 s",
            f"{session.passes(plan.small_day, 1):.2f} s",
            is_met=session.passes(plan.small_day, 1) <= 1,
        ),
        *_goals_of_memory(session),
        _goal_of_requests(session),
    ]
    first, second = session.passes(plan.again, 0), session.passes(plan.again, 1)
    added = {result.rows - plan.again.rows * plan.again.tables for result in session.results[plan.again]}
    found.append(
        _goal(
            plan,
            "merge of the same rows again",
            "adds none, no slower",
            f"adds {max(added)}, {second:.2f} s after {first:.2f} s",
            is_met=added == {0} and second <= first,
        )
    )
    per_row = [further for rows, _, further in curve(session) if rows >= _FLAT_FROM_ROWS and further is not None]
    if per_row:
        spread = max(per_row) / min(per_row)
        found.append(
            _goal(
                plan,
                f"time per further row, {_FLAT_FROM_ROWS:,} to {max(plan.curve):,} rows",
                "flat within 20 %",
                f"{min(per_row) * 1e6:.1f} to {max(per_row) * 1e6:.1f} µs, {spread - 1:.0%} apart",
                is_met=spread <= _FLAT,
            )
        )
    return found


def _goal(plan: Plan, measure: str, target: str, measured: str, *, is_met: bool) -> Goal:
    return Goal(measure, target, measured, None if plan.is_quick else is_met)


def _goals_of_speed(session: Session) -> Iterable[Goal]:
    plan = session.plan
    for latency, in_flight, at_least in ((0, FEW, 8), (plan.slow, FEW, 16), (plan.slow, MANY, 24)):
        cell = plan.load("ours", latency, in_flight)
        seed = session.seconds(plan.load("seed", latency))
        yield _goal(
            plan,
            f"source + pipeline, {latency} ms, {in_flight} in flight",
            f"at least {at_least}x the seed config",
            f"{session.ratio(cell):.1f}x ({session.seconds(cell):.2f} s, seed {seed:.1f} s)",
            is_met=session.ratio(cell) >= at_least,
        )


def _goals_of_dagster(session: Session) -> Iterable[Goal]:
    plan = session.plan
    for latency, at_most in ((0, 4.0), (plan.slow, 5.5)):
        cell = plan.load("ours_dagster", latency, MANY)
        seed = session.seconds(plan.load("seed_dagster", latency))
        yield _goal(
            plan,
            f"whole `dagster asset materialize`, {latency} ms, {MANY} in flight",
            f"at most {at_most} s",
            f"{session.seconds(cell):.1f} s, {session.ratio(cell):.1f}x (seed {seed:.1f} s)",
            is_met=session.seconds(cell) <= at_most,
        )


def _goals_of_memory(session: Session) -> Iterable[Goal]:
    plan = session.plan
    most = max(plan.curve)
    middle = max((rows for rows in plan.curve if rows < most), default=most)
    extract, extract_most = (session.extract_peak(plan.point("ours", rows)) for rows in (middle, most))
    yield _goal(
        plan,
        f"peak memory until extract has ended, {middle:,} rows",
        "flat, under 300 MB",
        f"{extract:.0f} MB, {extract_most:.0f} MB at {most:,}",
        is_met=extract < 300 and extract_most < _FLAT * extract,  # noqa: PLR2004 - the target
    )
    peak = session.peak(plan.point("ours", most))
    yield _goal(plan, f"peak memory, {most:,} rows", "under 600 MB", f"{peak:.0f} MB", is_met=peak < 600)  # noqa: PLR2004


def _goal_of_requests(session: Session) -> Goal:
    ours = [(cell, result.asked) for cell, of_cell in session.results.items() if cell.is_ours for result in of_cell]
    more = sum(asked.requests - cell.requests for cell, asked in ours)
    exact = all(asked.requests == cell.requests for cell, asked in ours)
    most = {
        in_flight: max(asked.most_in_flight for cell, asked in ours if cell.in_flight == in_flight)
        for in_flight in (FEW, MANY)
    }
    return Goal(
        "requests made",
        "what the pages need, never more in flight than set",
        f"{'exactly' if exact else f'{more:+} from'} what the pages need; at most "
        + ", ".join(f"{seen} of {allowed}" for allowed, seen in most.items()),
        exact and all(seen <= allowed for allowed, seen in most.items()),
    )


def curve(session: Session) -> list[tuple[int, float, float | None]]:
    """Return rows, seconds, and the seconds of each row beyond the first point's."""
    points = [(rows, session.seconds(session.plan.point("ours", rows))) for rows in session.plan.curve]
    (least, base), *_ = points
    return [(rows, took, (took - base) / (rows - least) if rows > least else None) for rows, took in points]


def curve_lines(session: Session) -> list[list[str]]:
    """Return the curve as cells of a table."""
    return [
        [
            f"{rows:,}",
            f"{took:.2f}",
            f"{took / rows * 1e6:.1f}",
            f"{further * 1e6:.1f}" if further is not None else "",
            f"{session.extract_peak(session.plan.point('ours', rows)):.0f}",
            f"{session.peak(session.plan.point('ours', rows)):.0f}",
        ]
        for rows, took, further in curve(session)
    ]


def runs(session: Session) -> list[list[str]]:
    """Return a line for each load of four tables: who, how slow an API, and what it took."""
    lines = []
    for cell, results in session.results.items():
        if cell.tables == 1 or cell.times > 1 or cell.rows != session.plan.rows:
            continue
        seconds = [result.seconds for result in results]
        asked = results[-1].asked
        lines.append(
            [
                NAMES[cell.contender],
                f"{cell.latency_ms} ms",
                str(cell.in_flight) if cell.is_ours or cell.contender == "floor" else "",
                f"{session.seconds(cell):.2f} s",
                f"{min(seconds):.2f} to {max(seconds):.2f}" if len(seconds) > 1 else "one run",
                f"{session.ratio(cell):.1f}x" if cell.contender != "seed_dagster" else "1.0x",
                f"{statistics.median(result.cpu_seconds for result in results):.1f}",
                f"{cell.rows * cell.tables / session.seconds(cell):,.0f}",
                f"{session.peak(cell):,.0f}",
                f"{asked.requests}, {asked.most_in_flight}",
            ]
        )
    return lines


def goal_lines(session: Session) -> list[list[str]]:
    """Return the goals as cells of a table."""
    words = {True: "yes", False: "no", None: "not judged"}
    return [[goal.measure, goal.target, goal.measured, words[goal.met]] for goal in goals(session)]


def fixed_costs(session: Session) -> list[list[str]]:
    """Return what a run takes that has next to nothing to load: first in a process, again in the same one."""
    plan = session.plan
    startup = {name: statistics.median(found[name] for found in session.startups) for name in session.startups[0]}
    names = {
        "python": "Python",
        "dlt": "import dlt",
        "dagster": "import dagster",
        "analytics_assets.definitions": "the definitions, with what else they import",
    }
    lines = [[names[name], f"{took:.2f}", ""] for name, took in startup.items()]
    steps = {
        "set_up": "set-up: pipeline and source",
        "sync_destination": "restore the schema from the warehouse",
        "extract": "extract",
        "normalize": "normalize",
        "load": "load",
    }
    cold, warm = (session.passes(plan.small_day, number) for number in (0, 1))
    cold_rest, warm_rest = cold, warm
    for name, what in steps.items():
        once, again = (session.step(plan.small_day, number, name) for number in (0, 1))
        cold_rest, warm_rest = cold_rest - once, warm_rest - again
        lines.append([what, f"{once:.2f}", f"{again:.2f}"])
    lines.append(["proof, ledger, staging dropped", f"{cold_rest:.2f}", f"{warm_rest:.2f}"])
    whole = session.seconds(plan.small_day_in_dagster)
    rest = whole - sum(startup.values()) - cold
    lines.append(["Dagster: instance, run, steps, events (what is left)", f"{rest:.2f}", ""])
    lines.append(["**whole `dagster asset materialize`**", f"**{whole:.2f}**", f"({warm:.2f} without Dagster)"])
    return lines


def plots(session: Session) -> dict[str, str]:
    """Return the plots by file name."""
    plan = session.plan
    by_latency = {
        f"{NAMES[name]}{f', {in_flight} at once' if name != 'seed' else ''}": [
            (latency, session.seconds(plan.load(name, latency, in_flight))) for latency in plan.latencies
        ]
        for name, in_flight in (("seed", FEW), ("ours", FEW), ("ours", MANY), ("floor", MANY))
    }
    by_rows = {
        NAMES[name]: [
            (rows, session.seconds(plan.point(name, rows)))
            for rows in plan.curve
            if plan.point(name, rows) in session.results
        ]
        for name in ("seed", "ours")
    }
    seconds = Axis("seconds", is_log=True)
    return {
        "performance-latency.svg": line_plot(
            f"Time against latency: 4 x {plan.rows:,} rows, {plan.rows * 4 // 100:,} requests",
            Axis("latency of the API, ms per request"),
            seconds,
            by_latency,
        ),
        "performance-rows.svg": line_plot(
            "Time against rows: one table, 0 ms", Axis("rows", is_log=True, write="{:,.0f}".format), seconds, by_rows
        ),
    }


def machine() -> str:
    """Return what it ran on: processor, cores, memory, system. Nothing that names the machine."""
    cpu = _field("/proc/cpuinfo", "model name") or platform.processor() or platform.machine()
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return f"{cpu}, {os.cpu_count()} cores, {memory:.0f} GB of memory, {platform.system()} {platform.machine()}"


def versions() -> str:
    """Return the versions that matter."""
    return ", ".join(
        [f"Python {platform.python_version()}", *(f"{name} {importlib.metadata.version(name)}" for name in _VERSIONS)]
    )


def commit() -> str:
    """Return the commit that was measured, or what is known of it."""
    git = ["git", "-C", str(Path(__file__).parent)]
    found = subprocess.run([*git, "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
    if found.returncode:
        return "unknown commit"
    changed = subprocess.run([*git, "status", "--porcelain", "-uno"], capture_output=True, text=True, check=False)
    return f"commit {found.stdout.strip()}{' with changes' if changed.stdout else ''}"


def _field(file: str, name: str) -> str:
    try:
        lines = Path(file).read_text(encoding="utf-8").splitlines()
    except OSError:
        return ""
    return next((line.partition(":")[2].strip() for line in lines if line.startswith(name)), "")


def markdown(columns: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    """Return a table."""
    return "\n".join(f"| {' | '.join(line)} |" for line in [columns, ["---"] * len(columns), *lines])


def page(session: Session) -> str:
    """Return docs/performance.md: the text of page.md with what was measured filled in."""
    plan = session.plan
    wall, own = session.server
    cores = os.cpu_count() or 1
    pages = plan.load("ours", 0).requests
    seed = session.seconds(plan.load("seed", 0))
    missing = [NAMES[peer].partition(",")[0] for peer in PEERS if peer not in plan.peers]
    text = (Path(__file__).parent / "page.md").read_text(encoding="utf-8")
    return text.format(
        at_once=session.passes(plan.small_day_at_once, 1),
        busy=": the machine was busy, so take the times with care" if session.load_before / cores > _BUSY else "",
        commit=commit(),
        cores=cores,
        curve=markdown(CURVE_COLUMNS, curve_lines(session)),
        date=dt.datetime.now(dt.UTC).date(),
        few=FEW,
        fewest_rows=min(plan.curve),
        fixed_costs=markdown(["part", "first", "again"], fixed_costs(session)),
        goals=markdown(GOAL_COLUMNS, goal_lines(session)),
        load_before=session.load_before,
        machine=machine(),
        minutes=session.minutes,
        missing_peers=f" Not installed here, so not run: {', '.join(missing)}." if missing else "",
        most_rows=max(plan.curve),
        pages=pages,
        quick=", QUICK: nothing below is a result" if plan.is_quick else "",
        rounds="1 round" if plan.rounds == 1 else f"{plan.rounds} rounds",
        rows=plan.rows,
        runs=markdown(RUN_COLUMNS, runs(session)),
        seed=seed,
        server_own=own,
        server_share=pages / own,
        server_wall=wall,
        small_day_rows=SMALL_DAY_ROWS,
        stricter=seed / _SEED_OF_THE_TARGETS,
        targets_seed=_SEED_OF_THE_TARGETS,
        versions=versions(),
    )
