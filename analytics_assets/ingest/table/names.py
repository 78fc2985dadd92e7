"""Names of columns: dlt's name for a field of the API, and never one that another field has already."""

import hashlib
import re
from collections.abc import Container

from dlt.common.normalizers.naming import NamingConvention

# PostgreSQL takes 63 bytes, and the longest of what may follow are `__v_bigint` and `_` with a digest
_LONGEST = 52
_DIGEST = 8
# dlt's own columns; the system columns of PostgreSQL, Redshift, DuckDB, SQLite and Oracle; the prefixes BigQuery keeps
_RESERVED = re.compile(
    "_dlt.*|tableoid|oid|ctid|[cx]m(in|ax)|(insert|delete)xid|row(id|num)"
    "|_(table|file|partition|row_timestamp|_root_|colidentifier).*"
)
_LEADING = re.compile("^_+(?=[a-z])")


def short(naming: NamingConvention) -> NamingConvention:
    """Return the naming convention with a limit of 52 characters, whatever the warehouse would take."""
    return type(naming)(_LONGEST)


def column_name(field: str, naming: NamingConvention, taken: Container[str]) -> str:
    """Return the column for a field: dlt's name for it; where that is taken, with eight digits that only it has.

    Taken is a name that another column has, or that dlt or a database keeps for itself. With a ``short`` naming the
    result has at most 61 characters, all ASCII, and is the same on every warehouse.
    """
    plain = plain_name(field, naming)
    if plain not in taken and not _RESERVED.fullmatch(plain):
        return plain
    # a column of its own even where two fields have one digest
    for salt in range(1_000):
        digest = hashlib.sha256(f"{field}{salt or ''}".encode()).hexdigest()[:_DIGEST]
        if (name := f"{_LEADING.sub('', plain).rstrip('_')}_{digest}") not in taken:
            return name
    raise AssertionError(field)


def plain_name(field: str, naming: NamingConvention) -> str:
    """Return dlt's name for a field, such as ``media_id`` for ``mediaId``."""
    # dlt counts characters where databases count bytes, and refuses an empty name
    plain = field if field.isascii() else "".join(letter if letter.isascii() else "_" for letter in field)
    return naming.normalize_identifier(plain.strip() or "_")


def variant_name(column: str, data_type: str) -> str:
    """Return dlt's name for the column beside ``column`` that takes its values of another type."""
    return f"{column}__v_{data_type}"


def shown(field: str) -> str:
    """Return a field's name for people, logs and the ledger: without characters that cannot be printed or stored."""
    return field if field.isprintable() else field.encode("unicode_escape").decode()
