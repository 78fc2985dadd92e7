"""Compares, before a load and under the writer's lock, the columns of the load with those that the table has by now.

Rows are read without the lock, by the columns that the table had then. Another run may have added some meanwhile, or
given a field another type. Where a value would be changed by going into its column, nothing is loaded.
"""

import logging
from collections.abc import Mapping
from typing import Any

from dlt.common.schema import Schema
from dlt.common.schema.typing import TColumnSchema
from dlt.destinations.exceptions import DatabaseException
from dlt.destinations.job_client_impl import SqlJobClientBase

from analytics_assets.ingest.errors import ApiError
from analytics_assets.ingest.table.extra import COMPUTED_HINT, FIELD_HINT, KEEPS_TYPE_HINT
from analytics_assets.ingest.table.values import EXACT_IN_DOUBLE
from analytics_assets.ingest.warehouse.lake import LakeClient
from analytics_assets.ingest.warehouse.layout_version import stored_schema
from analytics_assets.ingest.warehouse.views import views_aside

# every value of the first is one of the second
_WIDER = {("bigint", "double"), ("json", "text")}


class Evolution:
    """The columns of some tables: those of ``schema``, which the load was read with, and those of the warehouse.

    ``undeclared`` are the tables, each with the columns whose types the rows decide.
    """

    def __init__(
        self,
        client: SqlJobClientBase | LakeClient,
        schema: Schema,
        undeclared: Mapping[str, set[str]],
        log: logging.Logger,
    ) -> None:
        self._client = client
        self._schema = schema
        self._undeclared = undeclared
        self._log = log
        self.adds_columns = False
        """Whether the load brings columns that the tables do not have."""

    def settle(self, *, has_exact_types: bool) -> Schema | None:
        """Make the load fit the tables, and the tables wide enough for it.

        Where it does not fit, return the schema to read the window with again. Else ``schema`` takes on what other runs
        have added. ``has_exact_types`` says that dlt knows a column's type from what the database calls it. Raises
        ``ApiError`` (setting) for a declared column that the table has in another type.
        """
        stored = stored_schema(self._client, self._schema.name)
        held = (
            dict(self._client.get_storage_tables(self._undeclared))
            if has_exact_types and isinstance(self._client, SqlJobClientBase)
            else {}
        )
        again = stored.clone() if stored else self._schema.clone()
        fits = True
        for table in self._undeclared:
            columns = self._schema.tables[table]["columns"] if table in self._schema.tables else {}
            known = again.tables[table]["columns"] if table in again.tables else {}
            for name, column in columns.items():
                there = held.get(table, {}).get(name) if has_exact_types else known.get(name) if stored else None
                self.adds_columns |= not there
                if there and not self._settle_column(table, column, there, known.get(name, {"name": name})):
                    fits = False
        if not fits:
            return again
        if stored is not None:
            self._take_on(stored)
        return None

    def _settle_column(self, table: str, ours: TColumnSchema, there: TColumnSchema, known: TColumnSchema) -> bool:
        """Say whether our values can go into the column that is there; else ``known`` says what it holds."""
        has, wants = there.get("data_type"), ours.get("data_type")
        name = str(ours.get("name"))
        if COMPUTED_HINT in ours and FIELD_HINT in known and COMPUTED_HINT not in known:
            what = f"{table}.{name} is computed by this project, and the table has a field of the API under that name"
            place = self._client.sql_client.make_qualified_table_name(table)
            advice = f"rename it: ALTER TABLE {place} RENAME COLUMN {name} TO {name}_as_sent"
            raise ApiError("setting", f"setting: {what}: {advice}")
        # two runs at once may have given one name to two fields
        is_same_field = FIELD_HINT not in known or known.get(FIELD_HINT) == ours.get(FIELD_HINT, known.get(FIELD_HINT))
        if (has == wants or wants is None) and is_same_field:
            return True
        if (has, wants) in _WIDER and is_same_field and self._widen(table, name, ours):
            return True
        if name not in self._undeclared[table]:
            what = f"{table}.{name} is declared {wants}, but the table in the warehouse has it as {has}"
            raise ApiError("setting", f"setting: {what}: change the column there, or declare it with that type")
        hints: dict[str, Any] = known  # type: ignore[assignment] # dlt's TypedDict knows only its own hints
        hints["data_type"] = has
        if (has, wants) == ("bigint", "double"):
            hints[KEEPS_TYPE_HINT] = True
        return False

    def _widen(self, table: str, name: str, column: TColumnSchema) -> bool:
        """Give the table's column the wider type, unless that would change a value that it holds, or is not allowed."""
        if isinstance(self._client, LakeClient):
            # JSON is text there; other types stay
            return column.get("data_type") == "text"
        client = self._client.sql_client
        qualified, escaped = client.make_qualified_table_name(table), client.escape_column_name(name)
        if column.get("data_type") == "double":
            edge = EXACT_IN_DOUBLE
            query = f"SELECT COUNT(*) FROM {qualified} WHERE {escaped} > {edge} OR {escaped} < -{edge}"
            if (client.execute_sql(query) or [(0,)])[0][0]:
                return False
        wider = self._client.type_mapper.to_destination_type(column, self._client.prepare_load_table(table))
        try:
            with views_aside(client):
                client.execute_sql(f"ALTER TABLE {qualified} ALTER COLUMN {escaped} SET DATA TYPE {wider}")
        except DatabaseException as error:
            self._log.warning("%s.%s stays as it is: %s", table, name, error)
            return False
        self._log.info("%s.%s is %s from now on", table, name, wider)
        return True

    def _take_on(self, stored: Schema) -> None:
        """Give our schema what others have stored meanwhile; dlt would store ours without it."""
        for name, table in stored.tables.items():
            if name not in self._undeclared or name not in self._schema.tables:
                self._schema.update_table(table, normalize_identifiers=False)
                continue
            ours = self._schema.tables[name]["columns"]
            missing = {column: hint for column, hint in table["columns"].items() if column not in ours}
            if missing:
                self._schema.update_table({"name": name, "columns": missing}, normalize_identifiers=False)
