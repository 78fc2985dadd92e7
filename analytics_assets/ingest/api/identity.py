"""What rows are known by: which of them are one, and how many different ones came."""

from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from analytics_assets.ingest import exact_json
from analytics_assets.ingest.fields import value_at, values_at


def is_same(row: object, other: object, merge_key: tuple[str, ...]) -> bool:
    """Say whether two rows are one: by their ids, for a signed address or a counter differs from answer to answer."""
    one, another = _id_of(row, merge_key), _id_of(other, merge_key)
    return bool(row == other) if one is None else one == another


def count_different(hashes: Sequence[int]) -> int:
    """Return how many different ones there are; they are an ``array`` of 64-bit numbers."""
    values = pa.Array.from_buffers(pa.int64(), len(hashes), [None, pa.py_buffer(hashes)])
    # sorted and compared with their neighbours: a hash table of them takes ten times the memory
    ordered = values.sort()
    return len(hashes) - int(pc.sum(pc.equal(ordered[1:], ordered[:-1])).as_py() or 0)


def _id_of(row: object, merge_key: tuple[str, ...]) -> str | None:
    """Return what a row is known by, as text: itself without a key. ``None`` where it has no usable id."""
    if not merge_key:
        return _whole(row)
    values = [value_at(field, row) for field in merge_key] if isinstance(row, dict) else [None]
    if not all(isinstance(value, str | int) for value in values):
        return None
    return str(values[0]) if len(values) == 1 else str([str(value) for value in values])


def _whole(row: object) -> str | None:
    try:
        return exact_json.write(row, sort_keys=True)
    except exact_json.TooDeepError:
        return None


def id_hashes(rows: list[Any], merge_key: tuple[str, ...], position: int) -> list[int]:
    """Return what tells rows from each other, 64 bits each; a row without a usable id counts as itself."""
    if len(merge_key) == 1:
        ids = values_at(merge_key[0], [row if isinstance(row, dict) else {} for row in rows])
    else:
        ids = [_id_of(row, merge_key) for row in rows]
    return [hash(str(one)) if isinstance(one, str | int) else hash((position + i,)) for i, one in enumerate(ids)]
