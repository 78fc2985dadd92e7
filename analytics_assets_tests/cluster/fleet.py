"""``make cluster`` as a test, or a program of ``benchmarks``, runs it: start it, launch runs, see what arrived."""

import contextlib
import datetime as dt
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import requests

from analytics_assets.ingest.settings import Settings
from analytics_assets_tests.warehouses import Postgres

ROOT = Path(__file__).parents[2]
START_SECONDS = 180
_STOP_SECONDS = 60
_LAUNCH = """mutation ($runs: [ExecutionParams!]!) { launchMultipleRuns(executionParamsList: $runs) {
  ... on LaunchMultipleRunsResult { launchMultipleRunsResult { __typename ... on PythonError { message } } }
  ... on PythonError { message } } }"""
_RUNS = """{ runsOrError(limit: 200) { ... on Runs { results { runId status tags { key value } } } } }"""
_JOB = {
    "repositoryLocationName": "analytics_assets.definitions",
    "repositoryName": "__repository__",
    "jobName": "load_all",
}


class FleetError(Exception):
    """It ended, did not answer, or took too long; the message has what it wrote."""


class Fleet:
    """``make cluster``, running."""

    def __init__(self, process: subprocess.Popen[bytes], port: int, log: Path, database: Postgres) -> None:
        self.process = process
        self.log = log
        self.database = database
        self._url = f"http://127.0.0.1:{port}/graphql"

    @property
    def said(self) -> str:
        """What all its processes have written."""
        return self.log.read_text()

    def wait_until_served(self) -> None:
        """Return once the UI can be opened."""
        end = time.monotonic() + START_SECONDS
        while "Ready:" not in self.said:
            self.check()
            if time.monotonic() > end:
                raise FleetError(self.said)
            time.sleep(0.1)

    def check(self) -> None:
        """Raise ``FleetError`` where it has ended."""
        if self.process.poll() is not None:
            raise FleetError(self.said)

    def ask(self, query: str, **variables: object) -> Any:  # noqa: ANN401 - JSON
        """Ask the webserver; raises ``FleetError`` where it answers with an error, ``OSError`` where not at all."""
        body = json.dumps({"query": query, "variables": variables}).encode()
        request = urllib.request.Request(self._url, body, {"Content-Type": "application/json"})  # noqa: S310 - ours
        with urllib.request.urlopen(request, timeout=90) as answer:  # noqa: S310 - ours
            found = json.loads(answer.read())
        if "errors" in found:
            raise FleetError(str(found))
        return found["data"]

    def launch(self, *days: str) -> None:
        """Put a run of all endpoints for each day into the queue, as the UI does."""
        runs = [
            {
                "selector": _JOB,
                "runConfigData": {},
                "executionMetadata": {"tags": [{"key": "dagster/partition", "value": day}]},
            }
            for day in days
        ]
        results = self.ask(_LAUNCH, runs=runs)["launchMultipleRuns"]["launchMultipleRunsResult"]
        if [result["__typename"] for result in results] != ["LaunchRunSuccess"] * len(days):
            raise FleetError(str(results))

    def runs(self) -> list[dict[str, Any]]:
        """Return id, status and tags of each run, the newest first."""
        runs: list[dict[str, Any]] = self.ask(_RUNS)["runsOrError"]["results"]
        return [{**run, "tags": {tag["key"]: tag["value"] for tag in run["tags"]}} for run in runs]

    def succeeded(self) -> list[str]:
        """Return the days of the runs that have succeeded, in order."""
        return sorted(run["tags"]["dagster/partition"] for run in self.runs() if run["status"] == "SUCCESS")

    def until(self, what: Callable[[], object], seconds: float) -> None:
        """Wait for it."""
        end = time.monotonic() + seconds
        while not what():
            self.check()
            if time.monotonic() > end:
                raise FleetError(f"{[(run['status'], run['tags']) for run in self.runs()]}\n{self.said}")
            time.sleep(0.2)

    def processes(self, module: str) -> list[int]:
        """Return the process ids of those that it has started with that module."""
        return [pid for pid in children(self.process.pid) if module in Path(f"/proc/{pid}/cmdline").read_text()]


def children(pid: int) -> list[int]:
    """Return the processes that a process has started."""
    threads = Path(f"/proc/{pid}/task").iterdir()
    return [int(child) for thread in threads for child in (thread / "children").read_text().split()]


def family(pid: int) -> list[int]:
    """Return a process and all that it has started."""
    found = [pid]
    for parent in found:
        found += children(parent)
    return found


def kill_all(pid: int) -> None:
    """Kill a process and all that it has started, as the end of a machine does."""
    for process in family(pid):
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)


def free_port() -> int:
    """Return a port at which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
    return port


@contextlib.contextmanager
def cluster(
    folder: Path, environment: Mapping[str, str], before: Sequence[str] = (), command: str = "cluster"
) -> Iterator[Fleet]:
    """Run ``make cluster`` in a folder, and stop it in the end; ``before`` stands before the command, as ``nice``.

    Another ``command`` that serves Dagster's UI is run in the same way.
    """
    port, log = free_port(), folder / "cluster.log"
    # of a test the folder may have a sitecustomize.py
    variables = {**os.environ, **environment, "PORT": str(port), "PYTHONPATH": f"{folder}{os.pathsep}{ROOT}"}
    with log.open("w") as written:
        process = subprocess.Popen(
            [*before, sys.executable, "-m", f"analytics_assets.commands.{command}"],
            cwd=folder,
            env=variables,
            stdout=written,
            stderr=subprocess.STDOUT,
            # Ctrl-C is for who started it, and who then stops it
            start_new_session=True,
        )
    try:
        yield Fleet(process, port, log, Postgres(variables.get("DAGSTER_POSTGRES_URL", "")))
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            raise


def quicken(folder: Path) -> None:
    """Have a lost run found within seconds, by the copy of ``deploy`` in that folder."""
    path = folder / "deploy" / "dagster.yaml"
    change(path, "poll_interval_seconds: 10", "poll_interval_seconds: 1")
    change(path, "  config:\n    broker:", "  config:\n    lost_seconds: 6.0\n    broker:")


def change(path: Path, what: str, to: str) -> None:
    """Change what a ``dagster.yaml`` says; raises ``FleetError`` where it does not say it."""
    text = path.read_text()
    if what not in text:
        raise FleetError(text)
    path.write_text(text.replace(what, to))


def what_is_wrong(database: Postgres, base_url: str, key: str, days: Sequence[str]) -> list[str]:
    """Compare what arrived of consecutive days with the API; return what is missing, or there twice, one line each."""
    names = {endpoint.name: endpoint.path for endpoint in Settings().resolved_endpoints}
    until = dt.date.fromisoformat(days[-1]) + dt.timedelta(days=1)
    span = {"since": f"{days[0]}T00:00:00Z", "until": f"{until}T00:00:00Z", "limit": 1, "offset": 0, "api_key": key}
    wrong = []
    for name, path in names.items():
        total = requests.get(base_url + path, params=span, timeout=30).json()["total"]
        [(rows, ids)] = database.execute(f"SELECT count(*), count(DISTINCT id) FROM analytics.{name}")  # noqa: S608
        if not total == rows == ids:
            wrong.append(f"{name}: the API has {total} rows, the table {rows} and {ids} ids")
        missing = set(days) - loaded_days(database, name)
        if missing:
            wrong.append(f"{name}: the ledger has no loaded window of {', '.join(sorted(missing))}")
    began = "SELECT run_id, count(*) FROM event_logs WHERE dagster_event_type = 'PIPELINE_START' "
    twice = database.execute(began + "GROUP BY run_id HAVING count(*) > 1")
    return wrong + [f"run {run} was begun {times} times" for run, times in twice]


def loaded_days(database: Postgres, endpoint: str) -> set[str]:
    """Return the days whose window of one day stands in the ledger as loaded."""
    found = database.execute(
        "SELECT DISTINCT to_char(window_start AT TIME ZONE 'UTC', 'YYYY-MM-DD') FROM analytics._analytics_windows "  # noqa: S608
        f"WHERE endpoint = '{endpoint}' AND outcome = 'loaded'"
    )
    return {day for (day,) in found}
