"""``make cluster``: Dagster's UI, its daemon and workers as processes of this machine, or some of them of several.

What belongs here: which processes run, what they are told, and that one which has died is started again. ``FLEET``
says how many workers the whole fleet has, ``HERE`` what of it runs on this machine: ``webserver``, ``daemon`` and
``worker``, with a number behind a colon where it is not all of them (``HERE=worker:2``).
"""

import contextlib
import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

import psycopg2

from analytics_assets.cluster.broker import EXAMPLE, checked_broker
from analytics_assets.commands.dev import HOST, DevError, is_served_here, refuse_if_taken, ui_port
from analytics_assets.commands.first_start import make_history
from analytics_assets.commands.here import enter_project, refuse_arguments
from analytics_assets.commands.processes import start, stop
from analytics_assets.ingest.configured import SettingError, load_settings
from analytics_assets.ingest.postgres_address import checked_address
from analytics_assets.ingest.warehouse.destination import check_destination
from analytics_assets.sandbox.server import stop_on_signals

_HELP = """Run Dagster's UI, its daemon and workers, with Dagster's history in PostgreSQL and runs sent over RabbitMQ.
It takes no arguments but the environment: DAGSTER_POSTGRES_URL, CELERY_BROKER_URL, FLEET (2: workers in all), HERE
(webserver,daemon,worker: what runs on this machine; worker:1 is one of them), BIND (127.0.0.1) and PORT (3000).
docs/cluster.md has more."""
_ROLE = re.compile(r"(webserver|daemon|worker)(?::([1-9]\d?))?")
_WORKERS = 2
_MOST_WORKERS = 99
_TICK_SECONDS = 0.2
_PAUSE_SECONDS = 1.0
# what ends sooner, twice in a row, does so because of a mistake, and would again
_SHORTEST_SECONDS = 15.0
_STOP_SECONDS = 15.0


class ClusterError(Exception):
    """Nothing can be started; the message is the one line that says why."""


class MemberEndedError(Exception):
    """A process has ended right after its start, twice, and would again."""


@dataclass
class Member:
    """A process of the fleet, and how it is started again."""

    name: str
    module: str
    arguments: tuple[str, ...]
    process: subprocess.Popen[bytes] | None = field(default=None, repr=False)
    began: float = 0.0
    has_failed: bool = False
    """Whether it has ended right after its start before."""

    def start(self) -> None:
        """Start it."""
        self.began = time.monotonic()
        self.process = start(self.module, *self.arguments, environment={"WORKER_NAME": self.name})

    def look(self) -> None:
        """Start it again where it has ended; raises ``MemberEndedError`` where that has not helped."""
        if self.process is None or self.process.poll() is None:
            return
        how = f"{self.name} ended with code {self.process.returncode}"
        # what it has left behind, such as a process that executes a run
        stop([self.process], signal.SIGKILL, 0)
        is_early = time.monotonic() - self.began < _SHORTEST_SECONDS
        if is_early and self.has_failed:
            raise MemberEndedError(f"{how} right after its start, twice; its own lines above say why")
        self.has_failed = is_early
        _say(f"{how}, and is started again")
        time.sleep(_PAUSE_SECONDS)
        self.start()


def main() -> int:
    """Run until Ctrl-C or SIGTERM and return the exit code: 0 when stopped, 1 when it cannot start or go on."""
    stop_on_signals()
    # a shell that starts it with `&` has it ignore Ctrl-C, and the processes below would inherit that
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        _run()
    except KeyboardInterrupt:
        return 0
    except (ClusterError, DevError, SettingError) as error:
        sys.stderr.write(f"Cannot start: {error}\n")
    except MemberEndedError as error:
        sys.stderr.write(f"Stopped: {error}\n")
    return 1


def _run() -> None:
    enter_project()
    members = prepared()
    try:
        make_history()
    except psycopg2.OperationalError as error:
        reason = str(error).strip().splitlines()[0]
        raise ClusterError(f"Dagster's PostgreSQL (DAGSTER_POSTGRES_URL) does not answer: {reason}") from None
    try:
        port = ui_port() if any(member.name == "webserver" for member in members) else 0
        # dlt takes a PORT in the environment for that of the warehouse
        os.environ.pop("PORT", None)
        for member in members:
            member.start()
        while True:
            for member in members:
                member.look()
            if port and is_served_here(port):
                _say(f"Ready:    http://{HOST}:{port}; Ctrl-C stops everything")
                port = 0
            time.sleep(_TICK_SECONDS)
    finally:
        # a worker finishes its run when it has the time; one that it has not is found, and started again
        stop([member.process for member in members if member.process], signal.SIGTERM, _STOP_SECONDS)


def prepared() -> list[Member]:
    """Look at what was given, put what Dagster reads into the environment, and return what is to run here."""
    if find_spec("dagster_celery") is None:
        raise ClusterError('the packages for it are missing: pip install "analytics-assets[cluster]"')
    # else it starts, with no assets in it
    check_destination()
    load_settings()
    for name, example in (
        ("DAGSTER_POSTGRES_URL", "postgresql://user:password@host:5432/dagster"),
        ("CELERY_BROKER_URL", EXAMPLE),
    ):
        if not os.environ.get(name):
            raise ClusterError(f"{name} is not set: {example}")
    checked_address("DAGSTER_POSTGRES_URL", os.environ["DAGSTER_POSTGRES_URL"])
    checked_broker("CELERY_BROKER_URL", os.environ["CELERY_BROKER_URL"])
    workers = _workers()
    os.environ.update(FLEET=str(workers), DAGSTER_HOME=_home(), DAGSTER_DISABLE_TELEMETRY="1")
    os.environ.setdefault("CELERY_QUEUE", "dagster")
    # Dagster then writes the materializations of a run's days at once, and not one by one
    os.environ.setdefault("DAGSTER_EVENT_BATCH_SIZE", "1000")
    roles = _roles(os.environ.get("HERE") or "webserver,daemon,worker", workers)
    members = []
    if "webserver" in roles:
        bind = os.environ.get("BIND") or HOST
        refuse_if_taken(ui_port())
        where = ("-m", "analytics_assets.definitions", "-h", bind, "-p", str(ui_port()), "--log-level", "warning")
        members.append(Member("webserver", "dagster_webserver", where))
    if "daemon" in roles:
        arguments = ("run", "-m", "analytics_assets.definitions", "--log-level", "warning")
        members.append(Member("daemon", "dagster._daemon", arguments))
    numbers = range(1, roles.get("worker", 0) + 1)
    members += [Member(f"worker-{number}", "analytics_assets.cluster.worker", ()) for number in numbers]
    return members


def _home() -> str:
    """Return the folder of the instance: DAGSTER_HOME where somebody has set another than this folder, or deploy."""
    given = os.environ.get("DAGSTER_HOME")
    return given if given and Path(given) != Path.cwd() else str(Path("deploy").resolve())


def _workers() -> int:
    text = os.environ.get("FLEET") or str(_WORKERS)
    if text.isdecimal() and 0 < int(text) <= _MOST_WORKERS:
        return int(text)
    raise ClusterError(f"FLEET is {text!r}, but it is a number from 1 to {_MOST_WORKERS}, of the whole fleet")


def _roles(text: str, workers: int) -> dict[str, int]:
    """Return how many of each run here."""
    roles = {}
    for part in text.split(","):
        if not (found := _ROLE.fullmatch(part.strip())):
            raise ClusterError(f"HERE is {text!r}, but it is one or more of webserver, daemon and worker:2")
        roles[found[1]] = int(found[2] or (workers if found[1] == "worker" else 1))
    return roles


def _say(line: str) -> None:
    with contextlib.suppress(BrokenPipeError):
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    refuse_arguments("make cluster", _HELP)
    sys.exit(main())
