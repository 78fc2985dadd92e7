"""The demo's load while it runs: bars on a terminal, lines elsewhere, and what the load warns of.

What belongs here: how the figures of a running load reach the console. What is in the warehouse afterwards is
``demo_tables.py``.
"""

import contextlib
import logging
import threading
import time
from collections.abc import Iterator

import dagster as dg
from dlt.extract.source import DltSource
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn

from analytics_assets.ingest.endpoints import Endpoint
from analytics_assets.ingest.report import Reading
from analytics_assets.ingest.window import Window
from analytics_assets.resources import AnalyticsApi

_REFRESH_SECONDS = 0.05
_LINE_EVERY_SECONDS = 2.0


class LoadWatch:
    """Shows a load on a console while it runs, and knows afterwards how many pages it has read.

    For that the load has to be given ``api()`` as its resource.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._readings: dict[str, list[Reading]] = {}

    def api(self) -> AnalyticsApi:
        """Return the API resource, which notes each window before it is read."""
        readings = self._readings

        class WatchedApi(AnalyticsApi):
            def source(
                self, endpoint: Endpoint, window: Window | None, run_id: str, log: logging.Logger
            ) -> tuple[DltSource, Reading]:
                source, reading = super().source(endpoint, window, run_id, log)
                readings.setdefault(endpoint.name, []).append(reading)
                return source, reading

        return WatchedApi()

    def logger(self) -> dg.LoggerDefinition:
        """Return a logger for the place of Dagster's console one, which prints the load's warnings and no events."""
        console = self._console

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
    def shown(self) -> Iterator[None]:
        """Show the figures as they grow, from a thread, for the load keeps this one."""
        ended = threading.Event()
        show = self._show_bars if self._console.is_terminal else self._print_lines
        thread = threading.Thread(target=show, args=(ended,), daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()

    def pages_read(self) -> dict[str, int]:
        """Return the number of pages read of each endpoint."""
        return {name: sum(one.pages.walk.pages for one in readings) for name, readings in self._readings.items()}

    def _show_bars(self, ended: threading.Event) -> None:
        columns = (
            SpinnerColumn(finished_text="[green]✓[/]"),
            TextColumn("{task.description}"),
            BarColumn(24),
            TextColumn("{task.fields[figures]}"),
        )
        with Progress(*columns, console=self._console) as progress:
            bars: dict[str, TaskID] = {}
            is_last = False
            while not is_last:
                is_last = ended.wait(_REFRESH_SECONDS)
                for name, readings in list(self._readings.items()):
                    if name not in bars:
                        bars[name] = progress.add_task(name, total=None, figures="")
                    walks = [reading.pages.walk for reading in readings]
                    rows, total = sum(walk.rows_read for walk in walks), sum(walk.total or 0 for walk in walks)
                    if rows and not progress.tasks[bars[name]].finished:
                        progress.update(bars[name], completed=rows, total=total or None, figures=walks[-1].progress)
        self._console.print()

    def _print_lines(self, ended: threading.Event) -> None:
        printed_at: dict[str, float] = {}
        read: set[str] = set()
        is_last = False
        while not is_last:
            is_last = ended.wait(_REFRESH_SECONDS)
            now = time.monotonic()
            for name in [name for name in self._readings if name not in read]:
                walk = self._readings[name][-1].pages.walk
                is_read = walk.is_whole
                if is_read or now - printed_at.setdefault(name, now) > _LINE_EVERY_SECONDS:
                    self._console.print(f"{name}: {walk.progress}")
                    printed_at[name] = now
                if is_read:
                    read.add(name)
