"""``python -m benchmarks.contender NAME``: load with one contender in this process, and print what it took as JSON.

Only loading is timed. Imports are too, apart; counting and starting Python are in neither.
"""

import argparse
import dataclasses
import importlib
import json
import sys
import time
from typing import cast

from benchmarks.task import Contender, Task, peak_mb


def main() -> None:
    """Load ``--times`` times into one warehouse; ``passes`` are the seconds of each, ``seconds`` those of the last."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name")
    parser.add_argument("--url", required=True)
    parser.add_argument("--in-flight", type=int, default=16)
    parser.add_argument("--tables", type=int, default=4)
    parser.add_argument("--times", type=int, default=1)
    parser.add_argument("--shape", default="declared")
    parser.add_argument("--warm-up", action="store_true", help="load once into another file before anything is timed")
    args = parser.parse_args()
    began = time.perf_counter()
    contender = cast("Contender", importlib.import_module(f"benchmarks.contenders.{args.name}"))
    if "dlt" in sys.modules:
        # dlt imports these when it first needs them
        for late in ("pyarrow", "sql_alchemy_compat"):
            importlib.import_module(f"dlt.common.libs.{late}")
    task = Task.of(args)
    if task.postgres:
        for late in ("dlt.destinations.impl.postgres.postgres", "adbc_driver_manager.dbapi"):
            importlib.import_module(late)
    imports = time.perf_counter() - began
    if args.warm_up:
        contender.load(dataclasses.replace(task, database=task.database.with_stem("warm_up")))
    passes, figures, cpu = [], [], 0.0
    for _ in range(args.times):
        began, cpu_began = time.perf_counter(), time.process_time()
        figures.append(dict(contender.load(task)))
        passes.append(time.perf_counter() - began)
        cpu = time.process_time() - cpu_began
    peak = peak_mb()
    told = {
        "seconds": passes[-1],
        "peak_rss_mb": peak,
        "cpu_seconds": cpu,
        "imports": imports,
        "passes": passes,
        "figures": figures,
        **contender.count(task)._asdict(),
    }
    print(json.dumps(told))


if __name__ == "__main__":
    main()
