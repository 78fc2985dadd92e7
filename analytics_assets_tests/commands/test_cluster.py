"""What `make cluster` refuses to start, in one line. What it starts: `cluster/test_fleet.py`."""

import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from analytics_assets.cluster.launcher import ClusterRunLauncher
from analytics_assets.commands import cluster
from analytics_assets.commands.cluster import main
from analytics_assets.ingest.configured import SettingError
from analytics_assets_tests.project import Project

SECRET = "geheim77"
_ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def _configured(project: Project, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Name a database and a broker that are never asked; leave no signal handler behind."""
    shutil.copytree(_ROOT / "deploy", project.path / "deploy")
    given = {
        "DAGSTER_POSTGRES_URL": "postgresql://nobody:unused@127.0.0.1:1/none",
        "CELERY_BROKER_URL": "amqp://guest:guest@127.0.0.1:1//",
        "DAGSTER_HOME": str(project.path),
        "PORT": "65000",
    }
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    for name in ("CELERY_QUEUE", "DAGSTER_DISABLE_TELEMETRY", "FLEET", "HERE"):
        # what it sets is of its process
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize(
    ("name", "value", "problem"),
    [
        ("DAGSTER_POSTGRES_URL", "", "DAGSTER_POSTGRES_URL is not set: postgresql://user:password@host:5432/dagster"),
        ("CELERY_BROKER_URL", "", "CELERY_BROKER_URL is not set: amqp://user:password@host:5672//"),
        ("FLEET", "0", "FLEET is '0', but it is a number from 1 to 99, of the whole fleet"),
        ("FLEET", "many", "FLEET is 'many', but it is a number from 1 to 99, of the whole fleet"),
        ("HERE", "worker:0", "HERE is 'worker:0', but it is one or more of webserver, daemon and worker:2"),
        ("HERE", "webserver;daemon", "HERE is 'webserver;daemon', but it is one or more of webserver, daemon"),
        ("PORT", "http", "PORT is 'http', but a port is a number from 1 to 65535"),
    ],
)
def test_what_is_missing_is_named(
    name: str, value: str, problem: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line says which variable, and what it has to be; nothing is started."""
    monkeypatch.setenv(name, value)
    assert main() == 1
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert err.startswith(f"Cannot start: {problem}")


@pytest.mark.parametrize(
    "address",
    [
        f"amqp//user:{SECRET}@host//",
        f"amqp:/user:{SECRET}@host//",
        f"user:{SECRET}@host",
        f"amqp://user:{SECRET}@host:port//",
        f"amqp://user:{SECRET}/more@host//",
        f"amqp://user:{SECRET}#more@host//",
        f"amqp://user:77/{SECRET}@host//",
        f"amqp://user:a@{SECRET}@host//",
        f"amqp://user:{SECRET}@[host//",
    ],
)
def test_a_broker_that_is_none_is_not_repeated(
    address: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Neither by the command nor by a process that reads it from ``dagster.yaml``, such as Dagster's own daemon."""
    monkeypatch.setenv("CELERY_BROKER_URL", address)
    assert main() == 1
    out, err = capsys.readouterr()
    problem = "is not the address of a broker, such as amqp://user:password@host:5672//: an @, :, /, "
    assert (out, err.count("\n")) == ("", 1)
    assert err.startswith(f"Cannot start: CELERY_BROKER_URL {problem}")
    assert SECRET not in err
    with pytest.raises(SettingError, match=rf"^broker in dagster.yaml {problem}") as refused:
        ClusterRunLauncher.from_config_value(None, {"broker": address})
    assert SECRET not in str(refused.value)
    assert refused.value.__suppress_context__ or refused.value.__context__ is None


def test_without_the_packages(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Celery is an extra: where it is not installed, its name is said."""
    monkeypatch.setattr(cluster, "find_spec", lambda _: None)
    assert main() == 1
    assert 'pip install "analytics-assets[cluster]"' in capsys.readouterr().err


def test_a_database_that_does_not_answer(capsys: pytest.CaptureFixture[str]) -> None:
    """In one line, without the password."""
    assert main() == 1
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert "Cannot start: Dagster's PostgreSQL (DAGSTER_POSTGRES_URL) does not answer: " in err
    assert "unused" not in err


def test_what_ends_at_once_is_not_started_for_ever(
    project: Project, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """A worker whose settings are wrong is started twice; the others are stopped, and the exit code is 1."""
    (project.path / "wrong.py").write_text("import sys; sys.exit(3)")
    members = [cluster.Member("worker-1", "wrong", ()), cluster.Member("daemon", "http.server", ("0",))]
    monkeypatch.setenv("PYTHONPATH", f"{project.path}:{_ROOT}")
    monkeypatch.setattr(cluster, "prepared", lambda: members)
    monkeypatch.setattr(cluster, "make_history", lambda: None)
    assert main() == 1
    out, err = capfd.readouterr()
    assert out.count("worker-1 ended with code 3, and is started again") == 1
    assert "Stopped: worker-1 ended with code 3 right after its start, twice" in err
    daemon = members[1].process
    assert daemon is not None
    assert daemon.returncode is not None


def test_help_is_printed() -> None:
    """It names what can be set."""
    command = [sys.executable, "-m", "analytics_assets.commands.cluster", "--help"]
    said = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout
    assert all(name in said for name in ("DAGSTER_POSTGRES_URL", "CELERY_BROKER_URL", "FLEET", "HERE", "BIND", "PORT"))
