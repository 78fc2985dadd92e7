"""What the warehouse holds: where it is, the queries that ask it, and the table and lines printed of them.

What belongs here: everything that opens the warehouse, always to read. How a load gets there is ``loading.py``.
"""

import datetime as dt
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from dlt.destinations.exceptions import DatabaseUndefinedRelation
from rich import box
from rich.console import Console
from rich.table import Table

from analytics_assets.ingest.opening import open_warehouse, read_warehouse
from analytics_assets.ingest.settings import Settings
from analytics_assets.ingest.warehouse.view import Tables


@dataclass(frozen=True)
class Place:
    """Where the tables are: a name to print, the dataset they are in, and the file where DuckDB keeps them in one."""

    name: str
    dataset: str
    duckdb_file: Path | None


@dataclass(frozen=True)
class TableContents:
    """What one table holds: its rows, and the UTC days of its first and last one."""

    rows: int = 0
    first_day: dt.date | None = None
    last_day: dt.date | None = None


def configured_place() -> Place:
    """Return the warehouse that the config names; a file is called as it is reached from the working directory."""
    with open_warehouse() as warehouse:
        if warehouse.kind != "duckdb":
            return Place(warehouse.location, warehouse.dataset, None)
        return Place(os.path.relpath(warehouse.database), warehouse.dataset, Path(warehouse.database))


def table_contents(settings: Settings) -> dict[str, TableContents]:
    """Ask the warehouse what each endpoint's table holds; a table that is not there holds nothing."""
    contents = {}
    with read_warehouse() as client:
        tables = Tables(client, settings)
        for endpoint in settings.resolved_endpoints:
            cursor, table = tables.column(endpoint.cursor) if endpoint.cursor else "NULL", tables.table(endpoint.name)
            try:
                found = client.execute_sql(f"SELECT count(*), min({cursor}), max({cursor}) FROM {table}")  # noqa: S608 (names are escaped)
            except DatabaseUndefinedRelation:
                contents[endpoint.name] = TableContents()
                continue
            rows, *edges = (found or [(0, None, None)])[0]
            days = (edge.astimezone(dt.UTC).date() if edge else None for edge in edges)
            contents[endpoint.name] = TableContents(rows, *days)
    return contents


def summed_by_day(settings: Settings, days: Sequence[str]) -> tuple[str, dict[str, float]] | None:
    """Return what may be added up over all rows of a day, and by day how much it was; ``None`` where there is nothing.

    Of the first endpoint that has any, it is the metric with the largest sum.
    """
    query = (
        "SELECT endpoint, metric, period, day, number FROM insights_daily "
        "WHERE adds_up = 'sum' AND number IS NOT NULL AND day >= %s AND day <= %s"
    )
    with read_warehouse() as client:
        try:
            rows = client.execute_sql(query, *(dt.date.fromisoformat(days[edge]) for edge in (0, -1))) or []
        except DatabaseUndefinedRelation:
            return None
    # the view is as the last load has made it
    places = {endpoint.name: place for place, endpoint in enumerate(settings.resolved_endpoints)}
    sums: dict[tuple[int, str], dict[str, float]] = {}
    for endpoint, metric, period, day, number in rows:
        title = f"{metric}{f' ({period})' if period else ''} of {endpoint}, added up day by day"
        sums.setdefault((places.get(endpoint, len(places)), title), dict.fromkeys(days, 0.0))[str(day)] = number
    first = min((place for place, _ in sums), default=None)
    of_first = [(sum(by_day.values()), title, by_day) for (place, title), by_day in sums.items() if place == first]
    return max(of_first)[1:] if of_first else None


def print_tables(
    console: Console, before: dict[str, TableContents], after: dict[str, TableContents], pages: dict[str, int]
) -> None:
    """Print a line for each table: its rows, how many of them are new, and the pages that were read for it."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("Table", style="bold")
    for name in ("Rows", "New rows", "Pages read"):
        table.add_column(name, justify="right")
    table.add_column("First day")
    table.add_column("Last day")
    for name, now in after.items():
        figures = (now.rows, now.rows - before[name].rows, pages.get(name, 0))
        table.add_row(name, *(f"{figure:,}" for figure in figures), str(now.first_day or "-"), str(now.last_day or "-"))
    console.print(table)


def print_summary(
    console: Console,
    place: Place,
    before: dict[str, TableContents],
    after: dict[str, TableContents],
    seconds: float,
) -> None:
    """Print how much there is, where, and how many rows are new."""
    rows = sum(table.rows for table in after.values())
    new = rows - sum(table.rows for table in before.values())
    file = place.duckdb_file
    size = f", {file.stat().st_size / 1e6:.1f} MB" if file and file.is_file() else ""
    console.print(f"{rows:,} rows in [bold]{place.name}[/]{size}; loading took {seconds:.1f} s")
    if new < 0:
        console.print(f"[bold]{_are(-new)} gone[/]: the API no longer has them\n")
    elif new:
        console.print(f"[bold]{_are(new)} new[/]\n")
    else:
        console.print("[bold]No new rows[/]: all of them were there already\n")


def _are(rows: int) -> str:
    return "1 row is" if rows == 1 else f"{rows:,} rows are"
