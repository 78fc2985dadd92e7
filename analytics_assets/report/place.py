"""Where the report is: beside the warehouse's file, as a name to print and an address to open."""

import os
from pathlib import Path

from dlt.common.runtime import run_context

_NAME = "insights_report.html"


def report_path() -> Path:
    """Return the report's file, which need not exist: in the folder where dlt puts a DuckDB file."""
    return Path(run_context.active().local_dir).resolve() / _NAME


def report_name() -> str:
    """Return the file as it is reached from the working directory."""
    return os.path.relpath(report_path())
