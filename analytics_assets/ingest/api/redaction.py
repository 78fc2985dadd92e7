"""Cuts the API key out of everything that is logged or raised about a request.

The key is also found where it is encoded: a text is decoded until nothing is left to decode, and what reads as the key
then is cut out of the text as it was. Known are URL-encoding, the escapes of JSON and JavaScript, HTML's entities,
these within each other, and UTF-16. Other forms of the key are not looked for: base64, a hash, compression. Nothing of
ours sends the key in such a form, and an API can repeat only what it was sent.
"""

import functools
import html
import logging
import re
import traceback
from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import quote, quote_plus

import requests
import urllib3

REDACTED = "***"
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


class Redactor:
    """Replaces the key by ``***`` in what is said, and finds it in what came."""

    def __init__(self, key: str) -> None:
        *_, decoded = _decoded(key)
        # A key with an `&` or a `%` may read as another text itself; where little is left of it, that is no key.
        readings = [key, decoded] if decoded != key and len(decoded) > len(key) / 2 else [key]
        forms = "|".join(re.escape(reading).replace(r"\ ", "[ +]") for reading in readings)
        self._key = re.compile(forms)
        # a host's name may come back in lower case
        self._key_in_any_case = re.compile(forms, re.IGNORECASE)
        self._as_requests_write_it = sorted({key, quote(key, safe=""), quote_plus(key)}, key=len)[::-1]
        self._plain_part = max(_PLAIN.findall(key), key=len)

    def __call__(self, text: str) -> str:
        """Return the text without the key."""
        for form in self._as_requests_write_it:
            text = text.replace(form, REDACTED)
        return self._without_key(text) if _may_hold(self._plain_part.lower(), text.lower()) else text

    def is_in(self, body: bytes) -> bool:
        """Say whether the key stands in a response's body, or in a part of one.

        Most have neither the plain part of it nor a letter that is encoded without need; a few searches show that.
        """
        # the key is ASCII, and so is all that is written for it
        text = body.decode("latin-1")
        return _may_hold(self._plain_part, text) and (
            any(form in text for form in self._as_requests_write_it) or any(map(self._key.search, _decoded(text)))
        )

    def log_record(self, record: logging.LogRecord) -> bool:
        """Redact a log record and the exception that it shows, as a logger's filter."""
        record.msg, record.args = self(record.getMessage()), ()
        if record.exc_info:
            record.exc_text = self("".join(traceback.format_exception(*record.exc_info))).rstrip("\n")
            record.exc_info = None
        return True

    def error(self, error: requests.RequestException, url: str) -> requests.RequestException:
        """Return an error of the same type without the key, and without the request that carries it."""
        inner: Any = error.args[0] if error.args else error
        # urllib3's reason says `Connection refused`, where the outer text is three nested class names
        inner = getattr(inner, "reason", None) or inner
        if isinstance(inner, urllib3.exceptions.ProtocolError):
            inner = inner.args[-1]
        return type(error)(self(f"{url}: {inner}"))

    def _without_key(self, text: str) -> str:
        found = {
            (places[one.start()], places[one.end()])
            for reading, places in _readings(text)
            for one in self._key_in_any_case.finditer(reading)
        }
        pieces, end = [], 0
        for start, stop in sorted(found):
            if start >= end:
                pieces += [text[end:start], REDACTED]
            end = max(end, stop)
        return "".join([*pieces, text[end:]])


@functools.cache
def redactor_of(key: str) -> Redactor:
    """Return the key's redactor. The first time it is put on the loggers of the client library too.

    They write whole addresses at DEBUG, and headers that they cannot parse at WARNING.
    """
    redact = Redactor(key)
    for name in WIRE_LOGS:
        logging.getLogger(name).addFilter(redact.log_record)
    return redact


def _may_hold(plain_part: str, text: str) -> bool:
    """Say whether a text has that part, or one that is encoded."""
    return plain_part in text or any(mark in text and encoded.search(text) for mark, encoded in _PLAIN_ENCODED.items())


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
