"""``make move``: all that a DuckDB file holds, with its history, into the PostgreSQL that is configured."""

import logging
import os
import sys
from pathlib import Path

from analytics_assets.commands.ending import CommandError, end, exit_code_of
from analytics_assets.commands.here import enter_project, refuse_arguments
from analytics_assets.ingest.configured import load_settings
from analytics_assets.ingest.opening import open_duckdb_warehouse, open_warehouse
from analytics_assets.ingest.warehouse.move import Moved, move

_HELP = """Copy all tables of a DuckDB file (FROM=warehouse.duckdb) into the configured PostgreSQL, ledger and history
included, and prove that counts and sums of each day are the same there. The file stays as it is."""
_FILE = "warehouse.duckdb"
_LOG = logging.getLogger("analytics_assets")


def main() -> int:
    """Move in the working directory and return the exit code: 0 when everything is there, and proven."""
    return exit_code_of("move", _run, "Nothing was moved.")


def _run() -> bool:
    enter_project()
    settings, path = load_settings(), Path(os.environ.get("FROM") or _FILE)
    if not path.is_file():
        raise CommandError(f"there is no file {path.name} to move from: add FROM=, the path of a DuckDB file")
    with open_warehouse() as target:
        if target.kind != "postgres":
            what = f"the configured warehouse is {target.location}, and what is moved goes into PostgreSQL"
            raise CommandError(f"{what}: set destination_type and the credentials first, as README.md says")
        with open_duckdb_warehouse(path) as source:
            moved = move(source, target, settings, _LOG)
        sys.stdout.writelines(f"{line}\n" for line in _lines(moved, source.location, target.location))
    return True


def _lines(moved: Moved, source: str, target: str) -> list[str]:
    width = max(map(len, moved.tables))
    lines = [
        f"{table:<{width}}  {rows:>12,} rows of {days:>5,} days: the same in both"
        for table, (rows, days) in moved.tables.items()
    ]
    lines += [f"{table:<{width}}  stays behind, for no load has made it" for table in moved.left]
    rows = sum(rows for rows, _ in moved.tables.values())
    return [*lines, f"Moved {rows:,} rows from {source} to {target}. The file is as it was."]


if __name__ == "__main__":
    refuse_arguments("make move", _HELP)
    end(main())
