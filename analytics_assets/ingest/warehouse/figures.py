"""What a table holds, in figures that two databases give alike: by day, how many values and rows, sums, least and most.

They prove that a table that was moved is the one that it was.
"""

import datetime as dt
import math
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

from dlt.destinations.sql_client import SqlClientBase

Figures = Mapping[dt.date | None, Sequence[Any]]
"""By day (UTC), or ``None`` for rows of no day, the values of the figures that ``names_of`` names."""

# Two databases add up doubles in another order, and so may differ in the last digits. What is above and what is below
# zero is summed apart, for where they cancel out the last digits would be all there is.
_ALIKE = 1e-9
# Doubles beyond it are left out of sums, which they could overflow; they are counted, and the least and the most of
# them are compared.
_SUMMED = "1e290"


def names_of(columns: Mapping[str, str]) -> list[str]:
    """Return what the figures of a table are, in words; ``columns`` are its columns with dlt's data types."""
    return [name for name, _ in _figures(columns, dict.fromkeys(columns, ""))]


def figures(client: SqlClientBase[Any], table: str, columns: Mapping[str, str], moment: str | None) -> Figures:
    """Return the figures of a table; ``moment`` is the column that says of which day a row is."""
    escaped = {name: client.escape_column_name(name) for name in columns}
    day = f"CAST({escaped[moment]} AT TIME ZONE 'UTC' AS DATE)" if moment else "CAST(NULL AS DATE)"
    asked = ", ".join(expression for _, expression in _figures(columns, escaped))
    query = f"SELECT {day} AS of_day, {asked} FROM {client.make_qualified_table_name(table)} GROUP BY 1"
    return {row[0]: tuple(row[1:]) for row in client.execute_sql(query) or []}


def difference(columns: Mapping[str, str], one: Figures, other: Figures) -> str | None:
    """Say in which figure two tables differ first; ``None`` where they are alike."""
    names = names_of(columns)
    nothing = [0] * len(names)
    for day in sorted({*one, *other}, key=str):
        for name, left, right in zip(names, one.get(day, nothing), other.get(day, nothing), strict=True):
            if not _are_alike(left, right, _ALIKE if name.startswith("sum") else 0):
                return f"{name} {f'of {day}' if day else 'of no day'}: {left} there, {right} here"
    return None


def _figures(columns: Mapping[str, str], escaped: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    yield "rows", "COUNT(*)"
    for name, data_type in columns.items():
        column = escaped[name]
        yield f"values of {name}", f"COUNT({column})"
        if data_type in {"bigint", "decimal", "wei"}:
            yield f"sum of {name}", f"SUM({column})"
        if data_type == "double":
            for place, least, most in (("above", "0", _SUMMED), ("below", f"-{_SUMMED}", "0")):
                summed = f"SUM(CASE WHEN {column} > {least} AND {column} < {most} THEN {column} END)"
                yield f"sum of {name} {place} 0", summed
        if data_type == "bool":
            yield f"times that {name} is true", f"SUM(CASE WHEN {column} THEN 1 ELSE 0 END)"
        if data_type == "text":
            yield f"characters of {name}", f"SUM(LENGTH({column}))"
        if data_type in {"bigint", "decimal", "wei", "double", "timestamp", "date", "time"}:
            yield f"least {name}", f"MIN({column})"
            yield f"most {name}", f"MAX({column})"


def _are_alike(one: object, other: object, tolerance: float) -> bool:
    if isinstance(one, float) and isinstance(other, float):
        is_nan = math.isnan(one) and math.isnan(other)
        return is_nan or math.isclose(one, other, rel_tol=tolerance)
    if isinstance(one, int | Decimal) and isinstance(other, int | Decimal):
        return Decimal(one) == Decimal(other)
    return one == other
