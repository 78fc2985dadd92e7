"""``make demo``: load the sandbox API into the configured warehouse through Dagster, and show what arrived.

It runs the project's own job on the instance of this folder, so ``make dev`` shows the run and its partitions
afterwards. What belongs here: what the demo prints. The made-up API is ``sandbox/``; nothing of the load is written
anew.
"""

import contextlib
import datetime as dt
import json
import logging
import os
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import dagster as dg
from dlt.common.destination.exceptions import DestinationException
from dlt.destinations.exceptions import DatabaseUndefinedRelation
from dlt.extract.source import DltSource
from dotenv import load_dotenv
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn
from rich.table import Table

from analytics_assets.build import build_definitions
from analytics_assets.ingest.endpoints import ENDPOINTS, Endpoint
from analytics_assets.ingest.errors import explain
from analytics_assets.ingest.pipeline import WarehousePipeline, open_pipeline
from analytics_assets.ingest.report import Journal, WindowReport
from analytics_assets.ingest.settings import Settings, load_settings
from analytics_assets.ingest.window import Window
from analytics_assets.partitions import daily_partitions
from analytics_assets.resources import AnalyticsApi
from analytics_assets.sandbox.app import Sandbox
from analytics_assets.sandbox.server import SandboxServer

DAYS = 30

_LOOPBACK = {"localhost", "127.0.0.1", "::1"}
_REFRESH_SECONDS = 0.05
_TELL_EVERY_SECONDS = 2.0
_INTERRUPTED = 130
_PLOT_LINES = 6
_EIGHTHS = " ▁▂▃▄▅▆▇█"


class DemoError(Exception):
    """The demo cannot go on; the message is the one line that says why."""


@dataclass(frozen=True)
class Stand:
    """What one table holds: its rows, and the UTC days of its first and last one."""

    rows: int = 0
    first: dt.date | None = None
    last: dt.date | None = None


def main(sandbox: Sandbox | None = None) -> int:
    """Run the demo in the working directory and return the exit code: 0 when everything arrived."""
    try:
        # Dagster's commands read .env too; else they and the demo could mean two warehouses
        load_dotenv(".env", override=True)
        with _console() as console, SandboxServer(sandbox) as server:
            _point_at(server)
            _demo(console, server.url)
    except BrokenPipeError:
        return 1
    except KeyboardInterrupt:
        sys.stderr.write("Stopped. What was loaded stays, and the next run goes on from there.\n")
        return _INTERRUPTED
    except Exception as error:
        problem = explain(error)
        if problem is None and not isinstance(error, DemoError | DestinationException):
            raise
        sys.stderr.write(f"The demo failed: {_one_line(problem.message if problem else str(error))}\n")
        return 1
    return 0


def _point_at(server: SandboxServer) -> None:
    """Make this process load from the sandbox; raises ``DemoError`` where that would do harm."""
    if not Path("dagster.yaml").is_file():
        raise DemoError("there is no dagster.yaml here; run it in the project's folder")
    configured = load_settings().base_url
    if configured != Settings().base_url and urlsplit(configured).hostname not in _LOOPBACK:
        raise DemoError(
            f"{configured} is configured, and made-up rows would mix with its own; unset it or use a fresh clone"
        )
    # the same instance that `dagster dev` makes of this folder's dagster.yaml
    os.environ.setdefault("DAGSTER_HOME", str(Path.cwd()))
    os.environ["ANALYTICS_API__BASE_URL"] = server.url
    os.environ["API_KEY"] = server.sandbox.shape.key


def _demo(console: Console, url: str) -> None:
    settings = load_settings()
    # the last one is today, which is not over
    days = daily_partitions(settings).get_partition_keys()[-DAYS - 1 : -1]
    before = _stands(settings)
    began = time.monotonic()
    with open_pipeline() as pipeline:
        console.print(f"Loading {len(days)} days, {days[0]} to {days[-1]}, of the sandbox API")
        console.print(f"at {url} through Dagster into [bold]{_place(pipeline)}[/]\n")
    with dg.DagsterInstance.get() as instance:
        pages = _load(console, instance, days)
    seconds = time.monotonic() - began
    after = _stands(settings)
    console.print(_table(before, after, pages))
    _summary(console, before, after, seconds)
    _plot(console, _reach(settings, days), days)
    _next_steps(console)


def _load(console: Console, instance: dg.DagsterInstance, days: Sequence[str]) -> dict[str, int]:
    """Run the job that loads every endpoint, over all days at once, and return the pages read of each."""
    reports: dict[str, list[WindowReport]] = {}
    defs = dg.Definitions.merge(
        # without the retries of a whole step: who watches a demo wants to know now
        build_definitions(resources={"analytics_api": _watched(reports)}, retry_policy=dg.RetryPolicy(max_retries=0)),
        dg.Definitions(loggers={"console": _warnings_to(console)}),
    )
    with _live(console, reports):
        result = defs.resolve_job_def("load_all").execute_in_process(
            instance=instance,
            raise_on_error=False,
            run_config={"loggers": {"console": {"config": {"log_level": "WARNING"}}}},
            tags={"dagster/asset_partition_range_start": days[0], "dagster/asset_partition_range_end": days[-1]},
        )
    if not result.success:
        raise DemoError(_why(result))
    return {name: sum(report.pages for report in of_endpoint) for name, of_endpoint in reports.items()}


def _watched(reports: dict[str, list[WindowReport]]) -> AnalyticsApi:
    """Return the API resource, showing us each report while the load fills it."""

    class WatchedApi(AnalyticsApi):
        def source(self, endpoint: Endpoint, window: Window | None, journal: Journal) -> DltSource:
            source = super().source(endpoint, window, journal)
            reports.setdefault(endpoint.name, []).append(journal.reports[endpoint.name])
            return source

    return WatchedApi()


def _warnings_to(console: Console) -> dg.LoggerDefinition:
    """Return a logger for the place of Dagster's console one, which prints what the load warns of and no events."""

    class Printer(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if not getattr(record, "dagster_event", None):
                message = getattr(record, "dagster_meta", {}).get("orig_message", record.msg)
                console.print(f"[yellow]{escape(str(message))}[/]")

    @dg.logger({"log_level": dg.Field(str, default_value="WARNING")})
    def warnings_logger(context: dg.InitLoggerContext) -> logging.Logger:
        logger = logging.Logger("demo", context.logger_config["log_level"])  # noqa: LOG001 (as any logger of Dagster, gone with its run)
        logger.addHandler(Printer())
        return logger

    return warnings_logger


@contextlib.contextmanager
def _live(console: Console, reports: dict[str, list[WindowReport]]) -> Iterator[None]:
    """Show the reports as they fill up: bars on a terminal, now and then a line elsewhere."""
    done = threading.Event()
    watch = threading.Thread(
        target=_bars if console.is_terminal else _lines, args=(console, reports, done), daemon=True
    )
    watch.start()
    try:
        yield
    finally:
        done.set()
        watch.join()


def _bars(console: Console, reports: dict[str, list[WindowReport]], done: threading.Event) -> None:
    columns = (
        SpinnerColumn(finished_text="[green]✓[/]"),
        TextColumn("{task.description}"),
        BarColumn(24),
        TextColumn("{task.fields[told]}"),
    )
    with Progress(*columns, console=console) as progress:
        bars: dict[str, TaskID] = {}
        is_last = False
        while not is_last:
            is_last = done.wait(_REFRESH_SECONDS)
            for name, of_endpoint in list(reports.items()):
                if name not in bars:
                    bars[name] = progress.add_task(name, total=None, told="")
                rows, total = sum(one.rows_read for one in of_endpoint), sum(one.total or 0 for one in of_endpoint)
                if rows and not progress.tasks[bars[name]].finished:
                    progress.update(bars[name], completed=rows, total=total or None, told=of_endpoint[-1].progress)
    console.print()


def _lines(console: Console, reports: dict[str, list[WindowReport]], done: threading.Event) -> None:
    told_at: dict[str, float] = {}
    read: set[str] = set()
    is_last = False
    while not is_last:
        is_last = done.wait(_REFRESH_SECONDS)
        now = time.monotonic()
        for name in [name for name in reports if name not in read]:
            report = reports[name][-1]
            is_read = report.is_read
            if is_read or now - told_at.setdefault(name, now) > _TELL_EVERY_SECONDS:
                console.print(f"{name}: {report.progress}")
                told_at[name] = now
            if is_read:
                read.add(name)


def _why(result: dg.ExecuteInProcessResult) -> str:
    """Return the first failed step's own message, and how many more there are; Ctrl-C is no failure and goes on."""
    failures = [event for event in result.all_events if event.is_step_failure]
    errors = [event.step_failure_data.error for event in failures]
    if any(error and error.cls_name == "DagsterExecutionInterruptedError" for error in errors):
        raise KeyboardInterrupt
    told = [_message(event) for event in failures]
    if not told:
        return "the run did not finish"
    return told[0] if len(told) == 1 else f"{told[0]} ({len(told) - 1} more endpoints failed)"


def _message(failure: dg.DagsterEvent) -> str:
    data = failure.step_failure_data
    if data.user_failure_data and data.user_failure_data.description:
        return data.user_failure_data.description
    error = data.error
    # Dagster and dlt wrap what happened
    while error and error.cause:
        error = error.cause
    return error.message if error else f"{failure.step_key} failed"


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _stands(settings: Settings) -> dict[str, Stand]:
    """Ask the warehouse what it holds."""
    stands = {}
    with _reading() as pipeline, pipeline.sql_client() as client:
        for endpoint in ENDPOINTS:
            cursor = client.escape_column_name(settings.endpoint(endpoint).cursor)
            table = client.make_qualified_table_name(endpoint.name)
            try:
                found = client.execute_sql(f"SELECT count(*), min({cursor}), max({cursor}) FROM {table}")  # noqa: S608
            except DatabaseUndefinedRelation:
                stands[endpoint.name] = Stand()
                continue
            rows, *edges = (found or [(0, None, None)])[0]
            stands[endpoint.name] = Stand(rows, *(edge.astimezone(dt.UTC).date() if edge else None for edge in edges))
    return stands


def _reach(settings: Settings, days: Sequence[str]) -> dict[str, int]:
    """Add up the reach of all posts, day by day."""
    reach = dict.fromkeys(days, 0)
    with _reading() as pipeline, pipeline.sql_client() as client:
        cursor = client.escape_column_name(settings.endpoint(ENDPOINTS[0]).cursor)
        value, metric = client.escape_column_name("value"), client.escape_column_name("metric")
        table = client.make_qualified_table_name(ENDPOINTS[0].name)
        rows = client.execute_sql(f"SELECT {cursor}, {value} FROM {table} WHERE {metric} = 'reach'")  # noqa: S608
    for moment, measured in rows or []:
        day = f"{moment.astimezone(dt.UTC):%Y-%m-%d}" if moment else None
        if day in reach:
            reach[day] += _number(json.loads(measured) if isinstance(measured, str) else measured)
    return reach


def _number(value: object) -> int:
    """Return a metric's value; one that the API breaks down is the sum of its parts."""
    if isinstance(value, dict):
        return sum(_number(part) for part in value.values())
    return int(value) if isinstance(value, int | float) else 0


@contextlib.contextmanager
def _reading() -> Iterator[WarehousePipeline]:
    """Give a pipeline to read with, while no other run has the DuckDB file open."""
    with open_pipeline() as pipeline, pipeline.writer():
        yield pipeline


def _table(before: dict[str, Stand], after: dict[str, Stand], pages: dict[str, int]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("Table", style="bold")
    for name in ("Rows", "New rows", "Pages read"):
        table.add_column(name, justify="right")
    table.add_column("First day")
    table.add_column("Last day")
    for name, stand in after.items():
        figures = (stand.rows, stand.rows - before[name].rows, pages.get(name, 0))
        table.add_row(name, *(f"{figure:,}" for figure in figures), str(stand.first or "-"), str(stand.last or "-"))
    return table


def _summary(console: Console, before: dict[str, Stand], after: dict[str, Stand], seconds: float) -> None:
    rows = sum(stand.rows for stand in after.values())
    new = rows - sum(stand.rows for stand in before.values())
    with open_pipeline() as pipeline:
        file = Path(pipeline.database)
        size = (
            f", {file.stat().st_size / 1e6:.1f} MB" if pipeline.destination_kind == "duckdb" and file.is_file() else ""
        )
        console.print(f"{rows:,} rows in [bold]{_place(pipeline)}[/]{size}; loading took {seconds:.1f} s")
        console.print(
            f"[bold]{new:,} rows are new[/]\n" if new else "[bold]No new rows[/]: all were there, and merge by id\n"
        )


def _place(pipeline: WarehousePipeline) -> str:
    """Name the warehouse, a file as it is reached from here."""
    return os.path.relpath(pipeline.database) if pipeline.destination_kind == "duckdb" else pipeline.location


def _plot(console: Console, reach: dict[str, int], days: Sequence[str]) -> None:
    """Draw a column for each day, in eighths of a line."""
    highest = max(reach.values()) or 1
    label = f"{highest:,}"
    console.print("[bold]Reach of all posts, day by day[/]")
    for line in reversed(range(_PLOT_LINES)):
        columns = (_EIGHTHS[max(0, min(8, round(reach[day] / highest * _PLOT_LINES * 8) - line * 8))] for day in days)
        axis = {_PLOT_LINES - 1: label, 0: "0"}.get(line, "").rjust(len(label))
        console.print(f"{axis} [cyan]{' '.join(columns)}[/]")
    console.print(f"{' ' * len(label)} {days[0]}{days[-1].rjust(2 * len(days) - 1 - len(days[0]))}\n")


def _next_steps(console: Console) -> None:
    with open_pipeline() as pipeline:
        query = f"FROM {pipeline.dataset_name}.stories"
        if pipeline.destination_kind == "duckdb":
            warehouse = f"duckdb.connect('{_place(pipeline)}', read_only=True)"
            query = f"python -c \"import duckdb; {warehouse}.sql('{query}').show()\""
    console.print("[bold]What to do next[/]")
    console.print("  make dev   opens Dagster's UI on this run, its partitions and their metadata")
    console.print("  Look into the tables, with .venv activated:")
    console.print(f"    {escape(query)}", soft_wrap=True)
    console.print("  Point it at your vendor: README.md says how; use another warehouse")


@contextlib.contextmanager
def _console() -> Iterator[Console]:
    """Give a console on a copy of stdout, for Dagster captures the real one into a compute log during a step."""
    with open(os.dup(1), "w", encoding="utf-8", errors="replace") as out:  # noqa: PTH123 (a descriptor is no path)
        yield Console(file=out, highlight=False)


if __name__ == "__main__":
    code = main()
    sys.stderr.flush()
    # not sys.exit: while Python takes the modules apart, DuckDB's binding writes 40 lines about types that it leaked
    os._exit(code)
