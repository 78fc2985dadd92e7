"""``make docs``: the data dictionary, written from the endpoint table.

What belongs here: what ``docs/data-dictionary.md`` says, and where it is. What a column means stands where it is
declared.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path

from dlt.common.schema.typing import TColumnSchema

from analytics_assets.ingest.endpoint import READ_AT, Column, Endpoint
from analytics_assets.ingest.settings import Settings
from analytics_assets.ingest.warehouse.comments import DESCRIPTIONS, DLT_COLUMNS, rejected_description
from analytics_assets.ingest.warehouse.destination import DATASET
from analytics_assets.ingest.warehouse.ledger import LEDGER, LEDGER_COLUMNS, REJECTED_COLUMNS
from analytics_assets.ingest.warehouse.restated import RESTATEMENT_COLUMNS, RESTATEMENTS
from analytics_assets.ingest.warehouse.views import VIEWS

DOCUMENT = Path(__file__).parents[2] / "docs" / "data-dictionary.md"

_INTRODUCTION = f"""\
# Data dictionary

<!-- Written by `make docs` from the endpoint table; a test fails when it is out of date. -->

The tables and views of the dataset `{DATASET}`, as they are where no setting changes an endpoint. DuckDB and PostgreSQL
have the same descriptions as comments on tables and columns; there they are those of your settings, and of columns that
nobody declared ([columns.md](columns.md)) too.

The types are dlt's: `text` is `VARCHAR`, `double` is `DOUBLE PRECISION`, `timestamp` is `TIMESTAMP WITH TIME ZONE`,
`json` is `JSON` in DuckDB and `jsonb` in PostgreSQL.
"""
_HOW = {
    "sum": "adds up, over rows and over days",
    "unique": "people, each counted once: never added up",
    "snapshot": "as it stood then: never added up, the latest counts",
}


def document(settings: Settings) -> str:
    """Return the dictionary of the endpoints that settings make."""
    endpoints = settings.resolved_endpoints
    parts = [_INTRODUCTION, _diagram(endpoints), *(_of_endpoint(endpoint, settings) for endpoint in endpoints)]
    dlts = [Column(name=name, data_type="text", description=text) for name, text in DLT_COLUMNS.items()]
    parts.append(f"## In each of these tables\n\n{_table(_plain([READ_AT, *dlts]))}")
    parts.append(_metrics(settings))
    beside = {LEDGER: LEDGER_COLUMNS, RESTATEMENTS: RESTATEMENT_COLUMNS}
    parts += [f"## {name}\n\n{DESCRIPTIONS[name]}.\n\n{_table(_hints(columns))}" for name, columns in beside.items()]
    rejected = rejected_description("an endpoint")
    parts.append(f"## &lt;endpoint&gt;__rejected\n\n{rejected}.\n\n{_table(_hints(REJECTED_COLUMNS))}")
    views = [(f"`{view.name}`", view.description) for view in VIEWS]
    parts.append(f"## Views\n\n{_rows(('view', 'what it shows'), views)}\n[exploring.md](exploring.md) has examples.\n")
    return "\n".join(parts)


def _diagram(endpoints: Iterable[Endpoint]) -> str:
    """Return the tables of the endpoints and how they belong together, for Mermaid."""
    lines = ["## How the tables belong together", "", "```mermaid", "erDiagram"]
    for endpoint in endpoints:
        references = [column for column in endpoint.columns if column.references]
        lines += [f'    {one.references} ||--o{{ {endpoint.name} : "{one.name}"' for one in references]
        if endpoint.measured:
            lines.append(f'    {endpoint.name} ||--o{{ {RESTATEMENTS} : "endpoint, id"')
    for endpoint in endpoints:
        columns = [f"        {column.data_type} {column.name}{_key(endpoint, column)}" for column in endpoint.columns]
        lines += [f"    {endpoint.name} {{", *columns, "    }"]
    columns = [f"        {column.get('data_type')} {column.get('name')}" for column in RESTATEMENT_COLUMNS]
    return "\n".join([*lines, f"    {RESTATEMENTS} {{", *columns, "    }", "```", ""])


def _key(endpoint: Endpoint, column: Column) -> str:
    keys = ["PK"] * (column.name in endpoint.merge_key) + ["FK"] * bool(column.references)
    return f" {', '.join(keys)}" if keys else ""


def _of_endpoint(endpoint: Endpoint, settings: Settings) -> str:
    keys = ", ".join(f"`{name}`" for name in endpoint.merge_key)
    about = f"Path `{endpoint.path}`, id {keys}, cursor {f'`{endpoint.cursor}`' if endpoint.cursor else 'none'}."
    alone = {column.name: settings.metrics.get(column.name) for column in endpoint.measured_alone}
    rows = [
        (name, data_type, null, f"{what}{f' (`{alone[column.name]}`)' if alone.get(column.name) else ''}")
        for column, (name, data_type, null, what) in zip(endpoint.columns, _plain(endpoint.columns), strict=True)
    ]
    return f"## {endpoint.name}\n\n{endpoint.description} {about}\n\n{_table(rows)}"


def _metrics(settings: Settings) -> str:
    rows = [(f"`{name}`", f"`{how}`", _HOW[how]) for name, how in settings.metrics.items()]
    head = "How their numbers add up, as the setting `metrics` has it; one that is not named there is never added up."
    return f"## Metrics\n\n{head}\n\n{_rows(('metric', 'adds up', 'which means'), rows)}"


def _plain(columns: Iterable[Column]) -> Iterator[tuple[str, str, str, str]]:
    for column in columns:
        refers = (
            f" &rarr; `{column.references}`"
            if column.references and column.references not in column.description
            else ""
        )
        yield f"`{column.name}`", column.data_type, "" if column.nullable else "never", f"{column.description}{refers}"


def _hints(columns: Iterable[TColumnSchema]) -> Iterator[tuple[str, str, str, str]]:
    for column in columns:
        null = "" if column.get("nullable", True) else "never"
        yield f"`{column.get('name')}`", str(column.get("data_type")), null, str(column.get("description"))


def _table(rows: Iterable[tuple[str, str, str, str]]) -> str:
    return _rows(("column", "type", "null", "what it is"), rows)


def _rows(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, ("---",) * len(head), *(tuple(map(_cell, row)) for row in rows)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;")


def main() -> None:
    """Write the document."""
    DOCUMENT.write_text(document(Settings()))


if __name__ == "__main__":
    main()
