"""The launcher waits for RabbitMQ, and says what a run needs that it cannot have."""

import socket
import threading
import time
from urllib.parse import urlsplit

import dagster as dg
import kombu.exceptions
import pytest

from analytics_assets.cluster.launcher import address_of
from analytics_assets_tests.cluster.conftest import Wire, broker_address
from analytics_assets_tests.project import Project

pytestmark = pytest.mark.postgres


@pytest.fixture
def port() -> int:
    """Return a port at which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        number: int = free.getsockname()[1]
    return number


@pytest.mark.usefixtures("database", "queue")
def test_a_broker_that_is_down_is_waited_for(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else every run of the queue would fail, and its retries, while RabbitMQ is restarted."""
    parts = urlsplit(broker_address())
    there = f"{parts.username}:{parts.password}@127.0.0.1:{port}"
    monkeypatch.setenv("CELERY_BROKER_URL", parts._replace(netloc=there).geturl())
    monkeypatch.setenv("FLEET", "1")
    with dg.DagsterInstance.from_config("deploy") as instance:
        launcher = instance.run_launcher
        with pytest.raises(kombu.exceptions.OperationalError):
            launcher.wait_for_broker(1)
        began = time.monotonic()
        later = threading.Timer(1.5, lambda: Wire(parts.hostname or "127.0.0.1", parts.port or 5672, port))
        later.start()
        launcher.wait_for_broker(30)
        assert 1 < time.monotonic() - began < 15


def test_workers_need_postgres(project: Project) -> None:
    """Of a history in files no other machine knows anything."""
    with (
        dg.DagsterInstance.from_config(str(project.path)) as instance,
        pytest.raises(TypeError, match="workers need Dagster's history in PostgreSQL"),
    ):
        address_of(instance)
