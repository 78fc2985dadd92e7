"""``make demo``: load the sandbox API into the configured warehouse through Dagster, and show what arrived.

It runs the project's own job on the instance of this folder, so ``make dev`` shows the run and its partitions
afterwards. What belongs here: the order of things, what the demo refuses, and failures in words. What it shows stands
in ``demo_watch.py``, ``demo_tables.py`` and ``demo_plot.py``; the made-up API is ``sandbox/``.
"""

import contextlib
import os
import sys
import time
from collections.abc import Iterator, Sequence
from typing import NoReturn
from urllib.parse import urlsplit

import dagster as dg
from dlt.common.destination.exceptions import DestinationException
from rich.console import Console
from rich.markup import escape

from analytics_assets.assets import LoadCancelledError
from analytics_assets.build import build_definitions
from analytics_assets.commands.demo_plot import print_plot
from analytics_assets.commands.demo_tables import (
    Place,
    configured_place,
    print_summary,
    print_tables,
    reach_by_day,
    table_contents,
)
from analytics_assets.commands.demo_watch import LoadWatch
from analytics_assets.commands.here import enter_project, refuse_arguments
from analytics_assets.ingest.configured import load_settings
from analytics_assets.ingest.errors import explain
from analytics_assets.ingest.settings import Settings
from analytics_assets.partitions import daily_partitions
from analytics_assets.sandbox.app import Sandbox
from analytics_assets.sandbox.server import SandboxServer

DAYS = 30

_HELP = f"""Load the last {DAYS} days of a sandbox API into the configured warehouse, through Dagster, and show what
arrived. It takes no arguments."""
_LOOPBACK = {"localhost", "127.0.0.1", "::1"}
_INTERRUPTED = 130
# during a load, and at other moments of a run
_INTERRUPTIONS = {LoadCancelledError.__name__, dg.DagsterExecutionInterruptedError.__name__}


class DemoError(Exception):
    """The demo cannot go on; the message is the one line that says why."""


def main(sandbox: Sandbox | None = None) -> int:
    """Run the demo in the working directory and return the exit code: 0 when everything arrived."""
    try:
        enter_project()
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


def run(sandbox: Sandbox | None = None) -> NoReturn:
    """Run the demo and end the process with its exit code.

    Not by ``sys.exit``: while Python takes the modules apart, DuckDB's binding writes 40 lines about types that it
    leaked, below the one line that says why the demo failed.
    """
    code = main(sandbox)
    sys.stderr.flush()
    os._exit(code)


def _point_at(server: SandboxServer) -> None:
    """Make this process load from the sandbox; raises ``DemoError`` where that would do harm."""
    configured = load_settings().base_url
    if configured != Settings().base_url and urlsplit(configured).hostname not in _LOOPBACK:
        raise DemoError(
            f"{configured} is configured, and made-up rows would mix with its own; unset it or use a fresh clone"
        )
    os.environ["ANALYTICS_API__BASE_URL"] = server.url
    os.environ["API_KEY"] = server.sandbox.shape.key


def _demo(console: Console, url: str) -> None:
    """Look, load, look again, and print the difference."""
    settings = load_settings()
    # the last one is today, which is not over
    days = daily_partitions(settings).get_partition_keys()[-DAYS - 1 : -1]
    before = table_contents(settings)
    began = time.monotonic()
    place = configured_place()
    console.print(f"Loading {len(days)} days, {days[0]} to {days[-1]}, of the sandbox API")
    console.print(f"at {url} through Dagster into [bold]{place.name}[/]\n")
    with dg.DagsterInstance.get() as instance:
        pages = _load(console, instance, days)
    seconds = time.monotonic() - began
    after = table_contents(settings)
    print_tables(console, before, after, pages)
    print_summary(console, place, before, after, seconds)
    print_plot(console, "Reach of all posts, day by day", reach_by_day(settings, days), days)
    _print_next_steps(console, place)


def _load(console: Console, instance: dg.DagsterInstance, days: Sequence[str]) -> dict[str, int]:
    """Run the job that loads every endpoint, over all days at once, and return the pages read of each."""
    watch = LoadWatch(console)
    defs = dg.Definitions.merge(
        # without the retries of a whole step: who watches a demo wants to know now
        build_definitions(resources={"analytics_api": watch.api()}, retry_policy=dg.RetryPolicy(max_retries=0)),
        dg.Definitions(loggers={"console": watch.logger()}),
    )
    with watch.shown():
        result = defs.resolve_job_def("load_all").execute_in_process(
            instance=instance,
            raise_on_error=False,
            run_config={"loggers": {"console": {"config": {"log_level": "WARNING"}}}},
            tags={"dagster/asset_partition_range_start": days[0], "dagster/asset_partition_range_end": days[-1]},
        )
    if not result.success:
        raise DemoError(_failure_in_words(result))
    return watch.pages_read()


def _failure_in_words(result: dg.ExecuteInProcessResult) -> str:
    """Return the first failed step's own message, and how many more there are; Ctrl-C is no failure and goes on."""
    failures = [event for event in result.all_events if event.is_step_failure]
    errors = [event.step_failure_data.error for event in failures]
    if any(error and error.cls_name in _INTERRUPTIONS for error in errors):
        raise KeyboardInterrupt
    messages = [_message(event) for event in failures]
    if not messages:
        return "the run did not finish"
    return messages[0] if len(messages) == 1 else f"{messages[0]} ({len(messages) - 1} more endpoints failed)"


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


def _print_next_steps(console: Console, place: Place) -> None:
    query = f"FROM {place.dataset}.stories"
    if place.duckdb_file:
        connection = f"duckdb.connect('{place.name}', read_only=True)"
        query = f"python -c \"import duckdb; {connection}.sql('{query}').show()\""
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
    refuse_arguments("make demo", _HELP)
    run()
