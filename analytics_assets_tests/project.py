"""A project folder of its own for every test, and the few things tests do with it: configure, serve, load, look."""

import datetime as dt
import json
import os
import subprocess
import sys
from collections.abc import Iterable
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import dagster as dg
import duckdb
import psycopg2.errors  # type: ignore[import-untyped]
import psycopg2.extras  # type: ignore[import-untyped]
import pytest
from dlt.common.configuration.container import Container
from dlt.common.configuration.specs import PluggableRunContext

from analytics_assets.build import build_definitions
from analytics_assets.ingest.configured import load_settings
from analytics_assets.ingest.endpoint import Endpoint
from analytics_assets.ingest.opening import open_pipeline
from analytics_assets.ingest.report import WindowReport
from analytics_assets.ingest.settings import Settings
from analytics_assets.ingest.source import build_source
from analytics_assets.ingest.window import Window
from analytics_assets.sandbox.app import Sandbox
from analytics_assets.sandbox.server import SandboxServer
from analytics_assets.sandbox.shape import Shape

KEY = "sandbox+key/of=the&tests"
"""A key that looks different when it is URL-encoded, and that nothing else looks like."""

EVERYWHERE = ("_analytics_read_at", "_dlt_id", "_dlt_load_id")
"""The columns that every table has."""

KEY_FORMS = (KEY, "sandbox%2Bkey%2Fof%3Dthe%26tests", "sandbox%2Bkey/of%3Dthe%26tests", "key/of", "key%2Fof")
REPOSITORY_TAG = ".dagster/repository"
NO_RETRIES = dg.RetryPolicy(max_retries=0)
DAY = "2025-03-01"
WINDOW = Window.of_day(dt.date(2025, 3, 1))

Row = dict[str, Any]


class Project:
    """The settings, the API and the warehouse of one test."""

    def __init__(self, path: Path, monkeypatch: pytest.MonkeyPatch, running: ExitStack) -> None:
        self.path = path
        self._monkeypatch = monkeypatch
        self._running = running
        self.reports: dict[str, WindowReport] = {}

    def configure(self, **settings: object) -> None:
        """Set settings by environment variable: ``page_size=2``, ``endpoints__stories__path="/s"``."""
        for name, value in settings.items():
            text = json.dumps(value) if isinstance(value, dict | tuple) else str(value)
            self._monkeypatch.setenv(f"ANALYTICS_API__{name.upper()}", text)

    def write(self, name: str, text: str) -> None:
        """Put text at the end of ``.dlt/<name>``, and have dlt read its files anew."""
        with (self.path / ".dlt" / name).open("a") as file:
            file.write(text)
        reload_settings()

    def serve(self, **options: Any) -> Sandbox:  # noqa: ANN401 - the sandbox types its own
        """Start a sandbox that takes ``KEY``, and point the settings at it; pages are asked for one by one."""
        sandbox = Sandbox(**{"shape": Shape(key=KEY), **options})
        self.configure(base_url=self._running.enter_context(SandboxServer(sandbox)).url, max_concurrent_requests=1)
        return sandbox

    def read(self, name: str = "stories", window: Window | None = WINDOW) -> list[Row]:
        """Read an endpoint without loading it; what is known of it afterwards stands in ``reports``."""
        source, reading = build_source(endpoint_of(name), settings_of(name), window)
        found: list[Row] = []
        try:
            for item in source.resources[name]:
                found += item.to_pylist() if hasattr(item, "to_pylist") else [item]
        finally:
            self.reports[name] = reading.report()
        return found

    def load(self, window: Window | None = WINDOW, *names: str) -> WindowReport:
        """Load endpoints into the warehouse without Dagster; return the report of the first."""
        names = names or ("stories",)
        for name in names:
            source, reading = build_source(endpoint_of(name), settings_of(name), window)
            try:
                with open_pipeline(reading) as pipeline:
                    pipeline.run(source)
                self.reports[name] = pipeline.report
            except Exception:
                self.reports[name] = reading.report()
                raise
        return self.reports[names[0]]

    def materialize(
        self,
        *names: str,
        day: str | None = DAY,
        until: str | None = None,
        full_refresh: bool = False,
        instance: dg.DagsterInstance | None = None,
        retry_policy: dg.RetryPolicy = NO_RETRIES,
    ) -> dg.ExecuteInProcessResult:
        """Materialize assets in this process: a day, the range from ``day`` until ``until``, or all history."""
        names = names or ("stories",)
        definitions = build_definitions(retry_policy=retry_policy)
        job = definitions.resolve_implicit_global_asset_job_def()
        config = {"config": {"sync_mode": "full_refresh" if full_refresh else "incremental"}}
        span = {"dagster/asset_partition_range_start": day, "dagster/asset_partition_range_end": until}
        return job.execute_in_process(
            partition_key=None if until else day,
            tags=span if until else None,
            run_config={"ops": dict.fromkeys(names, config)},
            asset_selection=[dg.AssetKey(name) for name in names],
            instance=instance or self.instance(),
            raise_on_error=False,
        )

    def configured(self, name: str) -> str:
        """Return what the environment says of a setting."""
        return os.environ[f"ANALYTICS_API__{name.upper()}"]

    def assert_nowhere(self, forms: Iterable[str], *texts: str) -> None:
        """Fail if one of the forms of a secret stands in a text, or in a file of the project folder."""
        found = [form for form in forms if any(form in text for text in texts)]
        assert not found, found
        for path in self.path.rglob("*"):
            if path.is_file():
                content = path.read_bytes()
                found = [form for form in forms if form.encode() in content]
                assert not found, (str(path), found)

    def instance(self) -> dg.DagsterInstance:
        """Return a Dagster instance in memory, whose files are in the project folder."""
        folder = self.path / ".instance"
        folder.mkdir(exist_ok=True)
        return self._running.enter_context(dg.DagsterInstance.ephemeral(tempdir=str(folder)))

    def on_timeline(self) -> list[str]:
        """Return the repository of each run in the folder's history that the UI's timeline shows."""
        with dg.DagsterInstance.from_config(str(self.path)) as instance:
            runs = instance.get_runs()
            labels = [run.remote_job_origin.repository_origin.get_label() for run in runs if run.remote_job_origin]
            # the list of a job's runs asks for the tag
            assert all(instance.get_runs(dg.RunsFilter(tags={REPOSITORY_TAG: label})) for label in labels)
            return labels

    def dagster(self, *arguments: str, **environment: str | None) -> subprocess.CompletedProcess[str]:
        """Run Dagster's command line in the project folder; ``None`` takes a variable out of the environment."""
        merged = {**os.environ, "PYTHONWARNINGS": "ignore", **environment}
        return subprocess.run(
            [sys.executable, "-m", "dagster", *arguments],
            cwd=self.path,
            env={name: value for name, value in merged.items() if value is not None},
            capture_output=True,
            text=True,
            timeout=150,
            check=False,
        )

    def table(self, name: str = "stories", order: str = "id") -> list[Row]:
        """Return a table of the warehouse without the columns everywhere; empty where there is no such table."""
        query = f"SELECT * FROM analytics.{name} ORDER BY {order}"  # noqa: S608 - names of the tests
        is_postgres = os.environ.get("DESTINATION__WAREHOUSE__DESTINATION_TYPE") == "postgres"
        return [
            {column: value for column, value in row.items() if column not in EVERYWHERE}
            for row in (_in_postgres(query) if is_postgres else _in_duckdb(self.path / "warehouse.duckdb", query))
        ]

    def ids(self, name: str = "stories") -> list[str]:
        """Return the ids of a table, in order; twice what stands there twice."""
        return [row["id"] for row in self.table(name)]


def _in_duckdb(path: Path, query: str) -> list[Row]:
    if not path.exists():
        return []
    with duckdb.connect(str(path), read_only=True, config={"python_enable_replacements": "false"}) as warehouse:
        try:
            found = warehouse.sql(query)
        except duckdb.CatalogException:
            return []
        return [dict(zip(found.columns, row, strict=True)) for row in found.fetchall()]


def _in_postgres(query: str) -> list[Row]:
    with (
        closing(psycopg2.connect(os.environ["DESTINATION__WAREHOUSE__CREDENTIALS"])) as connection,
        connection.cursor() as cursor,
    ):
        # as DuckDB gives it
        compact = json.JSONEncoder(separators=(",", ":"))
        psycopg2.extras.register_default_jsonb(cursor, loads=lambda text: compact.encode(json.loads(text)))
        try:
            cursor.execute(query)
        except psycopg2.errors.UndefinedTable:
            return []
        names = [column.name for column in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def reload_settings() -> None:
    """Have dlt forget the configuration files it has read: it reads them once in a process."""
    Container()[PluggableRunContext].reload_providers()


def endpoint_of(name: str) -> Endpoint:
    """Return the endpoint of that name, as the settings have it."""
    return next(endpoint for endpoint in load_settings().resolved_endpoints if endpoint.name == name)


def settings_of(name: str) -> Settings:
    """Return the settings with the endpoint's own in them."""
    return load_settings().of(endpoint_of(name))


def stories(count: int, day: str = DAY) -> list[Row]:
    """Return that many stories, one a minute from the start of the day."""
    return [
        {"id": f"s{number:03d}", "timestamp": f"{day}T{number // 60:02d}:{number % 60:02d}:00Z", "like_count": number}
        for number in range(count)
    ]


def asked(sandbox: Sandbox) -> list[tuple[str, dict[str, str]]]:
    """Return path and parameters of every request, in order; the key is not among them."""
    return [(request.path, request.params) for request in sandbox.requests]


def failure_of(result: dg.ExecuteInProcessResult, step: str = "stories") -> str:
    """Return what the user reads of a failed step."""
    event = next(event for event in result.all_events if event.is_step_failure and event.step_key == step)
    return event.step_failure_data.error_display_string


def message_of(result: dg.ExecuteInProcessResult, step: str = "stories") -> str:
    """Return the first line of a step's failure: the one message."""
    event = next(event for event in result.all_events if event.is_step_failure and event.step_key == step)
    failure = event.step_failure_data.user_failure_data
    return str(failure.description) if failure else ""
