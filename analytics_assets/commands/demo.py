"""``make demo``: load the sandbox API into the configured warehouse through Dagster, and show what arrived.

What belongs here: where the made-up API comes from, when the demo refuses to load, and what it shows of its own. The
load itself is ``loading.py``; the made-up API is ``sandbox/``.
"""

import os
from typing import NoReturn
from urllib.parse import urlsplit

import dagster as dg
from rich.console import Console
from rich.markup import escape

from analytics_assets.commands.demo_plot import print_plot
from analytics_assets.commands.ending import CommandError, end, exit_code_of
from analytics_assets.commands.here import enter_project, refuse_arguments
from analytics_assets.commands.loading import WHEN_STOPPED, load_and_show, open_console
from analytics_assets.commands.tables import Place, summed_by_day
from analytics_assets.ingest.configured import load_settings
from analytics_assets.ingest.settings import Settings
from analytics_assets.partitions import daily_partitions
from analytics_assets.report.place import report_name, report_path
from analytics_assets.sandbox.app import Sandbox
from analytics_assets.sandbox.dialect import sandbox_of
from analytics_assets.sandbox.server import SandboxServer

DAYS = 30

_HELP = f"""Load the last {DAYS} days of a sandbox API into the configured warehouse, through Dagster, and show what
arrived. It takes no arguments."""
_LOOPBACK = {"localhost", "127.0.0.1", "::1"}


def main(sandbox: Sandbox | None = None) -> int:
    """Run the demo in the working directory and return the exit code: 0 when everything arrived."""
    return exit_code_of("demo", lambda: _run(sandbox), WHEN_STOPPED)


def run(sandbox: Sandbox | None = None) -> NoReturn:
    """Run the demo and end the process with its exit code."""
    end(main(sandbox))


def _run(sandbox: Sandbox | None) -> bool:
    enter_project()
    with open_console() as console, SandboxServer(sandbox or _sandbox()) as server:
        _point_at(server)
        _demo(console, server.url)
    return True


def _sandbox() -> Sandbox:
    try:
        return sandbox_of(load_settings())
    except ValueError as error:
        raise CommandError(f"the demo speaks as the settings say, and {error}; run it in a fresh clone") from None


def _point_at(server: SandboxServer) -> None:
    """Make this process load from the sandbox; raises ``CommandError`` where that would do harm."""
    configured = load_settings().base_url
    if configured != Settings().base_url and urlsplit(configured).hostname not in _LOOPBACK:
        raise CommandError(
            f"{configured} is configured, and made-up rows would mix with its own; unset base_url, or run the demo in "
            "a fresh clone"
        )
    os.environ["ANALYTICS_API__BASE_URL"] = server.url
    os.environ["API_KEY"] = server.sandbox.shape.key


def _demo(console: Console, url: str) -> None:
    """Load, and print what that has changed, with a plot and what to do next."""
    settings = load_settings()
    # the last one is today, which is not over
    days = daily_partitions(settings).get_partition_keys()[-DAYS - 1 : -1]
    headline = f"Loading {len(days)} days, {days[0]} to {days[-1]}, of the sandbox API\nat {url} through Dagster"
    # without the retries of a whole step: who watches a demo wants to know now
    place = load_and_show(console, settings, days, headline, dg.RetryPolicy(max_retries=0))
    if summed := summed_by_day(settings, days):
        print_plot(console, *summed, days)
    _print_next_steps(console, place)


def _print_next_steps(console: Console, place: Place) -> None:
    query = f"FROM {place.dataset}.stories"
    if place.duckdb_file:
        connection = f"duckdb.connect('{place.name}', read_only=True)"
        query = f"python -c \"import duckdb; {connection}.sql('{query}').show()\""
    console.print("[bold]What to do next[/]")
    console.print("  make dev   opens Dagster's UI on this run, its partitions and their metadata")
    console.print("  Look into the tables, with .venv activated:")
    console.print(f"    {escape(query)}", soft_wrap=True)
    console.print("  README.md says how to point it at your vendor and at another warehouse")
    if (report := report_path()).is_file():
        # where a terminal knows links, the name is one
        console.print(f"  The report: [link={report.as_uri()}]{escape(report_name())}[/]", soft_wrap=True)


if __name__ == "__main__":
    refuse_arguments("make demo", _HELP)
    run()
