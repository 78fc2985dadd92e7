"""Every test stands in a folder of its own, with the project's settings and nothing of the machine's environment."""

import os
import shutil
import signal
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from analytics_assets.ingest.api import budget, retries, tokens
from analytics_assets_tests.project import KEY, Project, reload_settings
from analytics_assets_tests.warehouses import lake, postgres, postgres_server, stand_on, warehouse

__all__ = ["lake", "postgres", "postgres_server", "warehouse"]

# What a shell runs in the background ignores Ctrl-C, and what nohup runs a closed terminal: so would what tests start.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)

_IS_ON_POSTGRES = os.environ.get("ANALYTICS_TEST_WAREHOUSE") == "postgres"
_ROOT = Path(__file__).parents[1]
_OURS = (
    "ANALYTICS_API__",
    "DESTINATION__",
    "CREDENTIALS",
    "RUNTIME__",
    "DLT_",
    "DAGSTER_",
    "API_KEY",
    "ALERT_WEBHOOK",
    "RATE_BUDGET",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Have the longest test begin first: at the end the other workers would have nothing to do but wait for it."""
    items.sort(key=lambda item: "fortnight" not in item.path.parts)
    for item in items:
        if _IS_ON_POSTGRES and item.get_closest_marker("duckdb"):
            item.add_marker(pytest.mark.skip(reason="of a DuckDB file"))


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Iterator[Project]:
    """Stand in a fresh copy of the project's settings, with a key, and let no variable of the machine through."""
    for name in [name for name in os.environ if name.startswith(_OURS)]:
        monkeypatch.delenv(name)
    (tmp_path / ".dlt").mkdir()
    shutil.copy(_ROOT / ".dlt" / "config.toml", tmp_path / ".dlt")
    shutil.copy(_ROOT / "dagster.yaml", tmp_path)
    # working directories and rate budgets are shared by all runs of a machine; not by tests
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    (tmp_path / "tmp").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("API_KEY", KEY)
    reload_settings()
    # a process has one token of a client; not all the tests that it runs
    tokens.token_of.cache_clear()
    with ExitStack() as running:
        if _IS_ON_POSTGRES:
            stand_on(request.getfixturevalue("postgres_server"), monkeypatch)
        yield Project(tmp_path, monkeypatch, running)


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Return the list of the seconds that would have been waited between attempts; nothing sleeps."""
    waited: list[float] = []
    monkeypatch.setattr(retries, "nap", lambda _stop, seconds: waited.append(seconds))
    # what a 429 makes everybody wait is shown where the budget is tested
    monkeypatch.setattr(budget.RateBudget, "wait", lambda _: time.monotonic())
    return waited
