"""The tables and plots of what was measured."""

import statistics

from benchmarks.plan import EXTRA, FEW, MANY, NAMES, Cell
from benchmarks.plot import Axis, line_plot
from benchmarks.session import Session
from benchmarks.shapes import DECLARED, SHAPES, compared_with

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
SHAPE_COLUMNS = ["rows with", "median", "spread", "time", "CPU s", "CPU", "peak MB", "memory", "columns", "against"]
CURVE_COLUMNS = ["rows", "seconds", "µs per row", "µs per further row", "MB at the end of extract", "MB at most"]
COST_COLUMNS = ["part", "first", "again"]


def curve_lines(session: Session) -> list[list[str]]:
    """Return the curve as cells of a table: that of the declared columns, and the points with undeclared ones."""
    plan = session.plan
    points = [(plan.point("ours", rows), f"{rows:,}", further) for rows, _, further in session.curve()]
    points += [(plan.point("ours", rows, EXTRA), f"{rows:,}, {SHAPES[EXTRA].what}", None) for rows in plan.large]
    return [
        [
            what,
            f"{session.seconds(cell):.2f}",
            f"{session.seconds(cell) / cell.rows * 1e6:.1f}",
            f"{further * 1e6:.1f}" if further is not None else "",
            f"{session.extract_peak(cell):.0f}",
            f"{session.peak(cell):.0f}",
        ]
        for cell, what, further in points
    ]


def runs(session: Session, shape: str = DECLARED, warehouse: str = "duckdb") -> list[list[str]]:
    """Return a line for each load of four tables of a shape: who, how slow an API, and what it took."""
    plan = session.plan
    return [
        _run(session, cell)
        for cell in session.results
        if (cell.rows, cell.tables, cell.times) == (plan.rows, 4, 1)
        and (cell.shape, cell.warehouse) == (shape, warehouse)
    ]


def _run(session: Session, cell: Cell) -> list[str]:
    asked = session.results[cell][-1].asked
    ratio = session.ratio(cell)
    return [
        NAMES[cell.contender],
        f"{cell.latency_ms} ms",
        str(cell.in_flight) if cell.is_ours or cell.contender == "floor" else "",
        f"{session.seconds(cell):.2f} s",
        _spread(session, cell),
        f"{ratio:.1f}x" if ratio else "",
        f"{session.cpu(cell):.1f}",
        f"{cell.rows * cell.tables / session.seconds(cell):,.0f}",
        f"{session.peak(cell):,.0f}",
        f"{asked.requests}, {asked.most_in_flight}",
    ]


def _spread(session: Session, cell: Cell) -> str:
    seconds = [result.seconds for result in session.results[cell]]
    return f"{min(seconds):.2f} to {max(seconds):.2f}" if len(seconds) > 1 else "one run"


def shape_lines(session: Session) -> list[list[str]]:
    """Return a line for each shape: what this project took for its rows, as such and in multiples of another shape."""
    lines = []
    for name, shape in SHAPES.items():
        other = compared_with(name)
        cell, beside = session.plan.load("ours", 0, shape=name), session.plan.load("ours", 0, shape=other)
        time, cpu, memory = (
            f"{figure(cell) / figure(beside):.2f}x" for figure in (session.seconds, session.cpu, session.memory)
        )
        lines.append(
            [
                shape.what,
                f"{session.seconds(cell):.2f} s",
                _spread(session, cell),
                time,
                f"{session.cpu(cell):.1f}",
                cpu,
                f"{session.memory(cell):,.0f}",
                memory,
                f"{sum(session.results[cell][-1].columns)}",
                SHAPES[other].what if other != name else "",
            ]
        )
    return lines


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
            (latency, session.seconds(plan.load(name, latency, in_flight)))
            for latency in plan.latencies
            if plan.load(name, latency, in_flight) in session.results
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
