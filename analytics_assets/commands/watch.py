"""A load while it runs: bars on a terminal, lines elsewhere, and what the load warns of.

What belongs here: how the figures of a running load reach the console. What is in the warehouse afterwards is
``tables.py``.
"""

import contextlib
import logging
import math
import signal
import threading
from collections.abc import Iterator
from types import FrameType

import dagster as dg
from dlt.extract.source import DltSource
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn

from analytics_assets.ingest.api.walk import OffsetWalk
from analytics_assets.ingest.endpoint import Endpoint
from analytics_assets.ingest.report import Reading
from analytics_assets.ingest.window import Window
from analytics_assets.resources import AnalyticsApi

_REFRESH_SECONDS = 0.05
# what Dagster's executor sleeps in until a step is to be tried again
_SLEEPS = "sleep_til_ready"


class LoadWatch:
    """Shows a load of so many windows an endpoint while it runs, and knows afterwards how many pages it has read.

    For that the load has to be given ``api()`` as its resource, and ``logger()`` as its console's logger.
    """

    def __init__(self, console: Console, windows: int) -> None:
        self._console = console
        self._windows = windows
        self.was_stopped = False
        """Whether a signal has come while the load waited to begin a step anew."""
        # one that is tried again takes the place of the one before
        self._readings: dict[str, dict[Window | None, Reading]] = {}

    def api(self) -> AnalyticsApi:
        """Return the API resource, which notes each window before it is read."""
        readings = self._readings

        class WatchedApi(AnalyticsApi):
            def source(
                self, endpoint: Endpoint, window: Window | None, run_id: str, log: logging.Logger
            ) -> tuple[DltSource, Reading]:
                source, reading = super().source(endpoint, window, run_id, log)
                readings.setdefault(endpoint.name, {})[window] = reading
                return source, reading

        return WatchedApi()

    def logger(self) -> dg.LoggerDefinition:
        """Return a logger for the place of Dagster's console one: it prints no events and no failures.

        On a terminal it prints warnings, and what is no warning where no bars show it.
        """
        console = self._console

        class Printer(logging.Handler):
            def emit(self, record: logging.LogRecord) -> None:
                # a failure is said once, when the load has ended
                if not getattr(record, "dagster_event", None) and record.levelno < logging.ERROR:
                    message = escape(str(getattr(record, "dagster_meta", {}).get("orig_message", record.msg)))
                    console.print(f"[yellow]{message}[/]" if record.levelno > logging.INFO else message, soft_wrap=True)

        @dg.logger
        def printing_logger(_: dg.InitLoggerContext) -> logging.Logger:
            logger = logging.Logger("load", logging.WARNING if console.is_terminal else logging.INFO)  # noqa: LOG001 (as any logger of Dagster, gone with its run)
            logger.addHandler(Printer())
            # here, for Dagster has put its own handlers of signals in place by now
            self._act_on_signals_between_steps()
            return logger

        return printing_logger

    @contextlib.contextmanager
    def shown(self) -> Iterator[None]:
        """Show the figures as they grow, from a thread, for the load keeps this one; without bars the log says them."""
        if not self._console.is_terminal:
            yield
            self._console.print()
            return
        ended = threading.Event()
        thread = threading.Thread(target=self._show_bars, args=(ended,), daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()

    def pages_read(self) -> dict[str, int]:
        """Return the number of pages read of each endpoint."""
        return {name: sum(walk.pages for walk in self._walks(name)) for name in self._readings}

    def _walks(self, name: str) -> list[OffsetWalk]:
        return [reading.pages.walk for reading in list(self._readings[name].values())]

    def _act_on_signals_between_steps(self) -> None:
        """Have a signal end the run at once where Dagster sleeps until a step is to be tried again.

        Dagster only notes it there, and acts on it when the step begins, half a minute later. It puts back what handled
        signals before when the run ends.
        """
        note = signal.getsignal(signal.SIGINT)

        def act(number: int, frame: FrameType | None) -> None:
            if frame and frame.f_code.co_name == _SLEEPS:
                self.was_stopped = True
                raise dg.DagsterExecutionInterruptedError
            if callable(note):
                note(number, frame)

        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                if number != signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN:
                    signal.signal(number, act)

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
                for name in list(self._readings):
                    if name not in bars:
                        bars[name] = progress.add_task(name, total=None, figures="")
                    if not progress.tasks[bars[name]].finished:
                        self._show(progress, bars[name], self._walks(name))
        self._console.print()

    def _show(self, progress: Progress, bar: TaskID, walks: list[OffsetWalk]) -> None:
        rows, pages = sum(walk.rows_read for walk in walks), sum(walk.pages for walk in walks)
        figures = walks[0].progress if len(walks) == 1 else f"{pages:,} pages, {rows:,} rows"
        read = sum(1 if walk.is_whole else walk.rows_read / (walk.total or math.inf) for walk in walks)
        # of how many rows is not known before the first page, and of some APIs never
        is_known = len(walks) > 1 or walks[0].is_whole or walks[0].total
        if pages:
            progress.update(bar, completed=read, total=self._windows if is_known else None, figures=figures)
