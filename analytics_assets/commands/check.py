"""``make check``: whether the configured API and warehouse answer as the settings say, a line each."""

import sys

from analytics_assets.commands.answer import be_silent, print_answer
from analytics_assets.commands.ending import end, exit_code_of
from analytics_assets.commands.here import enter_project, refuse_arguments
from analytics_assets.ingest.warehouse.destination import settings_to_doubt
from analytics_assets.resources import AnalyticsApi

_HELP = """Ask each endpoint of the configured API a few questions, and the warehouse whether it can be written to."""


def main() -> int:
    """Check in the working directory, print the verdicts, and return the exit code: 0 when everything is fine."""
    return exit_code_of("check", _run)


def _run() -> bool:
    enter_project()
    be_silent()
    for sentence in settings_to_doubt():
        sys.stdout.write(f"{sentence}\n")
    verdicts = AnalyticsApi().check_connection()
    print_answer(str(verdict) for verdict in verdicts)
    return all(verdict.is_fine for verdict in verdicts)


if __name__ == "__main__":
    refuse_arguments("make check", _HELP)
    end(main())
