"""A fleet: ``make cluster`` in the test's folder, with a database and a queue of its own."""

import contextlib
import os
import secrets
import shutil
import socket
import threading
import time
from collections.abc import Callable, Iterator

import kombu
import pytest

from analytics_assets_tests.cluster.fleet import ROOT, Fleet, cluster
from analytics_assets_tests.project import Project
from analytics_assets_tests.warehouses import Postgres, new_database

_BROKER = "amqp://guest:guest@127.0.0.1:5672//"


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
    with contextlib.ExitStack() as started:

        def start(workers: int) -> Fleet:
            """Start it and wait until it is served."""
            running = started.enter_context(cluster(project.path, {"FLEET": str(workers)}))
            running.wait_until_served()
            return running

        yield start
