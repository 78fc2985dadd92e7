"""The endpoint for tokens (OAuth2 client credentials), and which of its tokens are good."""

import base64
import binascii
import itertools
import time
from collections.abc import Callable, Mapping
from urllib.parse import parse_qsl, unquote_plus

from analytics_assets.sandbox.shape import Shape


class Tokens:
    """The tokens that were given out. One is good for as long, and for as many requests, as the shape says.

    ``revoke`` ends all that there are. ``name`` makes the text of the token with a number, counted from 1.
    """

    def __init__(self) -> None:
        """Begin without a token."""
        self.name: Callable[[int], str] = "sandbox-token-{:04d}".format
        self.given: list[str] = []
        """Every token, in the order in which they were given out."""
        self._numbers = itertools.count(1)
        self._good: dict[str, tuple[float, int | None]] = {}

    def ask(self, shape: Shape, body: bytes, headers: Mapping[str, str]) -> tuple[int, dict[str, object]]:
        """Return status and answer to a request for a token, whose client is in its form, or in its header (Basic)."""
        form = dict(parse_qsl(body.decode("latin-1"), keep_blank_values=True))
        client = (form.get("client_id"), form.get("client_secret"))
        if "authorization" in headers:
            client = _basic(headers["authorization"])
        if client != (shape.client_id, shape.key):
            return 401, {"error": "invalid_client", "error_description": "wrong client id or secret"}
        if form.get("grant_type") != "client_credentials":
            return 400, {"error": "unsupported_grant_type"}
        if any(form.get(name) != value for name, value in shape.token_params.items()):
            return 400, {"error": "invalid_scope"}
        token = self.name(next(self._numbers))
        self.given.append(token)
        seconds = shape.token_seconds
        self._good[token] = (time.monotonic() + (seconds or float("inf")), shape.token_requests)
        return 200, {"access_token": token, "token_type": "Bearer", **({"expires_in": seconds} if seconds else {})}

    def revoke(self) -> None:
        """End every token that was given out."""
        self._good.clear()

    def lets_in(self, token: str | None) -> bool:
        """Say whether a token is good, and count the request if so."""
        until, left = self._good.get(token or "", (0.0, 0))
        if time.monotonic() >= until or left == 0:
            return False
        self._good[str(token)] = (until, None if left is None else left - 1)
        return True


def _basic(header: str) -> tuple[str, str]:
    try:
        text = base64.b64decode(header.partition(" ")[2], validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return "", ""
    name, _, secret = text.partition(":")
    return unquote_plus(name), unquote_plus(secret)
