"""Vendors that speak otherwise than the sandbox: each a few lines that answer one request, served on loopback."""

import datetime as dt
import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from analytics_assets_tests.project import KEY

Row = dict[str, Any]
Params = Mapping[str, str]
Headers = Mapping[str, str]
HasKey = Callable[[Params, Headers], bool]
Answer = Callable[[list[Row], Params], object]


class RefusedError(Exception):
    """The vendor refuses with a status and a body."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass
class Vendor:
    """Lists by path, and how one request for a list is answered: a body, and further headers where it is a pair.

    ``requests`` are the paths and parameters that came, those with a wrong key too.
    """

    lists: Mapping[str, list[Row]]
    has_key: HasKey
    answer: Answer
    requests: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    url: str = ""
    answers: dict[str, Answer] = field(default_factory=dict)
    """How other paths than the usual are answered."""
    refusal: str = "Unauthorized"
    """What it says to a key that is not where it should be."""

    def respond(self, path: str, params: dict[str, str], headers: Headers) -> tuple[int, Any, Headers]:
        """Return status, body and headers."""
        self.requests.append((path, params))
        try:
            if not self.has_key(params, headers):
                return 401, {"error": {"message": self.refusal}}, {}
            if path not in self.lists:
                return 404, {"error": {"message": "Not found"}}, {}
            answer = self.answers.get(path, self.answer)(self.lists[path], params)
        except RefusedError as refused:
            if refused.status == HTTPStatus.TEMPORARY_REDIRECT:
                return refused.status, {}, {"Location": str(refused)}
            return refused.status, {"error": {"message": str(refused)}}, {}
        return 200, *(answer if isinstance(answer, tuple) else (answer, {}))

    def asked_per_path(self) -> dict[str, int]:
        """Return how many requests came for each path's last part, which is the endpoint's name."""
        names = [path.rpartition("/")[2].replace("-", "_") for path, _ in self.requests]
        return {name: names.count(name) for name in names}


@contextmanager
def served(vendor: Vendor) -> Iterator[Vendor]:
    """Serve a vendor until the block is left; its ``url`` says where."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            status, body, headers = vendor.respond(parts.path, dict(parse_qsl(parts.query)), self.headers)
            content = json.dumps(body).encode()
            self.send_response(status)
            for name, value in {
                "Content-Type": "application/json",
                "Content-Length": str(len(content)),
                **headers,
            }.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: Any) -> None:  # noqa: ANN401 - http.server's signature
            """Keep silent."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        vendor.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        yield vendor
        server.shutdown()


def whole(params: Params, name: str, default: int) -> int:
    """Return a parameter that is a number; refuses others."""
    text = params.get(name, str(default))
    if not text.isdecimal():
        raise RefusedError(400, f"{name} must be a number")
    return int(text)


def moment(text: str | float) -> dt.datetime:
    """Read a moment as vendors do."""
    if isinstance(text, int | float):
        return dt.datetime.fromtimestamp(text, dt.UTC)
    parsed = dt.datetime.fromisoformat(text)
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=dt.UTC)


def between(rows: list[Row], cursor: str, start: str | None, end: str | None) -> list[Row]:
    """Return the rows with ``start <= cursor < end``; text that is no moment is refused."""
    try:
        low, high = (moment(edge) if edge else None for edge in (start, end))
    except ValueError:
        raise RefusedError(400, "not a valid time") from None
    inside = [row for row in rows if low is None or moment(row[cursor]) >= low]
    return [row for row in inside if high is None or moment(row[cursor]) < high]


def bearer(_: Params, headers: Headers) -> bool:
    """Whether the key is in ``Authorization: Bearer``."""
    return headers.get("Authorization") == f"Bearer {KEY}"


def query(name: str) -> HasKey:
    """Return what looks for the key in a query parameter."""
    return lambda params, _: params.get(name) == KEY


def header(name: str) -> HasKey:
    """Return what looks for the key in a header."""
    return lambda _, headers: headers.get(name) == KEY


def texts(count: int, **names: str) -> list[Row]:
    """Return rows of three days, one every 36 minutes; ``names`` say what id and time are called."""
    first = dt.datetime(2025, 3, 1, tzinfo=dt.UTC)
    moments = [first + place * dt.timedelta(minutes=36) for place in range(count)]
    return [
        {
            names.get("id", "id"): f"s{place:03d}",
            names.get("time", "timestamp"): f"{one:%Y-%m-%dT%H:%M:%SZ}",
            "likes": place,
        }
        for place, one in enumerate(moments)
    ]
