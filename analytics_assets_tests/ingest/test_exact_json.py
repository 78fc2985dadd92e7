"""JSON is read and written without losing a digit."""

import json
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics_assets.ingest import exact_json

_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**40), 10**40)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


def _deep(levels: int) -> Any:  # noqa: ANN401 - JSON
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value


@given(value=_JSON)
@settings(deadline=None, derandomize=True, database=None)
def test_what_is_written_is_read(value: object) -> None:
    """Any value comes back as it was, whichever of the two readers and writers was needed."""
    for text in (exact_json.write(value), json.dumps(value), json.dumps(value, indent=1)):
        found = exact_json.read(text.encode())
        assert found == value
        assert json.dumps(found) == json.dumps(value)


@pytest.mark.parametrize("number", [2**63 - 1, 2**63, 2**64 - 1, 2**64, -(2**63), -(2**63) - 1, 10**25])
@pytest.mark.parametrize("page", ["%d", "[%d]", '{"n":%d}', "[1,\n %d\t]", '{"text": "12345678901234567890", "n": %d}'])
def test_whole_numbers_of_any_length(page: str, number: int) -> None:
    """They are exact wherever they stand; those in text stay text."""
    assert exact_json.read((page % number).encode()) == json.loads(page % number)


@pytest.mark.parametrize(
    "text", ['"12345678901234567890123"', "0.12345678901234567890123", '["a",":98765432109876543210,"]']
)
def test_what_only_looks_like_a_long_number(text: str) -> None:
    """Digits in text and behind a decimal point are as any reader reads them."""
    assert exact_json.read(text.encode()) == json.loads(text)


def test_a_page_without_long_numbers_is_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Python's reader is slow; a page that does not need it does not pay for it."""
    monkeypatch.setattr(exact_json.json, "loads", None)
    rows = [{"id": f"{number:018d}", "n": 2**62, "u": 2**64 - 1, "f": number / 7} for number in range(100)]
    assert exact_json.read(orjson.dumps(rows)) == rows


def test_what_is_no_json_is_refused() -> None:
    """Also what Python's reader would take."""
    for text in (
        b"",
        b"NaN",
        b"[1e400]",
        b'"\\ud800"',
        b"{'a': 1}",
        b'{"n": 123456789012345678901234567890, "f": NaN}',
    ):
        with pytest.raises(ValueError, match="line"):
            exact_json.read(text)


@pytest.mark.parametrize("inner", [1, 2**70, {}, [], "a"])
def test_levels(inner: object) -> None:
    """254 levels are written, more are not, long numbers in them or not."""

    def nested(levels: int) -> object:
        value = inner
        for _ in range(levels):
            value = [value]
        return value

    levels = 253 if isinstance(inner, dict | list) else 254
    assert exact_json.read(exact_json.write(nested(levels)).encode()) == nested(levels)
    for more in (levels + 1, levels + 100):
        with pytest.raises(exact_json.TooDeepError):
            exact_json.write(nested(more))
