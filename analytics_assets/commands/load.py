"""``make load``: a day, a range of days or all history of the configured API, through Dagster, and what arrived.

What belongs here: which days are meant, and when nothing is started at all. The load itself is ``loading.py``.
"""

import os
from collections.abc import Sequence

from analytics_assets.assets import STEP_RETRIES
from analytics_assets.commands.ending import CommandError, end, exit_code_of
from analytics_assets.commands.here import enter_project, refuse_arguments
from analytics_assets.commands.loading import WHEN_STOPPED, load_and_show, open_console
from analytics_assets.ingest.configured import load_settings
from analytics_assets.ingest.estimate import day_named
from analytics_assets.ingest.key import load_key
from analytics_assets.ingest.settings import Settings
from analytics_assets.partitions import daily_partitions

_HELP = """Load a day (DAY=2025-01-03), a range of days (with TO=2025-02-05 beside it) or all history (FULL=1) from the
configured API into the configured warehouse, through Dagster, and show what arrived."""


def main() -> int:
    """Load in the working directory and return the exit code: 0 when everything arrived."""
    return exit_code_of("load", _run, WHEN_STOPPED)


def _run() -> bool:
    enter_project()
    settings = load_settings()
    days = days_to_load(os.environ.get("DAY", ""), os.environ.get("TO", ""), os.environ.get("FULL", ""), settings)
    if settings.base_url == Settings().base_url:
        raise CommandError("no API is configured: set base_url as README.md says, or try make demo, which brings one")
    # it is read again in the run, where four endpoints would miss it one by one
    load_key(settings)
    what = (
        " to ".join(dict.fromkeys((days[0], days[-1])))
        if days
        else "all history, which replaces the tables (what expires stays),"
    )
    with open_console() as console:
        load_and_show(console, settings, days, f"Loading {what} from {settings.base_url}", STEP_RETRIES)
    return True


def days_to_load(day: str, to: str, full: str, settings: Settings) -> list[str] | None:
    """Return the partitions that DAY, TO and FULL mean; ``None`` is all history.

    Raises ``SettingError`` or ``CommandError``, in one sentence, where they mean none.
    """
    if full:
        if day or to:
            raise CommandError("FULL=1 loads all history, so DAY and TO have no meaning beside it: leave them out")
        return None
    if not day:
        raise CommandError("no day is given: add DAY=2025-01-03, and TO=2025-02-05 for a range, or FULL=1 for all")
    known = daily_partitions(settings).get_partition_keys()
    first = _partition("DAY", day, known)
    last = _partition("TO", to, known) if to else first
    if last < first:
        raise CommandError(f"TO {last} is before DAY {first}")
    return list(known[known.index(first) : known.index(last) + 1])


def _partition(name: str, text: str, known: Sequence[str]) -> str:
    day = day_named(name, text).isoformat()
    if day < known[0]:
        raise CommandError(f"{name} {day} is before the first day, {known[0]} (the setting start_date)")
    if day > known[-1]:
        raise CommandError(f"{name} {day} is in the future; the last day is today, {known[-1]}")
    return day


if __name__ == "__main__":
    refuse_arguments("make load", _HELP)
    end(main())
