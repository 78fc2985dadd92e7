"""How the rows of a load get into the table that is there: by id, or in place of everything."""

from dlt.common.schema.typing import TWriteDispositionConfig

_ALL = "1 = 1"
# Deletes and inserts in one transaction. dlt's "replace" truncates first, and keeps two rows with one id.
# Both conditions are always given: one that is left out would be as the last load has stored it in dlt's schema.
REPLACE: TWriteDispositionConfig = {
    "disposition": "merge",
    "strategy": "delete-insert",
    "source_filter": _ALL,
    "destination_scope": _ALL,
}


def merge_by_id(merge_key: str, held: str, came: str, updated: str | None) -> TWriteDispositionConfig:
    """Return the merge that replaces rows by id, but passes over those that the table holds in a newer state.

    An older backfill must not undo them. ``merge_key`` and ``updated`` (``None``: the rows have no such column) are
    escaped columns, ``held`` and ``came`` the tables that hold the rows and that they came in.

    Which rows of the table are deleted is always said, also where it is what dlt does anyway: dlt keeps the last
    load's hints in its schema, and after a full refresh these say that all are.
    """
    wanted = _ALL
    if updated is not None:
        newest = f"SELECT {merge_key}, MAX({updated}) AS {updated} FROM {came} GROUP BY {merge_key}"
        newer = (
            f"SELECT held.{merge_key} FROM {held} AS held JOIN ({newest}) AS came "
            f"ON held.{merge_key} = came.{merge_key} WHERE held.{updated} > came.{updated}"
        )
        wanted = f"{merge_key} NOT IN ({newer})"
    return {
        "disposition": "merge",
        "strategy": "delete-insert",
        "source_filter": wanted,
        "destination_scope": f"{merge_key} IN (SELECT {merge_key} FROM {{staging_table}} WHERE {wanted})",
    }
