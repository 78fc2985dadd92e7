"""``make report``: the report, written from what is in the warehouse, without a run."""

import sys

from analytics_assets.commands.ending import end, exit_code_of
from analytics_assets.commands.here import enter_project, refuse_arguments
from analytics_assets.ingest.configured import load_settings
from analytics_assets.report.contents import read_contents
from analytics_assets.report.headline import headline
from analytics_assets.report.page import page_of, write_page
from analytics_assets.report.place import report_name, report_path

_HELP = """Write insights_report.html from what is in the configured warehouse. Nothing is loaded."""


def main() -> int:
    """Write the report in the working directory, print whether all is there, and return the exit code."""
    return exit_code_of("report", _run)


def _run() -> bool:
    enter_project()
    contents = read_contents(load_settings())
    write_page(page_of(contents), report_path())
    told = headline(contents)
    sys.stdout.write("\n".join([told.text, *(f"  {gap}" for gap in told.gaps), f"The report: {report_name()}\n"]))
    return True


if __name__ == "__main__":
    refuse_arguments("make report", _HELP)
    end(main())
