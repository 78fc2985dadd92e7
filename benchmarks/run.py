"""``make bench``: run the plan, check every result, show the table, write docs/performance.md and its plots.

Fails when rows, ids or columns are wrong, or more requests were in flight than allowed; never for a time.
"""

import argparse
import itertools
import os
import sys
import tempfile
import time
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table

from benchmarks.goals import GOAL_COLUMNS, goal_lines
from benchmarks.page import WIDEST, page
from benchmarks.plan import EXTRA, NAMES, PEERS, WAREHOUSES, Cell, Plan, quick
from benchmarks.postgres import HOW_TO, missing
from benchmarks.race import ROOT, Race, Result, installed_peers
from benchmarks.report import RUN_COLUMNS, SHAPE_COLUMNS, plots, runs, shape_lines
from benchmarks.served import Served
from benchmarks.session import Session
from benchmarks.shapes import DECLARED, SHAPES

_SERVER_PAGES = 8_000
_NARROWEST = 150


def main() -> int:
    """Run the benchmark and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one round of small sizes; writes no page")
    parser.add_argument("--peer-python", default=sys.executable, help="a Python that has airbyte-cdk or singer-sdk")
    parser.add_argument("--docs", type=Path, help="where to write the page; docs/ unless quick")
    args = parser.parse_args()
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = _NARROWEST
    peers = installed_peers(args.peer_python)
    for peer, package in PEERS.items():
        if peer not in peers:
            console.print(f"{NAMES[peer].partition(',')[0]} is left out: {package} is not installed")
    if no_postgres := missing():
        console.print(f"PostgreSQL is left out: {HOW_TO} ({no_postgres})")
    plan = (quick if args.quick else Plan)(peers=peers, has_postgres=not no_postgres)
    session, problems = _measure(plan, args.peer_python, console)
    for warehouse, shape in itertools.product(WAREHOUSES, (DECLARED, EXTRA)):
        if lines := runs(session, shape, warehouse):
            console.print(_table(RUN_COLUMNS, lines, f"{WAREHOUSES[warehouse]}, {SHAPES[shape].what}"))
    console.print(_table(SHAPE_COLUMNS, shape_lines(session)), _table(GOAL_COLUMNS, goal_lines(session)))
    if docs := args.docs or (None if plan.is_quick else ROOT / "docs"):
        (docs / "images").mkdir(parents=True, exist_ok=True)
        (docs / "performance.md").write_text(page(session), encoding="utf-8")
        for name, drawn in plots(session).items():
            (docs / "images" / name).write_text(drawn, encoding="utf-8")
        console.print("Wrote performance.md and its plots")
    for problem in problems:
        console.print(f"[red]wrong[/] {problem}")
    return 1 if problems else 0


def _measure(plan: Plan, peer_python: str, console: Console) -> tuple[Session, list[str]]:
    """Run all rounds, the cells of each in turn, and return what was measured and what was wrong."""
    began, load_before = time.monotonic(), os.getloadavg()[0]
    cells = plan.cells()
    results: dict[Cell, list[Result]] = {cell: [] for cell in cells}
    startups: list[dict[str, float]] = []
    problems: list[str] = []
    # a killed run's folder must not keep us from leaving
    with (
        tempfile.TemporaryDirectory(prefix="analytics-bench-", ignore_cleanup_errors=True) as folder,
        Served(Race.environment(Path(folder))) as served,
    ):
        server = {shape: served.pages_per_second(_SERVER_PAGES, shape) for shape in (DECLARED, WIDEST)}
        for shape, (wall, own) in server.items():
            sends = f"The server sends {wall:,.0f} pages a second, {own:,.0f} per second of its CPU time"
            console.print(f"{sends}: {SHAPES[shape].what}")
        race = Race(Path(folder), served, peer_python).warm_up()
        restating = {
            warehouse: race.restating(warehouse, rows=plan.rows, rounds=plan.rounds)
            for warehouse in WAREHOUSES
            if warehouse == "duckdb" or plan.has_postgres
        }
        rounds = max(cells.values())
        for number in range(rounds):
            startups.append(race.startup())
            due = [cell for cell, wanted in cells.items() if number < wanted]
            # there and back, so that no contender always comes after the same other one
            for cell in due[:: -1 if number % 2 else 1]:
                result = race.run(cell)
                results[cell].append(result)
                problems += result.problems(cell)
                console.print(
                    f"{number + 1}/{rounds}  {result.seconds:7.2f} s  CPU {result.cpu_seconds:6.2f} s  "
                    f"{result.peak_rss_mb:6.0f} MB  {cell}"
                )
    session = Session(
        plan=plan,
        results=results,
        startups=startups,
        server=server,
        restating=restating,
        load_before=load_before,
        minutes=(time.monotonic() - began) / 60,
    )
    return session, problems


def _table(columns: list[str], lines: list[list[str]], title: str | None = None) -> Table:
    table = Table(*columns, box=box.SIMPLE_HEAD, title=title, title_justify="left")
    for line in lines:
        table.add_row(*line)
    return table


if __name__ == "__main__":
    try:
        sys.exit(main())
    except RuntimeError as failed:
        sys.exit(f"The benchmark failed: {failed}")
    except KeyboardInterrupt:
        sys.exit("Stopped; nothing was written.")
