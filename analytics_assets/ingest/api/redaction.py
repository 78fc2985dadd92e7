"""The boundary that the key does not cross: whatever is said of a request is said without it."""

import functools
import html
import json
import logging
import re
from typing import Any
from urllib.parse import quote, quote_plus

import requests
import urllib3

REDACTED = "***"
# A shorter key could be a word of the data, and would be cut out of rows that have nothing to do with it.
_SHORTEST_IN_BODIES = 8
_WIRE_LOG = logging.getLogger("urllib3.connectionpool")


class Redactor:
    """Replaces the key by ``***``: plain, URL-encoded, and as JSON or HTML writes it."""

    def __init__(self, key: str) -> None:
        encoded = {key, quote(key, safe=""), quote(key), quote_plus(key)}
        lower = {re.sub("%..", lambda code: code[0].lower(), form) for form in encoded}
        written = {json.dumps(key)[1:-1], key.replace("/", "\\/"), key.replace("&", "\\u0026"), html.escape(key)}
        self._forms = sorted(encoded | lower | written, key=len, reverse=True)
        self._in_bodies = [form.encode() for form in self._forms] if len(key) >= _SHORTEST_IN_BODIES else []

    def __call__(self, text: str) -> str:
        """Return the text without the key."""
        for form in self._forms:
            text = text.replace(form, REDACTED)
        return text

    def body(self, content: bytes) -> bytes:
        """Return a response's body without the key: an API may echo the address, in an error or in a row."""
        for form in self._in_bodies:
            content = content.replace(form, REDACTED.encode())
        return content

    def log_record(self, record: logging.LogRecord) -> bool:
        """Redact a log record, as a logger's filter."""
        record.msg, record.args = self(record.getMessage()), ()
        return True

    def error(self, error: requests.RequestException, url: str) -> requests.RequestException:
        """Return an error of the same type without the key, and without the request that carries it."""
        inner: Any = error.args[0] if error.args else error
        # urllib3's reason says `Connection refused`, where the outer text is three nested class names
        inner = getattr(inner, "reason", None) or inner
        if isinstance(inner, urllib3.exceptions.ProtocolError):
            inner = inner.args[-1]
        return type(error)(self(f"{url}: {inner}"))


@functools.cache
def redactor_of(key: str) -> Redactor:
    """Return the key's redactor. The first time it is put on urllib3's logger too, which writes whole URLs at DEBUG."""
    redact = Redactor(key)
    _WIRE_LOG.addFilter(redact.log_record)
    return redact
