"""Cuts the API key, and the tokens that it is exchanged for, out of everything that is logged or raised of a request.

The key is also found where it is encoded: a text is decoded until nothing is left to decode, and what reads as the key
then is cut out of the text as it was. Known are URL-encoding, the escapes of JSON and JavaScript, HTML's entities,
these within each other, and UTF-16. Other forms of the key are not looked for: base64, a hash, compression. Nothing of
ours sends the key in such a form, and an API can repeat only what it was sent.
"""

import functools
import html
import logging
import re
import threading
import traceback
from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import quote, quote_plus

import requests
import urllib3

REDACTED = "***"
# Tokens that stay known beside the key: the newest, for each is one more thing to look for in every answer.
_MOST_TOKENS = 16
# How often text is decoded: more than any row of proxies encodes it, and a bound for text that is made to last.
_TIMES = 8
_WRITTEN = re.compile(
    r"[%\\]u([0-9a-f]{4})|(?:%|\\x)([0-9a-f]{2})|\\u\{0*([0-9a-f]{2})\}|\\([^\w\s\0])|(&#?\w{1,32};?)|\0",
    re.IGNORECASE,
)
# What nothing encodes that has a reason to: letters, digits and - . _ ~
_PLAIN = re.compile(r"[A-Za-z0-9._~-]*")
# the codes of these, of a backslash with which another code may begin, and of the NULs of UTF-16
_HEX = r"(?:00|2[de]|3\d|[46][1-9a-f]|5[0-9acf]|7[0-9ae])"
_DECIMAL = r"(?:3[57]|4[5-9]|5[0-7]|6[5-9]|[78]\d|9[02579]|1[01]\d|12[0-26])"
_PLAIN_ENCODED = {
    "%": re.compile(f"%(?:25)*(?:{_HEX}|26(?:amp%(?:25)*3b)*%(?:25)*23)", re.IGNORECASE),
    "\\": re.compile(rf"\\u00(?:{_HEX}|2[35])", re.IGNORECASE),
    "#": re.compile(rf"#(?<=[&;6]#)(?:0*{_DECIMAL}|x0*(?:{_HEX}|2[35]))\b", re.IGNORECASE),
    "\0": re.compile("\0"),
}
# A logger's filter sees nothing that goes to the loggers below it, so each has it that writes of what is fetched.
WIRE_LOGS = (
    "urllib3",
    "urllib3.connection",
    "urllib3.connectionpool",
    "urllib3.contrib.pyopenssl",
    "urllib3.http2.connection",
    "urllib3.poolmanager",
    "urllib3.response",
    "urllib3.util.retry",
    "requests",
    "http.client",
    "http.cookiejar",
)


class _Forms:
    """How secrets may be written."""

    def __init__(self, secrets: Sequence[str]) -> None:
        # the longest first, for one may be the beginning of another
        readings = sorted({one for secret in secrets for one in _readings_of(secret)}, key=len)[::-1]
        forms = "|".join(re.escape(reading).replace(r"\ ", "[ +]") for reading in readings)
        self.any = re.compile(forms)
        # a host's name may come back in lower case
        self.any_in_any_case = re.compile(forms, re.IGNORECASE)
        written = {form for secret in secrets for form in (secret, quote(secret, safe=""), quote_plus(secret))}
        self.as_requests_write_them = sorted(written, key=len)[::-1]
        self.plain_parts = [max(_PLAIN.findall(secret), key=len) for secret in secrets]
        self.plain_parts_lower = [part.lower() for part in self.plain_parts]


class Redactor:
    """Replaces the key by ``***`` in what is said, and finds it in what came; and so with each other secret."""

    def __init__(self, key: str) -> None:
        self._secrets: tuple[str, ...] = (key,)
        self._forms = _Forms(self._secrets)
        self._lock = threading.Lock()

    def add(self, secret: str) -> None:
        """Know another secret from now on: a token, or the key that has replaced the first one.

        It has to be known before it is sent. Of all that were added the newest 16 stay known.
        """
        with self._lock:
            if secret not in self._secrets:
                key, *others = self._secrets
                self._secrets = (key, *others[1 - _MOST_TOKENS :], secret)
                self._forms = _Forms(self._secrets)

    def __call__(self, text: str) -> str:
        """Return the text without the key."""
        forms = self._forms
        for form in forms.as_requests_write_them:
            text = text.replace(form, REDACTED)
        return _without(forms, text) if _may_hold(forms.plain_parts_lower, text.lower()) else text

    def is_in(self, body: bytes) -> bool:
        """Say whether the key stands in a response's body, or in a part of one.

        Most have neither the plain part of it nor a letter that is encoded without need; a few searches show that.
        """
        # the key is ASCII, and so is all that is written for it
        text, forms = body.decode("latin-1"), self._forms
        return _may_hold(forms.plain_parts, text) and (
            any(form in text for form in forms.as_requests_write_them) or any(map(forms.any.search, _decoded(text)))
        )

    def log_record(self, record: logging.LogRecord) -> bool:
        """Redact a log record and the exception that it shows, as a logger's filter."""
        record.msg, record.args = self(record.getMessage()), ()
        if record.exc_info:
            record.exc_text = "".join(traceback.format_exception(*record.exc_info)).rstrip("\n")
            record.exc_info = None
        if record.exc_text:
            # which the redactor of another secret may have written
            record.exc_text = self(record.exc_text)
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
    """Return the key's redactor. The first time it is put on the loggers of the client library too.

    They write whole addresses at DEBUG, and headers that they cannot parse at WARNING.
    """
    redact = Redactor(key)
    for name in WIRE_LOGS:
        logging.getLogger(name).addFilter(redact.log_record)
    return redact


def _without(forms: _Forms, text: str) -> str:
    found = {
        (places[one.start()], places[one.end()])
        for reading, places in _readings(text)
        for one in forms.any_in_any_case.finditer(reading)
    }
    pieces, end = [], 0
    for start, stop in sorted(found):
        if start >= end:
            pieces += [text[end:start], REDACTED]
        end = max(end, stop)
    return "".join([*pieces, text[end:]])


def _readings_of(secret: str) -> list[str]:
    """Return a secret as it is, and as it reads where it looks as if it was encoded."""
    *_, decoded = _decoded(secret)
    # One with an `&` or a `%` may read as another text itself; where little is left of it, that is no secret.
    return [secret, decoded] if decoded != secret and len(decoded) > len(secret) / 2 else [secret]


def _may_hold(plain_parts: Sequence[str], text: str) -> bool:
    """Say whether a text has one of these parts, or anything that is encoded."""
    return any(part in text for part in plain_parts) or any(
        mark in text and encoded.search(text) for mark, encoded in _PLAIN_ENCODED.items()
    )


def _decoded(text: str) -> Iterator[str]:
    """Yield a text as it is written, as that reads, as that reads in turn, …, until it stays the same."""
    for _ in range(_TIMES):
        yield text
        before, text = text, _WRITTEN.sub(_read, text)
        if text == before:
            return


def _readings(text: str) -> Iterator[tuple[str, Sequence[int]]]:
    """Yield what ``_decoded`` yields, each with the places at which its characters begin in ``text``, and its end."""
    places: Sequence[int] = range(len(text) + 1)
    for _ in range(_TIMES):
        yield text, places
        pieces: list[str] = []
        begins: list[int] = []
        end = 0
        for written in _WRITTEN.finditer(text):
            character = _read(written)
            pieces += [text[end : written.start()], character]
            begins += [*places[end : written.start()], *[places[written.start()]] * len(character)]
            end = written.end()
        before, text = text, "".join([*pieces, text[end:]])
        places = [*begins, *places[end:]]
        if text == before:
            return


def _read(written: re.Match[str]) -> str:
    """Return what an escape stands for; a NUL, as between the characters of UTF-16, for nothing."""
    if code := written[1] or written[2] or written[3]:
        return chr(int(code, 16))
    return written[4] or html.unescape(written[5] or "")
