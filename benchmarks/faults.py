"""What a fleet makes of faults, one after the other: ``python -m benchmarks.faults``, or with the names of some.

For each it starts servers and a fleet of its own, launches twelve runs, lets the fault happen in their middle, waits
until all have ended, launches anew what is red then, as a user would, and compares what arrived with the API. It
prints a line of JSON for each, and ends with 1 where anything is missing or there twice. ``disk`` and ``network`` need
root; docs/cluster.md says what came out.
"""

import argparse
import contextlib
import json
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from analytics_assets.ingest.settings import Settings
from analytics_assets.sandbox.app import Sandbox
from analytics_assets.sandbox.faults import Fault
from analytics_assets.sandbox.server import stop_on_signals
from analytics_assets.sandbox.shape import Shape
from analytics_assets_tests.cluster.fleet import (
    ROOT,
    Fleet,
    FleetError,
    children,
    cluster,
    loaded_days,
    quicken,
    what_is_wrong,
)
from benchmarks.servers import Api, Disk, Network, PostgresServer, RabbitMQ, ServersError, small_disk

DAYS = [f"2025-03-{day:02d}" for day in range(1, 13)]
_WORKER = "analytics_assets.cluster.worker"
_WORKERS = 2
_SECONDS = 420
_AWAY_SECONDS = 60
# Of a fleet whose process ends sooner `make cluster` says that a start would not help.
_SETTLED_SECONDS = 16
_MEGABYTES = 200
_FAILURES = """SELECT DISTINCT event FROM event_logs WHERE dagster_event_type IN ('STEP_FAILURE', 'PIPELINE_FAILURE')"""
_STEPS_AGAIN = "SELECT count(*) FROM event_logs WHERE dagster_event_type = 'STEP_RESTARTED'"


@dataclass
class Stage:
    """The servers, and one or two machines with workers."""

    api: Api
    postgres: PostgresServer
    rabbitmq: RabbitMQ
    machines: list[Fleet]
    disk: Disk | None = None
    network: Network | None = None
    seen: dict[str, Any] = field(default_factory=dict)
    """What a fault has to say beside the rest."""

    @property
    def fleet(self) -> Fleet:
        """The machine with the webserver and the daemon."""
        return self.machines[0]

    def runs(self) -> list[dict[str, Any]]:
        """Return the runs; none where the webserver cannot say while its PostgreSQL is away."""
        with contextlib.suppress(FleetError, OSError):
            return self.fleet.runs()
        return []

    def count(self, status: str) -> int:
        """Return how many runs are in that state."""
        return sum(run["status"] == status for run in self.runs())

    def green(self) -> set[str]:
        """Return the days that have a run that succeeded."""
        return {run["tags"]["dagster/partition"] for run in self.runs() if run["status"] == "SUCCESS"}

    def has_ended(self) -> bool:
        """Say whether no run is under way or will be."""
        runs = self.runs()
        tried_again = "dagster/auto_retry_run_id"
        waits = [
            run for run in runs if run["tags"].get("dagster/will_retry") == "true" and tried_again not in run["tags"]
        ]
        return bool(runs) and not waits and all(run["status"] in {"SUCCESS", "FAILURE", "CANCELED"} for run in runs)

    def executed_by(self, machine: Fleet) -> set[str]:
        """Return the ids of the runs that a machine's processes have spoken of."""
        return {run["runId"] for run in self.runs() if run["runId"] in machine.said}


def kill_worker(stage: Stage) -> None:
    """Kill a worker and its child with -9, as a machine does that runs out of memory."""
    os.killpg(stage.fleet.processes(_WORKER)[0], signal.SIGKILL)


def kill_child(stage: Stage) -> None:
    """Kill the process that executes a run with -9; its worker lives."""
    [child] = children(stage.fleet.processes(_WORKER)[0])
    os.kill(child, signal.SIGKILL)


def kill_daemon(stage: Stage) -> None:
    """Kill the daemon with -9."""
    os.killpg(stage.fleet.processes("dagster._daemon")[0], signal.SIGKILL)


def restart_broker(stage: Stage) -> None:
    """Restart RabbitMQ."""
    stage.rabbitmq.stop()
    stage.rabbitmq.start()


def restart_postgres_fast(stage: Stage) -> None:
    """Restart PostgreSQL, history and warehouse, in order."""
    stage.postgres.stop("fast")
    stage.postgres.start()


def restart_postgres_immediate(stage: Stage) -> None:
    """Have PostgreSQL, history and warehouse, crash, and start it again."""
    stage.postgres.stop("immediate")
    stage.postgres.start()


def stop_postgres(stage: Stage) -> None:
    """Have PostgreSQL, history and warehouse, away for half a minute."""
    stage.postgres.stop("fast")
    time.sleep(_AWAY_SECONDS / 2)
    stage.postgres.start()


def close_api(stage: Stage) -> None:
    """Close the API's port for a minute."""
    stage.api.stop()
    time.sleep(_AWAY_SECONDS)
    stage.api.start()


def fail_api(stage: Stage) -> None:
    """Have the API answer 503 for a minute."""
    fault = Fault("status", status=503)
    stage.api.sandbox.faults.append(fault)
    time.sleep(_AWAY_SECONDS)
    stage.api.sandbox.faults.remove(fault)


def fill_disk(stage: Stage) -> None:
    """Fill the scratch folder of one worker for half a minute."""
    disk = stage.disk
    assert disk is not None  # noqa: S101 - FAULTS says so
    disk.fill()
    time.sleep(_AWAY_SECONDS / 2)
    stage.seen["red while full"] = stage.count("FAILURE")
    disk.free()


def cut_network(stage: Stage) -> None:
    """Cut the machine of one worker off for a minute."""
    network, there = stage.network, stage.machines[1]
    assert network is not None  # noqa: S101 - FAULTS says so
    [child] = children(there.processes(_WORKER)[0])
    before = stage.executed_by(there)
    network.cut()
    end = time.monotonic() + _AWAY_SECONDS
    while time.monotonic() < end and lives(child):
        time.sleep(0.1)
    stage.seen["its process ended itself after"] = round(_AWAY_SECONDS - (end - time.monotonic()))
    stage.seen["and said why"] = "Dagster's PostgreSQL does not answer, so this process ends" in there.said
    time.sleep(max(end - time.monotonic(), 0))
    network.mend()
    # until it has connected again
    stage.fleet.launch(*DAYS[:6])
    with contextlib.suppress(FleetError):
        stage.fleet.until(lambda: stage.executed_by(there) - before, 90)
    stage.seen["runs after it was back"] = len(stage.executed_by(there) - before)


def lives(pid: int) -> bool:
    """Say whether a process runs; one that has ended and that nobody has asked about yet does not."""
    with contextlib.suppress(FileNotFoundError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


@dataclass(frozen=True)
class Kind:
    """A fault, what it needs, and what the user must do."""

    happens: Callable[[Stage], None]
    user: str = "nothing"
    is_quick: bool = False
    """Whether a lost run is found within seconds, and not by the figures of ``deploy/dagster.yaml``."""
    second: str = ""
    """``disk`` or ``network``: what is special about the second machine; empty where there is none."""


FAULTS = {
    "worker": Kind(kill_worker, is_quick=True),
    "child": Kind(kill_child, is_quick=True),
    "daemon": Kind(kill_daemon),
    "broker": Kind(restart_broker),
    "postgres-fast": Kind(restart_postgres_fast),
    "postgres-immediate": Kind(restart_postgres_immediate),
    "postgres-away": Kind(stop_postgres, "start it"),
    "api-closed": Kind(close_api),
    "api-503": Kind(fail_api),
    "disk": Kind(fill_disk, "make room, and launch the red runs again", second="disk"),
    "network": Kind(cut_network, "mend the network", second="network"),
}


def main() -> None:
    """Try each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="name", help=", ".join(FAULTS))
    names = parser.parse_args().names or list(FAULTS)
    if unknown := set(names) - FAULTS.keys():
        parser.error(f"no fault is called {', '.join(sorted(unknown))}; there are {', '.join(FAULTS)}")
    stop_on_signals()
    is_whole = True
    for name in names:
        try:
            found = tried(FAULTS[name])
        except (FleetError, ServersError) as error:
            found = {"wrong": [str(error)]}
        except KeyboardInterrupt:
            sys.exit(130)
        is_whole = is_whole and not found["wrong"]
        print(json.dumps({"fault": name, **found}), flush=True)
    sys.exit(not is_whole)


def tried(kind: Kind) -> dict[str, Any]:
    """Let it happen to a fleet in the middle of its runs, and return what came of it."""
    with staged(kind) as stage:
        started = time.monotonic()
        stage.fleet.launch(*DAYS)
        stage.fleet.until(lambda: stage.green() and stage.count("STARTED") == _WORKERS, _SECONDS)
        time.sleep(max(started + _SETTLED_SECONDS - time.monotonic(), 0))
        stage.fleet.until(lambda: stage.count("STARTED") == _WORKERS, _SECONDS)
        before = len(stage.green())
        kind.happens(stage)
        stage.fleet.until(stage.has_ended, _SECONDS)
        database, names = stage.fleet.database, [endpoint.name for endpoint in Settings().resolved_endpoints]
        green, runs = stage.green(), stage.runs()
        wrong = [f"{day} is green without {name}" for name in names for day in green - loaded_days(database, name)]
        again = sorted(set(DAYS) - green)
        if again:
            stage.fleet.launch(*again)
            stage.fleet.until(stage.has_ended, _SECONDS)
        wrong += [f"{day} has no green run" for day in sorted(set(DAYS) - stage.green())]
        wrong += what_is_wrong(database, stage.api.url(), Shape().key, DAYS)
        return {
            "what": (kind.happens.__doc__ or "").strip(),
            "seconds": round(time.monotonic() - started),
            "green before": before,
            "runs": len(runs),
            "failed": sum(run["status"] != "SUCCESS" for run in runs),
            "started again": sum("dagster/retry_number" in run["tags"] for run in runs),
            "steps again": database.execute(_STEPS_AGAIN)[0][0],
            "launched by the user": again,
            "said": said(stage),
            **stage.seen,
            "rows": {name: database.execute(f"SELECT count(*) FROM analytics.{name}")[0][0] for name in names},  # noqa: S608
            "wrong": wrong,
            "the user must": kind.user,
        }


def said(stage: Stage) -> list[str]:
    """Return what the events of failed steps and runs say, each once."""
    lines = set()
    for (text,) in stage.fleet.database.execute(_FAILURES):
        event = json.loads(text)["dagster_event"]
        data = event.get("event_specific_data") or {}
        told = (data.get("user_failure_data") or {}).get("description") or event.get("message") or ""
        lines.add(told.partition("\n")[0][:240])
    return sorted(lines)


@contextlib.contextmanager
def staged(kind: Kind) -> Iterator[Stage]:
    """Start the servers and the fleet, and have all of it gone in the end, also after Ctrl-C."""
    with contextlib.ExitStack() as made:
        folder = Path(made.enter_context(tempfile.TemporaryDirectory(ignore_cleanup_errors=True)))
        # the servers run as other users
        folder.chmod(0o755)
        network = made.enter_context(Network()) if kind.second == "network" else None
        hosts = ["127.0.0.1", *([network.address] if network else [])]
        sandbox = Sandbox(shape=Shape(), faults=[Fault("latency", seconds=0.05)])
        api = made.enter_context(Api(sandbox, "0.0.0.0" if network else hosts[0]))  # noqa: S104 - for the other namespace
        postgres = made.enter_context(PostgresServer(_folder(folder / "postgres"), hosts))
        rabbitmq = made.enter_context(RabbitMQ(_folder(folder / "rabbitmq"), hosts))
        disk = made.enter_context(small_disk(folder / "disk", _MEGABYTES)) if kind.second == "disk" else None
        stage = Stage(api, postgres, rabbitmq, [], disk, network)

        def machine(name: str, host: str, before: tuple[str, ...] = (), **variables: str) -> None:
            """Start one."""
            place = _project(folder / name, is_quick=kind.is_quick)
            environment = {**_environment(stage, host), "TMPDIR": str(_folder(place / "tmp")), **variables}
            stage.machines.append(made.enter_context(cluster(place, environment, before)))

        machine("one", hosts[0], HERE=f"webserver,daemon,worker:{_WORKERS - bool(kind.second)}")
        stage.fleet.wait_until_served()
        if kind.second:
            where = {"TMPDIR": str(disk.path)} if disk else {}
            machine("two", hosts[-1], network.before if network else (), HERE="worker:1", **where)
        yield stage


def _environment(stage: Stage, host: str) -> dict[str, str]:
    """Return what a machine is told that reaches the servers by that host."""
    address = stage.postgres.url(host)
    return {
        "DAGSTER_POSTGRES_URL": address,
        "DESTINATION__WAREHOUSE__DESTINATION_TYPE": "postgres",
        "DESTINATION__WAREHOUSE__CREDENTIALS": address,
        "CELERY_BROKER_URL": stage.rabbitmq.url(host),
        "CELERY_QUEUE": "faults",
        "FLEET": str(_WORKERS),
        "API_KEY": Shape().key,
        "ANALYTICS_API__BASE_URL": stage.api.url(host),
        "ANALYTICS_API__ALLOW_HTTP": "true",
        "ANALYTICS_API__MAX_CONCURRENT_REQUESTS": "1",
        # so that a run lasts some seconds
        "ANALYTICS_API__PAGE_SIZE": "10",
    }


def _project(folder: Path, *, is_quick: bool) -> Path:
    """Return the project's folder of a machine."""
    (folder / ".dlt").mkdir(parents=True)
    shutil.copy(ROOT / ".dlt" / "config.toml", folder / ".dlt")
    shutil.copy(ROOT / "dagster.yaml", folder)
    shutil.copytree(ROOT / "deploy", folder / "deploy")
    if is_quick:
        quicken(folder)
    return folder


def _folder(path: Path) -> Path:
    path.mkdir()
    return path


if __name__ == "__main__":
    main()
