"""Values of the same shape in the place of real ones: letter for letter, digit for digit, drawn at random.

Nothing is computed from the real value, so there is nothing to reverse. What has been drawn for a value is remembered
while the file is made, because ids and cursors have to match from page to page, and no two values become the same one.
"""

import functools
import math
import re
import secrets
import string
import unicodedata
from collections.abc import Callable, Sequence

from analytics_assets.ingest.capture.words import is_known

_TRIES = 20_000
_BLOCK = 64
_HEX = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|(?=[a-f]*\d)[0-9a-f]{16,}", re.IGNORECASE)
_NUMBER = re.compile(r"\s*[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?\s*", re.ASCII)
_SCHEME = re.compile(r"[a-z]{2,8}://", re.IGNORECASE)
# On which side of these a whole number stands decides which column takes it.
_EDGES = (2**31, 2**53, 2**63, 2**64)
# Letters and digits are replaced, and so are pictures; signs, spaces and what joins characters stay.
_REPLACED = frozenset({"Ll", "Lu", "Lt", "Lm", "Lo", "Nd", "Nl", "No", "So"})

# stands for bytes that are no UTF-8, which they have to stay
_NO_CHARACTER = "\ufffd"

Draw = Callable[[], str]
Number = int | float


class MadeUp:
    """Draws made-up values, and remembers them: equal values stay equal, different ones stay different."""

    def __init__(self) -> None:
        self.replaced = 0
        """How many values have been replaced."""
        self._random = secrets.SystemRandom()
        self._known: dict[str, str] = {}
        self._used: set[str] = set()

    def text(self, text: str) -> str:
        """Return a text of the same length with other letters and digits; an address keeps its scheme."""
        digits_of_its_size = functools.partial(_same_size, text) if _NUMBER.fullmatch(text) else None
        return self.drawn(text, functools.partial(self._like, text), digits_of_its_size)

    def drawn(self, value: str, draw: Draw, fits: Callable[[str], bool] | None = None) -> str:
        """Return what stands for a value: what was drawn for it before, or what ``draw`` gives and nothing else has."""
        if value not in self._known:
            self._known[value] = self._new(value, draw, fits)
            self._used.add(self._known[value])
        self.replaced += self._known[value] != value
        return self._known[value]

    def whole(self, number: int) -> int:
        """Return a whole number with as many digits, the same for the same number: an id."""
        made = int(self.text(str(abs(number))))
        return -made if number < 0 else made

    def amount(self, number: Number) -> Number:
        """Return a number of the same size and type, another one each time; zero stays zero."""
        for _ in range(_TRIES):
            made = self._amount(number)
            if math.isfinite(made) and bool(made) == bool(number) and _edges_below(made) == _edges_below(number):
                break
        else:
            made = number
        self.replaced += made != number
        return made

    def choose(self, start: int, end: int) -> int:
        """Return a whole number from ``start`` to ``end``, both included."""
        return self._random.randint(start, end)

    def digits(self, text: str) -> str:
        """Return a text with other digits, where a zero that stands first stays, and so does a row of zeros."""
        return re.sub("[0-9]+", lambda run: self._run(run[0]), text)

    def _new(self, value: str, draw: Draw, fits: Callable[[str], bool] | None) -> str:
        made = value
        for _ in range(_TRIES):
            made = draw()
            # a word that stays elsewhere would be two values in one
            if made != value and made not in self._used and not is_known(made) and (fits is None or fits(made)):
                return made
            if made == value and not any(map(str.isalnum, value)):
                break
        return value

    def _amount(self, number: Number) -> Number:
        mantissa, e, exponent = repr(number).partition("e")
        whole, point, fraction = mantissa.partition(".")
        made = self.digits(whole)
        if point:
            # its last digit is none that could be left out
            last = fraction[-1] if fraction.strip("0") == "" else str(self.choose(1, 9))
            made += point + (fraction[:-1] if fraction.strip("0") == "" else self.digits(fraction[:-1])) + last
        return float(made + e + exponent) if isinstance(number, float) else int(made)

    def _run(self, run: str) -> str:
        if not run.strip("0"):
            return run
        zeros = len(run) - len(run.lstrip("0"))
        first = self._random.choice(string.digits[1:])
        return "0" * zeros + first + "".join(self._random.choices(string.digits, k=len(run) - zeros - 1))

    def _like(self, text: str) -> str:
        scheme = _SCHEME.match(text)
        kept = scheme.end() if scheme else 0
        if _NUMBER.fullmatch(text):
            number, e, exponent = text.partition("e" if "e" in text else "E")
            return self.digits(number) + e + exponent
        is_hex = _HEX.fullmatch(text)
        pieces = []
        for piece in re.findall("[0-9]+|[^0-9]", text[kept:]):
            if is_hex and piece.isalpha():
                pieces.append(self._random.choice("abcdef" if piece.islower() else "ABCDEF"))
            else:
                pieces.append(self._run(piece) if "0" <= piece[0] <= "9" else self._random.choice(_alike(piece)))
        return text[:kept] + "".join(pieces)


@functools.lru_cache(maxsize=4096)
def _alike(character: str) -> Sequence[str]:
    """Return the characters that may stand for one: of its class, and near it in Unicode."""
    if character.isascii():
        if not character.isalpha():
            return character
        return string.ascii_lowercase if character.islower() else string.ascii_uppercase
    category = unicodedata.category(character)
    if category not in _REPLACED or character == _NO_CHARACTER:
        return character
    first = ord(character) // _BLOCK * _BLOCK
    near = [chr(code) for code in range(first, first + _BLOCK) if unicodedata.category(chr(code)) == category]
    size = len(character.encode())
    return [one for one in near if len(one.encode()) == size and not unicodedata.decomposition(one)] or near


def _edges_below(number: float) -> list[bool]:
    edges = [edge for one in _EDGES for edge in (one, -one)]
    return [number >= edge for edge in edges]


def _same_size(text: str, made: str) -> bool:
    """Say whether two texts that are numbers have the same size."""
    return _edges_below(float(text)) == _edges_below(float(made))
