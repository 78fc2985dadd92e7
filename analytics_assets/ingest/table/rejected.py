"""Rows that are set aside: how they are written, and which of them repeat the API key."""

from typing import Any, Protocol

from analytics_assets.ingest import exact_json
from analytics_assets.ingest.errors import ApiError
from analytics_assets.ingest.table.names import shown
from analytics_assets.ingest.table.values import TOO_DEEP

_NAMED = 5


class Redact(Protocol):
    """What finds the key, and takes it out of what is said."""

    def __call__(self, text: str) -> str:
        """Return the text without the key."""

    def is_in(self, body: bytes) -> bool:
        """Say whether the key stands in it."""


def written(row: object) -> str:
    """Write a row as JSON; a value that is nested too deep gives way to these words."""
    try:
        return exact_json.write(row, sort_keys=True)
    except exact_json.TooDeepError:
        return written({name: _or_words(value) for name, value in row.items()} if isinstance(row, dict) else TOO_DEEP)


def without(row: object, hidden: frozenset[str]) -> object:
    """Return the row with ``***`` in the place of what must not be stored as it is."""
    if not hidden or not isinstance(row, dict):
        return row
    return {name: "***" if name in hidden and value is not None else value for name, value in row.items()}


def with_key(rows: list[Any], redact: Redact) -> list[tuple[int, str]]:
    """Return which of these rows repeat the key, in a value at any depth or in a field's name, and which field does."""
    try:
        # An answer that has the key has it in its own address as a rule, behind "next", and in none of its rows.
        if not redact.is_in(exact_json.write(rows).encode()):
            return []
    except exact_json.TooDeepError:
        pass
    return [(place, _why(row, redact)) for place, row in enumerate(rows) if redact.is_in(written(row).encode())]


def every_row(endpoint: str, reasons: list[str]) -> ApiError:
    """Return the error for a page of which no row is without the key."""
    named = ", ".join(sorted(set(reasons))[:_NAMED])
    advice = (
        "If the API adds it to each row, ask for rows without that field (setting extra_params); "
        "if the key is a word of the data, have the API issue another one"
    )
    return ApiError(
        "wrong shape", f"wrong shape: {endpoint}: in every row of a page {named}, so that none can be stored. {advice}"
    )


def _why(row: object, redact: Redact) -> str:
    if isinstance(row, dict):
        for name, value in row.items():
            if redact.is_in(name.encode()):
                return "the name of a field holds the API key"
            if redact.is_in(written(value).encode()):
                return f"{shown(name)} holds the API key"
    return "holds the API key"


def _or_words(value: object) -> object:
    try:
        exact_json.write([value])
    except exact_json.TooDeepError:
        return TOO_DEEP
    return value
