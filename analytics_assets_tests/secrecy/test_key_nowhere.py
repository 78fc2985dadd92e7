"""The key's value appears in nothing that a run leaves, wherever the key goes and whatever goes wrong."""

import contextlib
import itertools
import json
import logging
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote, quote_plus

import dagster as dg
import pytest
import requests

from analytics_assets.ingest.api import redaction
from analytics_assets.ingest.api.adapter import ApiAdapter, ApiResponse
from analytics_assets.ingest.api.redaction import Redactor
from analytics_assets.ingest.table.rows import PageRows
from analytics_assets.sandbox.faults import Fault
from analytics_assets.sandbox.server import SandboxServer
from analytics_assets.sandbox.shape import Shape
from analytics_assets_tests.project import DAY, KEY, KEY_FORMS, Project, Row, stories
from analytics_assets_tests.secrecy.conftest import Tls, closed_port, fault
from analytics_assets_tests.secrecy.traces import FORMS

ECHO = f"https://api/v1/stories?api_key={quote_plus(KEY)}&also={KEY}"
PLACES: dict[str, tuple[Literal["query", "header", "bearer"], str]] = {
    "query": ("query", "api_key"),
    "query under another name": ("query", "zugang"),
    "header": ("header", "X-Zugang"),
    "bearer": ("bearer", "unused"),
}


@dataclass(frozen=True)
class Failure:
    """What the API does, under which settings, and whether the run survives it."""

    faults: Callable[[], list[Fault]] = list
    settings: dict[str, Any] = field(default_factory=dict)
    succeeds: bool = False


def _echoing_rows(page: list[Row]) -> list[Row]:
    """Echo the address in a declared column, in an undeclared one, and in a row that is rejected."""
    return [{**page[0], "caption": ECHO, "self": {"href": ECHO}}, {**page[1], "id": None, "self": ECHO}, *page[2:]]


def _echoed(page: list[Row]) -> list[Row]:
    return [{**row, "self": {"href": ECHO}} for row in page]


def _gson(*faults: Fault) -> list[Fault]:
    """Write what these faults give as Gson and PHP do."""
    return [*faults, Fault("escape", characters="=&+/%")]


FAILURES: dict[str, Failure] = {
    "success": Failure(succeeds=True),
    **{
        str(status): Failure(lambda status=status: fault("echo_url", status=status))  # type: ignore[misc]
        for status in (400, 401, 403, 404, 410, 429, 500, 501, 502, 503, 504)
    },
    "closed": Failure(lambda: fault("close")),
    "reset": Failure(lambda: fault("close", reset=True)),
    "truncated": Failure(lambda: fault("truncate")),
    "read timeout": Failure(lambda: fault("latency", seconds=5), {"read_timeout": 0.2}),
    "response timeout": Failure(lambda: fault("slow_body", delay=0.05, chunks=50), {"response_timeout": 0.2}),
    "too large": Failure(lambda: fault("body", content=b" " * 2**21), {"max_response_mb": 1}),
    "HTML": Failure(lambda: fault("html", content=f"<p>{ECHO}</p>")),
    "HTML error": Failure(lambda: fault("html", content=f"<p>{ECHO}</p>", status=400)),
    "error in 200": Failure(lambda: fault("error_in_200", message=ECHO)),
    "data is text": Failure(lambda: fault("data_not_list", value=ECHO)),
    "total is text": Failure(lambda: fault("total", value=ECHO)),
    "rows that echo": Failure(lambda: fault("mutate_rows", change=_echoing_rows), succeeds=True),
    "rows that echo, refused": Failure(lambda: fault("mutate_rows", change=_echoing_rows), {"rejected_rows": "fail"}),
    "rows that echo, escaped": Failure(lambda: _gson(Fault("mutate_rows", change=_echoing_rows)), succeeds=True),
    "every row echoes": Failure(lambda: fault("mutate_rows", change=_echoed)),
    "every row echoes, escaped": Failure(lambda: _gson(Fault("mutate_rows", change=_echoed))),
    "error in 200, escaped": Failure(
        lambda: fault("body", content=json.dumps({"error": ECHO}).replace("=", "\\u003d").replace("/", "\\/"))
    ),
    "a header that is none": Failure(lambda: fault("header", line=f"asked for {ECHO}"), succeeds=True),
    "a host named as the key": Failure(lambda: fault("redirect", location=f"https://{quote(KEY, safe='')}.example/")),
    "ids that repeat": Failure(lambda: fault("mutate_rows", change=lambda page: [{"id": ECHO}] * len(page))),
    "redirect that echoes, in a circle": Failure(
        lambda: fault("redirect", location=f"/v1/stories?key={quote_plus(KEY)}")
    ),
    "Retry-After that echoes": Failure(lambda: fault("status", status=429, headers={"Retry-After": KEY})),
    "refused": Failure(settings={"base_url": f"http://127.0.0.1:{closed_port()}"}),
    "unknown host": Failure(settings={"base_url": "https://nowhere.invalid"}),
    "no TLS": Failure(),
    "TLS": Failure(),
    "another host": Failure(),
}
THOROUGH = "query under another name"
BRIEFLY = (
    "success",
    "400",
    "401",
    "429",
    "HTML error",
    "error in 200",
    "rows that echo",
    "rows that echo, escaped",
    "a header that is none",
    "a host named as the key",
    "refused",
    "closed",
    "TLS",
    "another host",
)
TOKEN_FAILURES = ("success", "401", "rows that echo", "rows that echo, escaped", "a header that is none")
MUTANTS: dict[str, tuple[Any, str, Any, tuple[str, ...]]] = {
    "nothing": (Redactor, "__call__", lambda _, text: text, ("400", "refused", "HTML")),
    "the log": (Redactor, "log_record", lambda *_: True, ("success",)),
    "exceptions": (Redactor, "error", lambda _, error, *__: error, ("refused", "closed")),
    "the response's address": (
        ApiAdapter,
        "build_response",
        lambda *parts: _unredacted(*parts),  # noqa: PLW0108 - it stands below
        ("400",),
    ),
    "all logs but one": (redaction, "WIRE_LOGS", ("urllib3.connectionpool",), ("a header that is none",)),
    "what a log shows of an exception": (
        Redactor,
        "log_record",
        lambda redact, record: _message_alone(redact, record),  # noqa: PLW0108 - it stands below
        ("a header that is none",),
    ),
    "rows": (Redactor, "is_in", lambda *_: False, ("rows that echo",)),
    "rows that are set aside": (PageRows, "_set_aside", lambda *parts: _SET_ASIDE(*parts[:2]), ("rows that echo",)),
    "what is decoded": (redaction, "_may_hold", lambda *_: False, ("rows that echo, escaped",)),
}


_SET_ASIDE = PageRows._set_aside  # noqa: SLF001 - the mutant goes on with it


def _message_alone(redact: Redactor, record: logging.LogRecord) -> bool:
    record.msg, record.args = redact(record.getMessage()), ()
    return True


def _unredacted(adapter: ApiAdapter, request: requests.PreparedRequest, raw: object) -> requests.Response:
    response = ApiResponse(adapter._redact)  # noqa: SLF001 - the mutant has to go on working
    vars(response).update(vars(super(ApiAdapter, adapter).build_response(request, raw)))
    return response


class Trial:
    """An API that fails as told, and the runs that load from it."""

    def __init__(self, project: Project, instance: dg.DagsterInstance, tls: Tls, elsewhere: SandboxServer) -> None:
        """Keep what the failures need."""
        self._project = project
        self._instance = instance
        self._urls = {
            "TLS": tls.url,
            "no TLS": elsewhere.url.replace("http:", "https:"),
        }
        self._elsewhere = elsewhere

    def place(self, name: str) -> None:
        """Serve an API that takes the key in that place."""
        location, key_name = PLACES[name]
        self._sandbox = self._project.serve(
            shape=Shape(key=KEY, key_location=location, key_name=key_name), rows={"stories": stories(4)}
        )
        self._project.configure(key_location=location, key_name=key_name, max_retries=1, backoff_factor=0)

    def sell_tokens(self, secret: str) -> None:
        """Serve an API that takes a token, which is ``KEY``."""
        shape = Shape(key=secret, key_location="oauth2")
        self._sandbox = self._project.serve(shape=shape, rows={"stories": stories(4)})
        self._sandbox.tokens.name = lambda _: KEY
        url = self._project.configured("base_url")
        self._project.configure(key_location="oauth2", token_url=f"{url}/oauth/token", client_id=shape.client_id)
        self._project.configure(max_retries=1, backoff_factor=0)

    def run(self, name: str, monkeypatch: pytest.MonkeyPatch, *, through_dagster: bool = True) -> bool:
        """Materialize a day, or only load it, while the API fails in that way; whether that succeeded."""
        failure = FAILURES[name]
        with monkeypatch.context() as patched:
            for setting, value in failure.settings.items():
                patched.setenv(f"ANALYTICS_API__{setting.upper()}", str(value))
            if name in self._urls:
                patched.setenv("ANALYTICS_API__BASE_URL", self._urls[name])
            self._sandbox.faults[:] = failure.faults()
            if name == "another host":
                self._sandbox.faults[:] = fault(
                    "redirect", location=f"{self._elsewhere.url}/v1/stories?k={quote_plus(KEY)}"
                )
            if through_dagster:
                return self._project.materialize("stories", day=DAY, instance=self._instance).success
            try:
                self._project.load()
            except Exception:
                # what Dagster would do with it
                logging.exception("the load failed")  # noqa: LOG015 - the root's file is looked through
                return False
            return True


@pytest.fixture
def trial(project: Project, kept: dg.DagsterInstance, tls: Tls, elsewhere: SandboxServer, waits: object) -> Trial:  # noqa: ARG001
    """Return what makes runs fail; nobody waits between attempts."""
    return Trial(project, kept, tls, elsewhere)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("place", PLACES)
def test_the_key_is_in_nothing_that_a_run_leaves(  # noqa: PLR0913, PLR0917 - fixtures
    trial: Trial,
    tls: Tls,
    elsewhere: SandboxServer,
    leaks: Callable[[], list[str]],
    monkeypatch: pytest.MonkeyPatch,
    place: str,
) -> None:
    """Every failure in turn, at DEBUG: not in the console, Dagster's and dlt's files, the warehouse, nor anywhere else.

    All of them go through Dagster where libraries are least on their guard, and some where the key has another place.
    The rest is loaded without Dagster, which takes a fifth of the time: what Dagster does depends on no place.
    """
    trial.place(place)
    for name, failure in FAILURES.items():
        through_dagster = place == THOROUGH or name in BRIEFLY
        assert trial.run(name, monkeypatch, through_dagster=through_dagster) is failure.succeeds, name
    assert leaks() == []
    # not even the handshake went through, so that nothing was sent
    assert tls.asked == []
    # refused before a request was made
    assert elsewhere.sandbox.requests == []


@pytest.mark.slow
def test_a_token_is_in_nothing_that_a_run_leaves(
    trial: Trial, project: Project, leaks: Callable[[], list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is true of the key is true of a token, and of the secret that it is asked for with.

    Here the token is the text that all of these failures repeat.
    """
    secret = "secret+of/the=client"
    monkeypatch.setenv("API_KEY", secret)
    trial.sell_tokens(secret)
    for name in TOKEN_FAILURES:
        assert trial.run(name, monkeypatch, through_dagster=name == "success") is FAILURES[name].succeeds, name
    project.assert_nowhere((secret, quote_plus(secret)))
    assert leaks() == []


def test_the_log_is_given_one_filter_a_key(project: Project) -> None:
    """A process that makes many loads, such as a code server, does not gather filters."""
    project.serve(rows={"stories": stories(1)})
    project.load()
    logs = [logging.getLogger(name) for name in redaction.WIRE_LOGS]
    before = [len(log.filters) for log in logs]
    project.load()
    assert [len(log.filters) for log in logs] == before


@pytest.mark.slow
@pytest.mark.parametrize("mutant", MUTANTS)
def test_the_search_finds_what_is_not_redacted(
    trial: Trial, leaks: Callable[[], list[str]], monkeypatch: pytest.MonkeyPatch, mutant: str
) -> None:
    """With any one of the redactions taken out, the search above fails."""
    owner, method, replacement, failures = MUTANTS[mutant]
    trial.place("query under another name")
    monkeypatch.setattr(owner, method, replacement)
    for name in failures:
        trial.run(name, monkeypatch)
        # of an exception Dagster is told no more than the message
        trial.run(name, monkeypatch, through_dagster=False)
    assert leaks()


def test_no_file_holds_the_key_while_a_run_lasts(project: Project, kept: dg.DagsterInstance) -> None:
    """Not for a moment: each file is looked into as often as can be until the run ends."""
    echoed = Fault("mutate_rows", change=_echoing_rows)
    sandbox = project.serve(rows={"stories": stories(60)}, faults=_gson(Fault("latency", seconds=0.02), echoed))
    project.configure(page_size=10)
    found: list[str] = []
    ended, looks = threading.Event(), itertools.count()
    forms = [*KEY_FORMS, *(form for form in FORMS if "\\" in form)]

    def look() -> None:
        # not `rglob`, which fails where a folder goes meanwhile
        for path in (Path(folder, name) for folder, _, names in os.walk(project.path) for name in names):
            with contextlib.suppress(OSError):
                content = path.read_bytes()
                found.extend(str(path) for form in forms if form.encode() in content)
        next(looks)

    def watch() -> None:
        while not ended.is_set():
            look()

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        assert project.materialize(instance=kept).success
    finally:
        ended.set()
        watcher.join()
    assert len(sandbox.requests) == 6
    assert next(looks) > 20
    assert found == []
    assert not list(project.path.rglob("trace.pickle"))
