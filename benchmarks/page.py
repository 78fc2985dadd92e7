"""The page with what was measured: the text of page.md with figures, tables, and the machine filled in."""

import datetime as dt
import importlib.metadata
import os
import platform
import subprocess
from collections.abc import Iterable, Sequence
from pathlib import Path

from benchmarks.goals import GOAL_COLUMNS, goal_lines
from benchmarks.plan import EXTRA, FEW, NAMES, PEERS, SMALL_DAY_ROWS
from benchmarks.postgres import HOW_TO
from benchmarks.report import (
    COST_COLUMNS,
    CURVE_COLUMNS,
    RUN_COLUMNS,
    SHAPE_COLUMNS,
    curve_lines,
    fixed_costs,
    runs,
    shape_lines,
)
from benchmarks.session import Session
from benchmarks.shapes import DECLARED, SHAPES

# the shape whose pages are the longest
WIDEST = "extra50"

_VERSIONS = ("dagster", "dagster-dlt", "dlt", "duckdb", "pyarrow", "orjson", "requests", "urllib3", "uvloop")
_BUSY = 0.5
# seconds at 0 ms, on the machine that the targets were set on
_SEED_OF_THE_TARGETS = 11.6


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
    wall, own = session.server[DECLARED]
    cores = os.cpu_count() or 1
    pages = plan.load("ours", 0).requests
    seed = session.seconds(plan.load("seed", 0))
    missing = [NAMES[peer].partition(",")[0] for peer in PEERS if peer not in plan.peers]
    text = (Path(__file__).parent / "page.md").read_text(encoding="utf-8")
    return text.format(
        busy=": the machine was busy, so take the times with care" if session.load_before / cores > _BUSY else "",
        commit=commit(),
        cores=cores,
        curve=markdown(CURVE_COLUMNS, curve_lines(session)),
        date=dt.datetime.now(dt.UTC).date(),
        extra=SHAPES[EXTRA].what,
        extra_runs=markdown(RUN_COLUMNS, runs(session, EXTRA)),
        few=FEW,
        fewest_rows=min(plan.curve),
        fixed_costs=markdown(COST_COLUMNS, fixed_costs(session)),
        goals=markdown(GOAL_COLUMNS, goal_lines(session)),
        load_before=session.load_before,
        machine=machine(),
        minutes=session.minutes,
        missing_peers=f" Not installed here, so not run: {', '.join(missing)}." if missing else "",
        most_rows=max(plan.curve),
        pages=pages,
        postgres=_postgres(session),
        quick=", QUICK: nothing below is a result" if plan.is_quick else "",
        rounds="1 round" if plan.rounds == 1 else f"{plan.rounds} rounds",
        rows=plan.rows,
        runs=markdown(RUN_COLUMNS, runs(session)),
        seed=seed,
        server_own=own,
        server_share=pages / own,
        server_wall=wall,
        server_widest=session.server[WIDEST][1],
        shape_rounds=plan.shape_rounds,
        shapes=markdown(SHAPE_COLUMNS, shape_lines(session)),
        small_day_rows=SMALL_DAY_ROWS,
        stricter=seed / _SEED_OF_THE_TARGETS,
        targets_seed=_SEED_OF_THE_TARGETS,
        versions=versions(),
        widest=SHAPES[WIDEST].what,
    )


def _postgres(session: Session) -> str:
    if not session.plan.has_postgres:
        return f"There was none, so nothing was measured: {HOW_TO}."
    lines = runs(session, warehouse="postgres")
    wider = [[f"{name}, {SHAPES[EXTRA].what}", *figures] for name, *figures in runs(session, EXTRA, "postgres")]
    return markdown(RUN_COLUMNS, lines + wider)
