"""JSON read and written without losing a digit: orjson, and Python's own reader and writer where orjson would round."""

import json
import re
from collections.abc import Iterator
from typing import Any

import orjson

# what orjson writes, and Python's writer is kept to
_LEVELS = 254
# every digit to 0, so that one search finds any long number
_ZEROS = bytes.maketrans(b"123456789", b"000000000")
# as many digits as the smallest whole number that orjson reads as a float: -2**63 - 1
_LONG = b"0" * 19
_DIGITS = re.compile(b"[0-9]+")
# what stands before a number and behind one: not a quote, a point or an exponent
_BEFORE, _BEHIND = b"[:, \t\r\n", b"]}, \t\r\n"


class TooDeepError(ValueError):
    """A value has more than 254 levels of objects and lists."""


def read(body: bytes) -> Any:  # noqa: ANN401 (parsed JSON)
    """Parse JSON; whole numbers of any length stay exact. Raises ``orjson.JSONDecodeError`` (a ``ValueError``).

    orjson makes a float of a whole number beyond 64 bits. A page that holds one is read once more by Python's reader;
    to see that it holds none takes two searches in memory, a hundredth of what loading the page takes.
    """
    parsed = orjson.loads(body)
    return json.loads(body) if any(map(_is_rounded, _long_numbers(body))) else parsed


def write(value: object, *, sort_keys: bool = False) -> str:
    """Write a value as compact JSON; raises ``TooDeepError`` for more levels than 254."""
    try:
        return orjson.dumps(value, option=orjson.OPT_SORT_KEYS if sort_keys else None).decode()
    except TypeError:
        # too deep, or a whole number beyond 64 bits
        if _is_deeper(value):
            raise TooDeepError from None
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=sort_keys)


def _long_numbers(body: bytes) -> Iterator[int]:
    """Yield the whole numbers with 19 digits and more, and what looks like them inside of text."""
    zeros = body.translate(_ZEROS)
    start = zeros.find(_LONG)
    while start >= 0:
        digits = _DIGITS.match(body, start)
        if digits is None:
            raise AssertionError(start)
        first = start - (body[start - 1 : start] == b"-")
        if body[first - 1 : first] in _BEFORE and body[digits.end() : digits.end() + 1] in _BEHIND:
            yield int(body[first : digits.end()])
        start = zeros.find(_LONG, digits.end())


def _is_rounded(number: int) -> bool:
    return not -(2**63) <= number < 2**64


def _is_deeper(value: object) -> bool:
    """Say whether a value has more levels than orjson writes; level by level, for recursion has a limit of its own."""
    level = [value]
    for _ in range(_LEVELS):
        inner: list[object] = []
        for item in level:
            if isinstance(item, dict):
                inner += item.values()
            elif isinstance(item, list):
                inner += item
        if not inner:
            return False
        level = inner
    return any(isinstance(item, dict | list) for item in level)
