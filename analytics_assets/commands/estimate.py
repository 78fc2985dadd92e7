"""``make estimate``: rows, requests and minutes of a backfill, a line for each endpoint."""

import os

from analytics_assets.commands.answer import be_silent, print_answer
from analytics_assets.commands.ending import end, exit_code_of
from analytics_assets.commands.here import enter_project, refuse_arguments
from analytics_assets.ingest.configured import load_settings
from analytics_assets.ingest.estimate import window_of_days
from analytics_assets.resources import AnalyticsApi

_HELP = """Say how many rows, requests and minutes a load from START to END would take (START=2025-01-01 END=2025-12-31;
without them, from the first day to yesterday)."""


def main() -> int:
    """Estimate in the working directory, print a line for each endpoint, and return the exit code."""
    return exit_code_of("estimate", _run)


def _run() -> bool:
    enter_project()
    be_silent()
    window = window_of_days(os.environ.get("START", ""), os.environ.get("END", ""), load_settings())
    print_answer(str(estimate) for estimate in AnalyticsApi().estimate(window))
    return True


if __name__ == "__main__":
    refuse_arguments("make estimate", _HELP)
    end(main())
