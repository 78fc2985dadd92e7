"""Values that are stored as a keyed hash: equal ones stay equal, and without the salt nobody can try what they were."""

import hashlib
import hmac
from typing import Any


def hashed(values: list[Any], salt: bytes) -> list[Any]:
    """Return 64 hexadecimal digits (HMAC-SHA256) in the place of each text and whole number.

    A number and the text that writes it have the same ones. Other values are returned as they are: a text column takes
    none of them.
    """
    return [_of(str(value), salt) if type(value) in {str, int} else value for value in values]


def _of(text: str, salt: bytes) -> str:
    return hmac.new(salt, text.encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()
