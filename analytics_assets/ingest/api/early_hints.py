"""Differs from ``http.client``: informational answers (1xx) are read past, and not taken for the answer.

Seen in Python 3.11 (urllib3 2.8.0, which reads by it): ``HTTPResponse.begin`` reads past ``100 Continue`` alone, so
that a ``103 Early Hints`` before the 200 was an answer without rows. This file can go when it reads past all of 1xx.
"""

import functools
import http.client
from http import HTTPStatus

import urllib3
from urllib3.connection import HTTPConnection

# A server that sends nothing else would keep a request busy for ever.
_MOST_HINTS = 20


class _FinalResponse(http.client.HTTPResponse):
    """A response that begins with its final status."""

    def begin(self) -> None:
        """Read status and headers, again while they are only informational (1xx), but for 101, which is final."""
        for _ in range(_MOST_HINTS):
            super().begin()
            if self.status >= HTTPStatus.OK or self.status == HTTPStatus.SWITCHING_PROTOCOLS:
                return
            # by this http.client knows that nothing was read yet
            self.headers = None  # type: ignore[assignment] # typeshed knows it only as it is later
        raise http.client.HTTPException(f"more than {_MOST_HINTS} informational answers (1xx)")


def read_past_hints(pool: urllib3.HTTPConnectionPool) -> urllib3.HTTPConnectionPool:
    """Have the connections of a pool read past them; done for each request, because requests makes the pools."""
    pool.ConnectionCls = _reading_past_hints(pool.ConnectionCls)
    return pool


@functools.cache
def _reading_past_hints(connection: type[HTTPConnection]) -> type[HTTPConnection]:
    if connection.response_class is _FinalResponse:
        return connection
    return type(connection.__name__, (connection,), {"response_class": _FinalResponse})
