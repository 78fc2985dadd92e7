"""A load that somebody watches: through Dagster, with its progress, and with what it has changed in the warehouse.

What belongs here: what ``demo.py`` and ``load.py`` have in common. It is the project's own job on the instance of this
folder, so ``make dev`` shows the run and its partitions afterwards.
"""

import contextlib
import math
import os
import time
from collections.abc import Iterator, Sequence

import dagster as dg
from rich.console import Console
from rich.markup import escape

from analytics_assets.assets import SyncMode
from analytics_assets.build import build_definitions
from analytics_assets.commands.ending import CommandError
from analytics_assets.commands.first_start import open_history
from analytics_assets.commands.tables import Place, configured_place, print_summary, print_tables, table_contents
from analytics_assets.commands.watch import LoadWatch
from analytics_assets.failures import LoadCancelledError
from analytics_assets.ingest.settings import Settings

WHEN_STOPPED = "What has arrived stays, and running the load again does not change it."
# during a load, and at other moments of a run
_INTERRUPTIONS = {LoadCancelledError.__name__, dg.DagsterExecutionInterruptedError.__name__}


@contextlib.contextmanager
def open_console() -> Iterator[Console]:
    """Give a console on a copy of stdout, for Dagster captures the real one into a compute log during a step."""
    with open(os.dup(1), "w", encoding="utf-8", errors="replace") as out:  # noqa: PTH123 (a descriptor is no path)
        yield Console(file=out, highlight=False)


def load_and_show(
    console: Console, settings: Settings, days: Sequence[str] | None, headline: str, retry_policy: dg.RetryPolicy
) -> Place:
    """Load days, or all history (``None``), print what that has changed in each table, and return where these are.

    ``headline`` is printed at once, with "into" and the warehouse behind it. Raises ``CommandError`` where an endpoint
    was not loaded, and ``KeyboardInterrupt`` where the run was cancelled.
    """
    before, place = table_contents(settings), configured_place()
    console.print(f"{escape(headline)} into [bold]{escape(place.name)}[/]\n", soft_wrap=True)
    began = time.monotonic()
    pages = _load(console, settings, days, retry_policy)
    seconds = time.monotonic() - began
    after = table_contents(settings)
    print_tables(console, before, after, pages)
    print_summary(console, place, before, after, seconds)
    return place


def _load(
    console: Console, settings: Settings, days: Sequence[str] | None, retry_policy: dg.RetryPolicy
) -> dict[str, int]:
    """Run the job that loads every endpoint, over all days at once, and return the pages read of each."""
    watch = LoadWatch(console, math.ceil(len(days) / settings.max_window_days) if days else 1)
    defs = dg.Definitions.merge(
        build_definitions(resources={"analytics_api": watch.api()}, retry_policy=retry_policy),
        dg.Definitions(loggers={"console": watch.logger()}),
    )
    names = [endpoint.name for endpoint in settings.resolved_endpoints]
    full_refresh = {"config": {"sync_mode": SyncMode.full_refresh.value}}
    span = (
        {"dagster/asset_partition_range_start": days[0], "dagster/asset_partition_range_end": days[-1]} if days else {}
    )
    with open_history() as instance, watch.shown():
        result = defs.resolve_job_def("load_all").execute_in_process(
            instance=instance,
            raise_on_error=False,
            run_config={"loggers": {"console": {}}, "ops": {} if days else dict.fromkeys(names, full_refresh)},
            tags=span,
        )
    if watch.was_stopped:
        raise KeyboardInterrupt
    if not result.success:
        raise CommandError(_failure_in_words(result))
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
