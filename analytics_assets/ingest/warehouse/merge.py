"""How the rows of a load get into the table: the newer state of a row wins, whichever is loaded last."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

from dlt.common.schema.typing import C_DLT_ID, TWriteDispositionConfig

from analytics_assets.ingest.endpoint import READ_AT


def newer_wins(
    *, merge_key: Sequence[str], held: str, came: str, restated_by: str | None, gone: str | None
) -> TWriteDispositionConfig:
    """Return the merge of the rows in the table ``came`` into the table ``held``; columns are escaped for SQL.

    Of two states of a row the newer one is kept: by ``restated_by`` (``None``: the rows have no such column) where both
    have it and it differs, else by the moment at which they were read. So an older backfill, or a load that read first
    and commits last, undoes nothing.

    ``gone`` is the condition on rows of the table that are gone where they have not come again; ``None`` where a window
    was read, which says nothing of others.

    Deletes and inserts are in one transaction, in this order. All is always said: dlt keeps the last load's hints in
    its schema, and what one kind of load left out would be as another had it.
    """
    pairs = pairs_of(merge_key, held, came, restated_by)
    # their keys say no more, but an index finds rows by them
    by_key = [f"{key} IN (SELECT {key} FROM {came})" for key in merge_key]
    replaced = " AND ".join([*by_key, f"{C_DLT_ID} IN (SELECT held.{C_DLT_ID} {pairs})"])
    if gone:
        replaced = f"({gone}) OR {replaced}"
    return {
        "disposition": "merge",
        "strategy": "delete-insert",
        # dlt's own choice among rows with one id would be another than that of the filter
        "deduplicated": True,
        "source_filter": f"{C_DLT_ID} IN (SELECT came.{C_DLT_ID} {pairs})",
        "destination_scope": replaced,
    }


def pairs_of(merge_key: Sequence[str], held: str, came: str, restated_by: str | None, more: Sequence[str] = ()) -> str:
    """Return the rows that came and are to stay, each beside the one with its id that the table holds, if any.

    They are called ``came`` and ``held``, and of those that came there are ``more`` columns.
    """
    columns = [C_DLT_ID, READ_AT.name, *merge_key]
    newest = f"{READ_AT.name} DESC"
    is_newer = f"WHEN held.{READ_AT.name} > came.{READ_AT.name} THEN 1 ELSE 0"
    if restated_by:
        columns.append(restated_by)
        # warehouses differ in where they sort null
        newest = f"CASE WHEN {restated_by} IS NULL THEN 1 ELSE 0 END, {restated_by} DESC, {newest}"
        compared = (
            f"WHEN held.{restated_by} {sign} came.{restated_by} THEN {is_it}" for sign, is_it in ((">", 1), ("<", 0))
        )
        is_newer = " ".join([*compared, is_newer])
    chosen = ", ".join(dict.fromkeys([*columns, *more]))
    numbered = f"ROW_NUMBER() OVER (PARTITION BY {', '.join(merge_key)} ORDER BY {newest}) AS nth"
    same = " AND ".join(f"held.{key} = came.{key}" for key in merge_key)
    return (
        f"FROM (SELECT {chosen}, {numbered} FROM {came}) AS came "
        f"LEFT JOIN {held} AS held ON {same} WHERE came.nth = 1 AND CASE {is_newer} END = 0"
    )


@dataclass(frozen=True, kw_only=True)
class Newest:
    """How rows get into a Delta table: of two states of a row the newer one is kept."""

    key: Sequence[str]
    """Columns that tell rows apart."""
    restated_by: str | None = None
    """Column that says how new a state is; ``None``, or where it says nothing: when the row was read."""
    gone_before: dt.datetime | None = None
    """Rows that were read before it and have not come again are deleted; ``None`` where a window was read."""

    @property
    def same(self) -> str:
        """The condition that two rows are one."""
        return " AND ".join(f'target."{name}" = source."{name}"' for name in self.key)

    def gone(self, moment: str, row: str = "") -> str:
        """Return the condition on rows that are gone; ``moment`` is a format for the moment in a kind of SQL."""
        if self.gone_before is None:
            return "FALSE"
        read_at = row + READ_AT.name
        return f"({read_at} IS NULL OR {read_at} < {moment.format(self.gone_before.astimezone(dt.UTC).isoformat())})"
