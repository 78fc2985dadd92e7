"""The layout that a table has: a number that goes with it, as a hint in the schema that dlt stores.

1, which nothing says, is what the first version has made. 2 has, beside that: when the answer with a row came, the
number in a value, the rows that were set aside as text, and in the ledger the page size, where the API asked for less,
what was restated and which fields were new. A load brings the tables up that it writes to: it adds the columns, and
widens those that have another type by now.
"""

import json
from collections.abc import Iterable
from typing import Any, cast

from dlt.common.destination.client import WithStateSync
from dlt.common.schema import Schema
from dlt.common.schema.typing import TTableSchema
from dlt.destinations.exceptions import DatabaseUndefinedRelation
from dlt.extract import DltResource

from analytics_assets.ingest.errors import ApiError

LAYOUT = 2
"""To be raised where what has been written by then would be misunderstood by the version before."""
LAYOUT_HINT = "x-analytics-layout"


class NewerLayoutError(ApiError):
    """A table has a layout that this version does not know: nothing may be written to it."""


def carry_layout(resources: Iterable[DltResource]) -> None:
    """Have the tables of resources carry the layout."""
    for resource in resources:
        resource.apply_hints(additional_table_hints={LAYOUT_HINT: LAYOUT})


def with_layout(table: TTableSchema) -> TTableSchema:
    """Return a table that carries the layout."""
    # dlt's TypedDict knows only its own hints
    hinted: Any = {**table, LAYOUT_HINT: LAYOUT}
    return cast("TTableSchema", hinted)


def stored_schema(client: WithStateSync, name: str) -> Schema | None:
    """Return the schema of that name that the last load has stored; ``None`` where none is."""
    try:
        # dlt returns `None` where it has stored none
        stored = getattr(client.get_stored_schema(name), "schema", None)
    except DatabaseUndefinedRelation:
        return None
    return Schema.from_stored_schema(json.loads(stored)) if stored else None


def refuse_newer(schema: Schema) -> None:
    """Raise ``NewerLayoutError`` where a newer version has made a table of the schema."""
    for name, table in schema.tables.items():
        layout = table.get(LAYOUT_HINT, 1)
        if isinstance(layout, int) and layout > LAYOUT:
            what = f"{name} has layout {layout}, and this version of the project knows {LAYOUT}: a newer one made it"
            how = "Install that one, or load into another warehouse"
            raise NewerLayoutError("setting", f"setting: {what}. {how}")
