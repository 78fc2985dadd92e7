"""docs/messages.md shows what a user reads: each kind of failure is played, and its message compared."""

import functools
import json
import os
import signal
from typing import Any, get_args

import pytest

from analytics_assets.ingest.errors import Kind
from analytics_assets.ingest.warehouse import warehouse
from analytics_assets.ingest.warehouse.writer import duckdb_writer
from analytics_assets.sandbox.faults import Fault
from analytics_assets.sandbox.shape import Shape
from analytics_assets_tests.concurrency.test_duckdb import reader
from analytics_assets_tests.ingest.questions.test_paging import at, shuffled
from analytics_assets_tests.ingest.questions.vendor import ROWS, check
from analytics_assets_tests.ingest.test_doubts import shifted
from analytics_assets_tests.messages import DOCUMENT, as_documented, documented
from analytics_assets_tests.project import KEY, Project, failure_of, message_of, stories

LIMIT = json.dumps({"error": {"message": '"limit" must be less than or equal to 50'}})
PLAYED: dict[Kind, dict[str, Any]] = {
    "key refused": {"shape": Shape(key="another key")},
    "path not found": {"shape": Shape(key=KEY, paths={})},
    "request refused": {"faults": [Fault("body", content=LIMIT, status=400)]},
    "API failing": {"faults": [Fault("status", status=503)]},
    "wrong shape": {"faults": [Fault("no_data")]},
    "incomplete": {"faults": [Fault("total", value=5000)]},
}


def test_every_kind_is_shown() -> None:
    """A reader of a message finds one like it in the document."""
    assert all(documented(kind) for kind in get_args(Kind))


@pytest.mark.parametrize("kind", PLAYED)
def test_what_the_api_does(project: Project, waits: list[float], kind: Kind) -> None:  # noqa: ARG001 - nobody waits
    """A run that failed, as the UI and ``make load`` tell it."""
    project.serve(**{"rows": {"stories": stories(90)}, **PLAYED[kind]})
    assert as_documented(message_of(project.materialize())) == documented(kind)


def test_an_api_that_is_not_there(project: Project, waits: list[float]) -> None:  # noqa: ARG001 - nobody waits
    """Nobody listens."""
    project.configure(base_url="http://127.0.0.1:9")
    assert as_documented(message_of(project.materialize())) == documented("unreachable")


def test_what_the_check_finds(project: Project) -> None:
    """Each example of `make check` is what it says of an API that is made so."""
    shown = " ".join(DOCUMENT.read_text().split("## `make check`")[1].split())
    found = [
        check(project, ROWS, shape={"read_as": shifted(3)}),
        check(project, ROWS, at(lambda offset, limit: offset * limit)),
        check(project, ROWS, shuffled()),
        check(project, ROWS, Fault("total", value=7000)),
    ]
    for verdict, _ in found:
        assert str(verdict) in shown


def test_a_setting(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """The key is missing."""
    monkeypatch.delenv("API_KEY")
    assert as_documented(message_of(project.materialize())) == documented("setting")


@pytest.mark.duckdb
def test_a_file_that_is_held(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another program has the DuckDB file open."""
    project.serve(rows={"stories": stories(3)})
    project.load()
    monkeypatch.setattr(warehouse, "duckdb_writer", functools.partial(duckdb_writer, reader_wait=0.1))
    with reader(project):
        assert as_documented(message_of(project.materialize())) == documented("warehouse busy")


def test_a_run_that_is_cancelled(project: Project) -> None:
    """Ctrl-C, or *Terminate* in the UI."""
    sandbox = project.serve(rows={"stories": stories(3)})
    sandbox.on_request = lambda _: os.kill(os.getpid(), signal.SIGTERM)
    assert documented("cancelled") in as_documented(failure_of(project.materialize()))
