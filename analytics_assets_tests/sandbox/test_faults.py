"""What each fault looks like to a client: at the HTTP level, and for the broken ones at the bytes."""

import json
import socket
import time
from collections.abc import Callable
from typing import Any

import pytest
import requests

from analytics_assets.sandbox.faults import KINDS, Fault
from analytics_assets.sandbox.limit import Limit
from analytics_assets.sandbox.server import SandboxServer
from analytics_assets_tests.sandbox.conftest import stories

Start = Callable[..., SandboxServer]
Ask = Callable[..., requests.Response]


def raw(server: SandboxServer) -> bytes:
    """Ask for a page over a bare socket and return every byte until the server closes; ``timeout`` if it does not."""
    host, port = server.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=20) as connection:
        connection.sendall(b"GET /v1/stories?api_key=sandbox-key&limit=100&offset=0 HTTP/1.1\r\nHost: x\r\n\r\n")
        received = b""
        while piece := connection.recv(65_536):
            received += piece
    return received


@pytest.fixture
def broken(start: Start) -> Callable[..., SandboxServer]:
    """Return a function that starts a sandbox of 250 stories with one fault."""
    return lambda kind, **options: start(rows={"stories": stories(250)}, faults=[Fault(kind, **options)])


BODIES: list[tuple[str, dict[str, Any], Callable[[Any], object], object]] = [
    ("error_in_200", {"code": 4, "message": "slow down"}, lambda b: b, {"error": {"code": 4, "message": "slow down"}}),
    ("no_data", {}, lambda b: (list(b), b["total"]), (["total", "limit", "offset"], 250)),
    ("null_data", {}, lambda b: b["data"], None),
    ("data_not_list", {"value": {"a": 1}}, lambda b: b["data"], {"a": 1}),
    ("body", {"content": "[1, 2]"}, lambda b: b, [1, 2]),
    ("cap", {"rows": 7}, lambda b: (len(b["data"]), b["limit"], b["total"]), (7, 100, 250)),
    ("ignore_offset", {}, lambda b: (b["data"][0]["id"], b["offset"]), ("s000", 100)),
    ("total", {"value": "many"}, lambda b: b["total"], "many"),
    ("total", {"value": None}, lambda b: b["total"], None),
    ("total", {}, lambda b: "total" in b, False),
    ("total_pages", {"value": 9}, lambda b: b["total_pages"], 9),
    ("next_link", {"value": "//elsewhere"}, lambda b: b["paging"]["next"], "//elsewhere"),
    ("duplicate", {}, lambda b: (b["data"][-1]["id"], len(b["data"])), ("s100", 101)),
    ("mutate_rows", {"change": lambda page: page[::-1]}, lambda b: b["data"][0]["id"], "s199"),
    ("escape", {"characters": "s"}, lambda b: b["data"][0]["id"], "s100"),
    ("header", {"line": "no header"}, lambda b: len(b["data"]), 100),
    ("slow_body", {"delay": 0.001, "chunks": 3}, lambda b: len(b["data"]), 100),
]


@pytest.mark.parametrize(("kind", "options", "look", "expected"), BODIES)
def test_a_wrong_body_comes_with_200(  # noqa: PLR0913
    *, broken: Start, ask: Ask, kind: str, options: dict[str, Any], look: Callable[[Any], object], expected: object
) -> None:
    """The second page is 200 and JSON, and wrong in the way its name says."""
    answer = ask(broken(kind, **options), offset=100)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
    assert look(answer.json()) == expected


@pytest.mark.parametrize(
    ("options", "asked", "status"),
    [
        ({"rows": 50}, {"limit": 51}, 500),
        ({"rows": 50, "status": 413}, {"limit": 51}, 413),
        ({"rows": 50}, {"limit": 50}, 200),
        ({"days": 1}, {"since": "2025-03-01T00:00:00Z", "until": "2025-03-02T00:00:01Z"}, 500),
        ({"days": 1}, {"since": "2025-03-01T00:00:00Z", "until": "2025-03-02T00:00:00Z"}, 200),
        ({"days": 1}, {}, 500),
    ],
)
def test_too_much(broken: Start, ask: Ask, options: dict[str, Any], asked: dict[str, Any], status: int) -> None:
    """Pages of too many rows are refused, and windows of too many days, which all history is."""
    answer = ask(broken("too_much", **options), **asked)
    assert (answer.status_code, "reduce the amount of data" in answer.text) == (status, status != 200)


def test_every_kind_is_tested_here() -> None:
    """A kind without a test fails this one."""
    elsewhere = {"status", "rate_limit", "latency", "close", "truncate", "early_hints", "html", "redirect", "echo_url"}
    elsewhere |= {"too_much"}
    assert {kind for kind, *_ in BODIES} | elsewhere == set(KINDS)


def test_rate_limit(broken: Start, ask: Ask) -> None:
    """What the limit lets pass is answered; the rest is a 429 that says when to come back."""
    passes = iter([True, False, True])
    server = broken("rate_limit", allows=lambda: next(passes), retry_after=3)
    first, second, third = ask(server), ask(server), ask(server)
    assert [first.status_code, second.status_code, third.status_code] == [200, 429, 200]
    assert second.headers["retry-after"] == "3"


def test_a_limit_of_requests_in_a_time(broken: Start, ask: Ask) -> None:
    """Two in a while pass, the third does not; the header says nothing, or a little too few seconds."""
    limit = Limit(2, seconds=30.5)
    server = broken("rate_limit", allows=limit, retry_after=None)
    answers = [ask(server) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert "retry-after" not in answers[2].headers
    assert 0 <= limit.rounded_down() <= 30
    brief = Limit(1, seconds=0.01)
    assert brief()
    time.sleep(0.02)
    assert brief()


def test_status(broken: Start, ask: Ask) -> None:
    """Any status, headers and body."""
    answer = ask(broken("status", status=429, headers={"Retry-After": "7"}, body={"slow": "down"}))
    assert (answer.status_code, answer.headers["retry-after"], answer.json()) == (429, "7", {"slow": "down"})
    assert ask(broken("status", status=503)).json() == {"error": {"code": 503, "message": "Service Unavailable"}}


def test_latency(broken: Start, ask: Ask) -> None:
    """The right answer, late."""
    began = time.monotonic()
    answer = ask(broken("latency", seconds=0.25))
    assert time.monotonic() - began >= 0.25
    assert len(answer.json()["data"]) == 100


def test_early_hints(broken: Start) -> None:
    """The forerunner, and then the answer."""
    host, port = broken("early_hints", status=102).url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=20) as connection:
        connection.sendall(
            b"GET /v1/stories?api_key=sandbox-key&limit=9&offset=0 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        )
        received = b""
        while piece := connection.recv(65_536):
            received += piece
    assert received.startswith(b"HTTP/1.1 102 Hints\r\n")
    assert received.count(b"HTTP/1.1 200 OK") == 1


def test_close_sends_no_byte(broken: Start, ask: Ask, caplog: pytest.LogCaptureFixture) -> None:
    """The connection ends without a response, which a client reports as just that; the log says status 0."""
    server = broken("close")
    assert raw(server) == b""
    with pytest.raises(requests.ConnectionError, match="closed connection without response"):
        ask(server)
    assert [asked.status for asked in server.sandbox.requests] == [0, 0]
    assert caplog.records == []


def test_reset_is_a_real_tcp_reset(broken: Start) -> None:
    """The kernel reports a reset, not an end of file."""
    server = broken("close", reset=True)
    with pytest.raises(ConnectionResetError):
        raw(server)


def test_truncate_promises_more_than_it_sends(broken: Start, ask: Ask, caplog: pytest.LogCaptureFixture) -> None:
    """Half of the promised bytes arrive, then the connection ends."""
    server = broken("truncate", keep=0.5)
    head, _, body = raw(server).partition(b"\r\n\r\n")
    promised = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
    assert (len(body), head[:15]) == (promised // 2, b"HTTP/1.1 200 OK")
    with pytest.raises(requests.exceptions.ChunkedEncodingError, match="IncompleteRead"):
        ask(server)
    assert caplog.records == []


def test_slow_body_arrives_piece_by_piece(broken: Start) -> None:
    """The head comes first, and the pieces take their time."""
    server = broken("slow_body", delay=0.05, chunks=5)
    with requests.get(
        f"{server.url}/v1/stories?api_key=sandbox-key&limit=100&offset=0", stream=True, timeout=5
    ) as answer:
        began = time.monotonic()
        body = b"".join(answer.iter_content(None))
    assert time.monotonic() - began >= 0.2
    assert len(json.loads(body)["data"]) == 100
    with pytest.raises(requests.exceptions.ConnectionError):
        requests.get(
            f"{broken('slow_body', delay=0.5).url}/v1/stories?api_key=sandbox-key&limit=1&offset=0", timeout=0.1
        )


def test_html_and_redirect_and_other_content(broken: Start, ask: Ask) -> None:
    """A page for people, a move elsewhere, and bytes that are no JSON."""
    html = ask(broken("html"))
    assert (html.status_code, html.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert html.text.startswith("<!doctype html>")
    moved = ask(broken("redirect", location="http://elsewhere.example/x", status=307))
    assert (moved.status_code, moved.headers["location"]) == (307, "http://elsewhere.example/x")
    odd = ask(broken("body", content=b"\xff\xfe", content_type="image/png", status=206))
    assert (odd.status_code, odd.headers["content-type"], odd.content) == (206, "image/png", b"\xff\xfe")


def test_escape_and_header_are_on_the_wire(broken: Start) -> None:
    """What a reader of JSON and of headers does not see: the escapes, and a line that is no header."""
    assert b'"id":"\\u0073000"' in raw(broken("escape", characters="s"))
    assert b"\r\nno header\r\n\r\n{" in raw(broken("header", line="no header"))


def test_echo_url_gives_the_key_away(broken: Start, ask: Ask) -> None:
    """The error repeats the whole address, key and all: what a client must not log."""
    server = broken("echo_url", status=422)
    answer = ask(server)
    assert answer.status_code == 422
    assert answer.url in answer.json()["error"]["message"]
    assert "sandbox-key" in answer.text


def test_where_and_how_often(start: Start, ask: Ask) -> None:
    """A fault strikes only its endpoint and its page, only so often, and faults that answer take turns."""
    first = Fault("status", status=500, endpoint="stories", offset=100, times=2)
    second = Fault("status", status=429, endpoint="stories", times=1, offset=100)
    server = start(rows={"stories": stories(250)}, faults=[first, second])
    codes = [ask(server).status_code, ask(server, "/v1/user_insights", offset=100).status_code]
    codes += [ask(server, offset=100).status_code for _ in range(4)]
    assert codes == [200, 200, 500, 500, 429, 200]


def test_faults_that_do_not_answer_add_up(start: Start, ask: Ask) -> None:
    """A capped page that ignores the offset and has no total is all three."""
    faults = [Fault("cap", rows=3), Fault("ignore_offset"), Fault("total"), Fault("latency", seconds=0)]
    body = ask(start(rows={"stories": stories(9)}, faults=faults), offset=5).json()
    assert ([row["id"] for row in body["data"]], "total" in body) == (["s000", "s001", "s002"], False)


@pytest.mark.parametrize(
    ("kind", "options", "word"),
    [("stauts", {}, "stauts"), ("status", {"code": 1}, "code"), ("latency", {}, "seconds"), ("cap", {}, "rows")],
)
def test_a_misspelt_fault_is_refused_when_made(kind: str, options: dict[str, Any], word: str) -> None:
    """An unknown kind, an unknown option and a missing one, each by name."""
    with pytest.raises(ValueError, match=word):
        Fault(kind, **options)
