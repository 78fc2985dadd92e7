"""A fleet: ``make cluster`` in the test's folder, with a database and a queue of its own."""

import contextlib
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import kombu
import pytest

from analytics_assets_tests.project import Project
from analytics_assets_tests.warehouses import Postgres, new_database

ROOT = Path(__file__).parents[2]
START_SECONDS = 180
_BROKER = "amqp://guest:guest@127.0.0.1:5672//"
_LAUNCH = """mutation ($runs: [ExecutionParams!]!) { launchMultipleRuns(executionParamsList: $runs) {
  ... on LaunchMultipleRunsResult { launchMultipleRunsResult { __typename ... on PythonError { message } } }
  ... on PythonError { message } } }"""
_RUNS = """{ runsOrError(limit: 200) { ... on Runs { results { runId status tags { key value } } } } }"""
_JOB = {
    "repositoryLocationName": "analytics_assets.definitions",
    "repositoryName": "__repository__",
    "jobName": "load_all",
}


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

    def ask(self, query: str, **variables: object) -> Any:  # noqa: ANN401 - JSON
        """Ask the webserver."""
        body = json.dumps({"query": query, "variables": variables}).encode()
        request = urllib.request.Request(self._url, body, {"Content-Type": "application/json"})  # noqa: S310 - ours
        with urllib.request.urlopen(request, timeout=90) as answer:  # noqa: S310 - ours
            found = json.loads(answer.read())
        assert "errors" not in found, found
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
        assert [result["__typename"] for result in results] == ["LaunchRunSuccess"] * len(days), results

    def runs(self) -> list[dict[str, Any]]:
        """Return id, status and tags of each run, the newest first."""
        runs: list[dict[str, Any]] = self.ask(_RUNS)["runsOrError"]["results"]
        return [{**run, "tags": {tag["key"]: tag["value"] for tag in run["tags"]}} for run in runs]

    def until(self, what: Callable[[], object], seconds: float) -> None:
        """Wait for it."""
        end = time.monotonic() + seconds
        while not what():
            assert self.process.poll() is None, self.said
            assert time.monotonic() < end, f"{[(run['status'], run['tags']) for run in self.runs()]}\n{self.said}"
            time.sleep(0.2)

    def processes(self, module: str) -> list[int]:
        """Return the process ids of those that it has started with that module."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        return [int(pid) for pid in children if module in Path(f"/proc/{pid}/cmdline").read_text()]


class Wire:
    """A way to a server that can be cut, both ways at once, as a network is: nobody is told."""

    def __init__(self, host: str, port: int, here: int = 0) -> None:
        self._target = host, port
        self._listener = socket.create_server(("127.0.0.1", here))
        self.port = self._listener.getsockname()[1]
        self.is_cut = threading.Event()
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            here, _ = self._listener.accept()
            there = socket.create_connection(self._target)
            for one, other in ((here, there), (there, here)):
                threading.Thread(target=self._carry, args=(one, other), daemon=True).start()

    def _carry(self, one: socket.socket, other: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := one.recv(65_536):
                while self.is_cut.is_set():
                    time.sleep(0.02)
                other.sendall(data)
            other.shutdown(socket.SHUT_WR)


def broker_address() -> str:
    """Return the address of RabbitMQ; skips with a line that says how to get it where there is none."""
    address = os.environ.get("ANALYTICS_TEST_RABBITMQ", _BROKER)
    try:
        with kombu.Connection(address, connect_timeout=5) as connection:
            connection.connect()
    except OSError as error:
        missing = (
            "no RabbitMQ: apt-get install rabbitmq-server, or give the address of one as ANALYTICS_TEST_RABBITMQ, "
            f"such as {_BROKER} ({error})"
        )
        (pytest.fail if os.environ.get("REQUIRE_ALL") == "1" else pytest.skip)(missing)
    return address


@pytest.fixture
def queue(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Return the name of a queue that nobody else has, and delete it in the end."""
    address, name = broker_address(), f"analytics-test-{secrets.token_hex(4)}"
    monkeypatch.setenv("CELERY_BROKER_URL", address)
    monkeypatch.setenv("CELERY_QUEUE", name)
    yield name
    with kombu.Connection(address) as connection, connection.channel() as channel:
        channel.queue_delete(name)


@pytest.fixture
def database(project: Project, monkeypatch: pytest.MonkeyPatch) -> Iterator[Postgres]:
    """Return a database that is the warehouse, and that has Dagster's history; dropped in the end."""
    with new_database() as made:
        monkeypatch.setenv("DESTINATION__WAREHOUSE__DESTINATION_TYPE", "postgres")
        monkeypatch.setenv("DESTINATION__WAREHOUSE__CREDENTIALS", made.url)
        monkeypatch.setenv("DAGSTER_POSTGRES_URL", made.url)
        shutil.copytree(ROOT / "deploy", project.path / "deploy")
        yield made


@pytest.fixture
def fleet(project: Project, database: Postgres, queue: str) -> Iterator[Callable[..., Fleet]]:  # noqa: ARG001
    """Return what starts a fleet, which is stopped in the end."""
    started: list[Fleet] = []

    def start(workers: int) -> Fleet:
        """Start it and wait until it is served."""
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        log = project.path / "cluster.log"
        with log.open("w") as written:
            process = subprocess.Popen(
                [sys.executable, "-m", "analytics_assets.commands.cluster"],
                env={**os.environ, "PORT": str(port), "FLEET": str(workers)},
                stdout=written,
                stderr=subprocess.STDOUT,
            )
        fleet = Fleet(process, port, log, database)
        started.append(fleet)
        end = time.monotonic() + START_SECONDS
        while "Ready:" not in fleet.said:
            assert process.poll() is None, fleet.said
            assert time.monotonic() < end, fleet.said
            time.sleep(0.1)
        return fleet

    yield start
    for fleet in started:
        fleet.process.send_signal(signal.SIGINT)
        try:
            fleet.process.wait(40)
        except subprocess.TimeoutExpired:
            fleet.process.kill()
            raise
