"""How the rows of a load get into the table that is there: by id, or in place of everything."""

from dlt.common.schema.typing import TWriteDispositionConfig

_ALL = "1 = 1"
# Deletes and inserts in one transaction. dlt's "replace" truncates first, and keeps two rows with one id.
# Both conditions are always given: one that is left out stays as the last run stored it in the warehouse.
REPLACE: TWriteDispositionConfig = {
    "disposition": "merge",
    "strategy": "delete-insert",
    "source_filter": _ALL,
    "destination_scope": _ALL,
}


def merge_by_id(key: str, held: str, came: str, updated: str | None) -> TWriteDispositionConfig:
    """Return the merge that replaces rows by id, but passes over those that the table holds in a newer state.

    An older backfill must not undo them. ``key`` and ``updated`` (``None``: the rows have no such column) are escaped
    columns, ``held`` and ``came`` the tables that hold the rows and that they came in. What is deleted is said in full,
    for a full refresh may have stored "everything".
    """
    wanted = _ALL
    if updated is not None:
        newest = f"SELECT {key}, MAX({updated}) AS {updated} FROM {came} GROUP BY {key}"
        newer = (
            f"SELECT held.{key} FROM {held} AS held JOIN ({newest}) AS came ON held.{key} = came.{key} "
            f"WHERE held.{updated} > came.{updated}"
        )
        wanted = f"{key} NOT IN ({newer})"
    return {
        "disposition": "merge",
        "strategy": "delete-insert",
        "source_filter": wanted,
        "destination_scope": f"{key} IN (SELECT {key} FROM {{staging_table}} WHERE {wanted})",
    }
