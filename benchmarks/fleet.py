"""How long a backfill takes with one worker and with several: ``python -m benchmarks.fleet --workers 1 4``.

It starts ``make cluster`` on a database and a queue of its own, on the servers that ``ANALYTICS_TEST_POSTGRES`` and
``ANALYTICS_TEST_RABBITMQ`` name, launches the backfill as the UI does, and says what arrived.
``waited`` are the seconds for which runs have waited for another one to finish writing. With ``--rate`` all runs share
one budget, and it says how well that was kept and used.
"""

import argparse
import bisect
import json
import os
import re
import secrets
import tempfile
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import kombu

from analytics_assets.ingest.settings import Settings
from analytics_assets.sandbox.app import Sandbox
from analytics_assets.sandbox.faults import Fault
from analytics_assets.sandbox.server import SandboxServer
from analytics_assets.sandbox.shape import Shape
from analytics_assets_tests.cluster.fleet import ROOT, Fleet, FleetError, cluster
from analytics_assets_tests.warehouses import Postgres

_POSTGRES = "postgresql://postgres:unused@127.0.0.1:5432/test"
_RABBITMQ = "amqp://guest:guest@127.0.0.1:5672//"
_LAUNCH = """mutation ($it: LaunchBackfillParams!) { launchPartitionBackfill(backfillParams: $it) {
  __typename ... on LaunchBackfillSuccess { backfillId } ... on PythonError { message } } }"""
_RUNS = "{ runsOrError(limit: 1000) { ... on Runs { results { status startTime endTime } } } }"


def main() -> None:
    """Measure each number of workers in turn, and print a line for each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 4])
    parser.add_argument("--days", type=int, default=365)
    parser.add_argument("--days-per-run", type=int, default=31)
    parser.add_argument("--latency", type=float, default=0.05, help="seconds that each answer takes")
    parser.add_argument("--page-size", type=int, default=100, help="rows that a request asks for")
    parser.add_argument("--rate", type=float, help="requests per second of all workers together")
    parser.add_argument("--in-flight", type=int, default=16, help="max_concurrent_requests of a run")
    arguments = parser.parse_args()
    for workers in arguments.workers:
        print(json.dumps({"workers": workers, **vars(arguments), **measured(workers, arguments)}), flush=True)


def measured(workers: int, arguments: argparse.Namespace) -> dict[str, Any]:
    """Run the backfill with so many workers."""
    server = Postgres(os.environ.get("ANALYTICS_TEST_POSTGRES", _POSTGRES))
    broker = os.environ.get("ANALYTICS_TEST_RABBITMQ", _RABBITMQ)
    name = f"analytics_bench_{secrets.token_hex(4)}"
    address = urlsplit(server.url)._replace(path=f"/{name}").geturl()
    server.execute(f"CREATE DATABASE {name}")
    try:
        with tempfile.TemporaryDirectory() as folder, SandboxServer(slow(arguments.latency)) as sandbox:
            environment = {
                "DAGSTER_POSTGRES_URL": address,
                "DESTINATION__WAREHOUSE__DESTINATION_TYPE": "postgres",
                "DESTINATION__WAREHOUSE__CREDENTIALS": address,
                "CELERY_BROKER_URL": broker,
                "CELERY_QUEUE": name,
                "FLEET": str(workers),
                "API_KEY": Shape().key,
                "TMPDIR": folder,
                "ANALYTICS_API__BASE_URL": sandbox.url,
                "ANALYTICS_API__BACKFILL_DAYS": str(arguments.days_per_run),
                "ANALYTICS_API__MAX_CONCURRENT_REQUESTS": str(arguments.in_flight),
                "ANALYTICS_API__PAGE_SIZE": str(arguments.page_size),
            }
            if arguments.rate:
                environment["ANALYTICS_API__MAX_REQUESTS_PER_SECOND"] = str(arguments.rate)
                environment["ANALYTICS_API__RATE_BUDGET"] = "postgres"
                environment["RATE_BUDGET_URL"] = address
            found = backfill(Path(folder), environment, arguments.days)
            if arguments.rate:
                found["budget"] = budget([one.at for one in sandbox.sandbox.requests], arguments.rate)
        found["waited"] = waited(address)
        totals = {endpoint.name: count(address, endpoint.name) for endpoint in Settings().resolved_endpoints}
        return {**found, "rows": totals, "requests": len(sandbox.sandbox.requests)}
    finally:
        server.execute(f"DROP DATABASE {name} WITH (FORCE)")
        with kombu.Connection(broker) as connection, connection.channel() as channel:
            channel.queue_delete(name)


def budget(times: list[float], rate: float) -> dict[str, float]:
    """Return the most that came within ten seconds, and how much of the budget was left unused, as shares of it."""
    times = sorted(times)
    most = max(bisect.bisect_left(times, first + 10) - place for place, first in enumerate(times))
    return {"most": round(most / (10 * rate), 3), "idle": round(1 - len(times) / (times[-1] - times[0]) / rate, 3)}


def waited(address: str) -> float:
    """Return how long runs have waited for another one to finish writing, by their own logs."""
    lines = Postgres(address).execute("SELECT event FROM event_logs WHERE event LIKE '%waited % s for another run%'")
    return round(sum(float(re.findall(r"waited ([\d.]+) s for another run", text)[0]) for (text,) in lines), 1)


def slow(seconds: float) -> Sandbox:
    """Return an API whose answers take so long."""
    return Sandbox(shape=Shape(), faults=[Fault("latency", seconds=seconds)])


def backfill(folder: Path, environment: dict[str, str], days: int) -> dict[str, Any]:
    """Start the fleet, launch the backfill, and wait until its runs have ended."""
    for name in (".dlt", "deploy", "dagster.yaml"):
        (folder / name).symlink_to(ROOT / name)
    with cluster(folder, environment) as fleet:
        fleet.wait_until_served()
        return until_done(fleet, days)


def until_done(fleet: Fleet, days: int) -> dict[str, Any]:
    """Launch it, and return the seconds from the start of its first run until the end of its last."""
    first = Settings().start_date
    keys = [str(first.fromordinal(first.toordinal() + day)) for day in range(days)]
    assets = [{"path": [endpoint.name]} for endpoint in Settings().resolved_endpoints]
    answer = fleet.ask(_LAUNCH, it={"assetSelection": assets, "partitionNames": keys})
    if answer["launchPartitionBackfill"]["__typename"] != "LaunchBackfillSuccess":
        raise FleetError(str(answer))
    while True:
        fleet.check()
        runs = fleet.ask(_RUNS)["runsOrError"]["results"]
        if runs and all(run["status"] in {"SUCCESS", "FAILURE", "CANCELED"} for run in runs):
            break
        time.sleep(0.5)
    seconds = max(run["endTime"] for run in runs) - min(run["startTime"] for run in runs)
    busy = sum(run["endTime"] - run["startTime"] for run in runs)
    failed = sum(run["status"] != "SUCCESS" for run in runs)
    return {"seconds": round(seconds, 1), "run_seconds": round(busy, 1), "runs": len(runs), "failed": failed}


def count(address: str, table: str) -> list[int]:
    """Return how many rows a table has, and how many ids."""
    return list(Postgres(address).execute(f"SELECT count(*), count(DISTINCT id) FROM analytics.{table}")[0])  # noqa: S608 - ours


if __name__ == "__main__":
    main()
