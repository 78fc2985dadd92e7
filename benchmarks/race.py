"""Running a cell of the plan: fresh processes in an environment of their own, and whether what they loaded is right."""

import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from analytics_assets.ingest.warehouse.destination import DATASET
from benchmarks.pages import DAY
from benchmarks.plan import PEERS, Cell
from benchmarks.postgres import fresh_database
from benchmarks.served import Asked, Served
from benchmarks.shapes import DECLARED, SHAPES
from benchmarks.task import DATABASE, KEY, POSTGRES, TABLES, Counted, Task
from benchmarks.warehouse import count_tables

ROOT = Path(__file__).resolve().parent.parent
_SEED_DATASET = "seed"
_TAIL = 25


@dataclass(frozen=True, kw_only=True)
class Result:
    """What one run took. ``passes`` are the seconds of each of its loads; ``seconds`` and CPU are of the last."""

    seconds: float
    rows: int
    distinct_ids: int
    columns: list[int]
    peak_rss_mb: float
    cpu_seconds: float
    asked: Asked
    imports: float = 0.0
    passes: list[float] = field(default_factory=list)
    figures: list[dict[str, Any]] = field(default_factory=list)

    def problems(self, cell: Cell) -> list[str]:
        """Return what is wrong with it, whatever the time it took."""
        expected = cell.rows * cell.tables
        found = []
        if (self.rows, self.distinct_ids) != (expected, expected):
            found.append(f"{cell}: {self.rows:,} rows with {self.distinct_ids:,} ids, where {expected:,} should be")
        columns = SHAPES[cell.shape].columns(cell.tables)
        if cell.is_ours and self.columns != columns:
            found.append(f"{cell}: {self.columns} columns hold values, where {columns} should")
        if (cell.is_ours or cell.contender == "floor") and self.asked.most_in_flight > cell.in_flight:
            found.append(f"{cell}: {self.asked.most_in_flight} requests in flight")
        return found


class Race:
    """Runs cells against one server, below one temporary folder. ``peer_python`` runs the peers."""

    def __init__(self, folder: Path, served: Served, peer_python: str) -> None:
        self._folder = folder
        self._served = served
        self._peer_python = peer_python

    @classmethod
    def environment(cls, folder: Path) -> dict[str, str]:
        """Return an environment without anything of the user's: home, temporary files and dlt's data in a folder."""
        here = str(folder)
        return {
            "PATH": os.environ.get("PATH", os.defpath),
            "LANG": "C.UTF-8",
            "HOME": here,
            "TMPDIR": here,
            "DLT_DATA_DIR": here,
            "DAGSTER_HOME": here,
            "PYTHONPATH": str(ROOT),
            "API_KEY": KEY,
            "RUNTIME__DLTHUB_TELEMETRY": "false",
            "DAGSTER_DISABLE_TELEMETRY": "true",
            "DO_NOT_TRACK": "1",
        }

    def warm_up(self) -> Self:
        """Let Dagster make its two instances, and Python its bytecode, as they are for anyone's second run."""
        for contender, rows in (("seed_dagster", 100), ("ours_dagster", 100), ("empty_dagster", 0)):
            self.run(Cell(contender=contender, rows=rows))
        return self

    def run(self, cell: Cell) -> Result:
        """Run a cell; raises ``RuntimeError`` with the last lines of what it printed when it fails."""
        self._served.begin(rows=cell.rows, latency_ms=cell.latency_ms, shape=cell.shape)
        told = self._command(cell) if cell.contender.endswith("_dagster") else self._load(cell)
        return Result(asked=self._served.end(), **told)

    def startup(self) -> dict[str, float]:
        """Return the seconds that Python and the imports of a Dagster run take, by module."""
        env = self.environment(self._folder)
        began = time.perf_counter()
        subprocess.run([sys.executable, "-c", "pass"], env=env, check=True)
        python = time.perf_counter() - began
        _give_settings(self._folder)
        printed = _output([sys.executable, "-m", "benchmarks.startup"], env, self._folder)
        return {"python": python, **json.loads(printed)}

    def restating(self, warehouse: str, *, rows: int, rounds: int) -> dict[str, dict[str, float]]:
        """Return the seconds of a load with and without recording restatements, by how many numbers are restated."""
        folder = Path(tempfile.mkdtemp(dir=self._folder))
        _give_settings(folder)
        env = self.environment(folder)
        self._served.begin(rows=rows, latency_ms=0, shape=DECLARED)
        with contextlib.ExitStack() as after:
            after.callback(shutil.rmtree, folder)
            if warehouse == "postgres":
                env["DESTINATION__WAREHOUSE__DESTINATION_TYPE"] = "postgres"
                env["DESTINATION__WAREHOUSE__CREDENTIALS"] = after.enter_context(fresh_database())
            command = [sys.executable, "-m", "benchmarks.restating", "--url", self._served.url, "--rounds", str(rounds)]
            told: dict[str, dict[str, float]] = json.loads(_output(command, env, folder).splitlines()[-1])
        self._served.end()
        return told

    def _load(self, cell: Cell) -> dict[str, Any]:
        """Run a contender that times itself."""
        folder = Path(tempfile.mkdtemp(dir=self._folder))
        if cell.is_ours:
            _give_settings(folder)
        options = {"--url": self._served.url, "--in-flight": cell.in_flight}
        options |= {"--tables": cell.tables, "--times": cell.times, "--shape": cell.shape}
        command = [
            self._peer_python if cell.contender in PEERS else sys.executable,
            *("-m", "benchmarks.contender", cell.contender),
            *(str(part) for option in options.items() for part in option),
            *(["--warm-up"] if cell.warm_up else []),
        ]
        env = self.environment(folder)
        with contextlib.ExitStack() as after:
            after.callback(shutil.rmtree, folder)
            if cell.warehouse == "postgres":
                env[POSTGRES] = after.enter_context(fresh_database())
            printed = _output(command, env, folder)
        told: dict[str, Any] = json.loads(printed.splitlines()[-1])
        return told

    def _command(self, cell: Cell) -> dict[str, Any]:
        """Run a whole command of Dagster and time it from outside, on an instance that all its runs share."""
        folder = self._folder / cell.contender
        folder.mkdir(exist_ok=True)
        shutil.copy(ROOT / "dagster.yaml", folder)
        database = folder / DATABASE
        # the report, which others have nothing like, is left out
        select = ",".join(TABLES) if cell.is_ours else "*"
        command = [sys.executable, "-m", "dagster", "asset", "materialize", "--select", select]
        env = self.environment(folder)
        if cell.is_ours:
            _give_settings(folder)
            dataset = DATASET
            command += ["--partition", DAY.isoformat(), "-m", "analytics_assets.definitions"]
            env["ANALYTICS_API__BASE_URL"] = self._served.url
            env["ANALYTICS_API__MAX_CONCURRENT_REQUESTS"] = str(cell.in_flight)
            env["DESTINATION__WAREHOUSE__CREDENTIALS"] = str(database)
        elif cell.contender == "empty_dagster":
            dataset = ""
            command += ["--partition", DAY.isoformat(), "-m", "benchmarks.empty_definitions"]
        else:
            dataset = _SEED_DATASET
            command += ["-m", "benchmarks.seed_definitions"]
            env |= {"BENCHMARK_URL": self._served.url, "BENCHMARK_DATABASE": str(database)}
        printed = folder / "printed.txt"
        with printed.open("wb") as output:
            began = time.perf_counter()
            process = subprocess.Popen(command, env=env, cwd=folder, stdout=output, stderr=subprocess.STDOUT)
            _, status, usage = os.wait4(process.pid, 0)
            seconds = time.perf_counter() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise RuntimeError(_failed(command, printed.read_text(encoding="utf-8", errors="replace")))
        counted = Counted(0, 0, [])
        if dataset:
            counted = count_tables(Task(url="", in_flight=0, tables=cell.tables, database=database), dataset)
        for left in folder.glob(f"{DATABASE}*"):
            left.unlink()
        unit = 2**20 if sys.platform == "darwin" else 2**10
        return {
            "seconds": seconds,
            "peak_rss_mb": usage.ru_maxrss / unit,
            "cpu_seconds": usage.ru_utime + usage.ru_stime,
            **counted._asdict(),
        }


def installed_peers(peer_python: str) -> tuple[str, ...]:
    """Return the peers whose package that Python can import."""
    find = "import importlib.util, sys; sys.exit(importlib.util.find_spec(sys.argv[1]) is None)"
    return tuple(
        peer
        for peer, package in PEERS.items()
        if subprocess.run([peer_python, "-c", find, package], check=False).returncode == 0
    )


def _give_settings(folder: Path) -> None:
    """Put the project's settings of dlt where a run looks for them; the seed has none."""
    (folder / ".dlt").mkdir(exist_ok=True)
    shutil.copy(ROOT / ".dlt" / "config.toml", folder / ".dlt")


def _output(command: list[str], env: Mapping[str, str], folder: Path) -> str:
    done = subprocess.run(command, env=dict(env), cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(_failed(command, done.stdout + done.stderr))
    return done.stdout


def _failed(command: list[str], printed: str) -> str:
    return "\n".join([f"{' '.join(command[1:])} failed:", *printed.splitlines()[-_TAIL:]])
