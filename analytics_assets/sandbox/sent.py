"""A made-up row as the vendor sends it: every column where the settings say that the API has it."""

import hashlib
from random import Random
from typing import Any

from analytics_assets.ingest.endpoint import Column, Endpoint
from analytics_assets.sandbox.days import Row, made_up

_OF_JSONPATH = frozenset("[]$*")


def as_sent(row: Row, endpoint: Endpoint, ours: Endpoint | None) -> Row:
    """Return the row under the endpoint's names; ``ours`` is the endpoint as it is declared, ``None`` for an added one.

    A column that has another type than ours is made up by that. One that is at a JSONPath is left out.
    """
    values = dict(row)
    if ours is not None:
        for name, known in [(endpoint.cursor, ours.cursor), *((key, "id") for key in endpoint.merge_key)]:
            if name and known:
                values.setdefault(name, row[known])
    item: Row = {}
    for column in endpoint.sent_columns:
        if _OF_JSONPATH.isdisjoint(column.field):
            _put(item, column.field.split("."), _value(column, values, ours))
    return {endpoint.unnest: [item]} if endpoint.unnest else item


def _value(column: Column, values: Row, ours: Endpoint | None) -> object:
    """Return what the row has for a column, or something of its type that is the same each time."""
    types = {one.name: one.data_type for one in ours.columns} if ours else {}
    if column.name in values and types.get(column.name, column.data_type) == column.data_type:
        return values[column.name]
    known_by = f"{column.name}/{values.get(column.name, values.get('id'))}"
    if column.data_type == "bigint" and not column.nullable:
        # ids stay different
        return int(hashlib.sha256(known_by.encode()).hexdigest()[:13], 16)
    return made_up(Random(known_by), column.data_type)  # noqa: S311 - reproducible, not secret


def _put(item: Row, path: list[str], value: object) -> None:
    *parents, name = path
    inner: Any = item
    for parent in parents:
        inner = inner.setdefault(parent, {})
    inner[name] = value
