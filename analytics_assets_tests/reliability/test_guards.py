"""Mutation of the guards: each one is taken out, and what it is there for then goes wrong.

A guard whose removal nothing notices is no guard. Those that are not here: the staging dataset of each run and the
transaction around a merge, which need several processes or a second warehouse.
"""

import contextlib
import json
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import duckdb
import filelock
import pyarrow as pa
import pytest
import requests

from analytics_assets.ingest import load as loading
from analytics_assets.ingest import proving
from analytics_assets.ingest.api import pagination, retries, session, walk
from analytics_assets.ingest.api.adapter import ApiAdapter
from analytics_assets.ingest.api.pages import PageSession
from analytics_assets.ingest.api.pagination import WindowPages
from analytics_assets.ingest.api.redaction import Redactor
from analytics_assets.ingest.api.walk import OffsetWalk
from analytics_assets.ingest.errors import explain
from analytics_assets.ingest.load import WindowPipeline
from analytics_assets.ingest.settings import Settings
from analytics_assets.ingest.table import values
from analytics_assets.ingest.table.cursor import Cursor
from analytics_assets.ingest.table.rows import PageRows
from analytics_assets.ingest.warehouse import outcome, writer
from analytics_assets.ingest.warehouse.warehouse import Warehouse
from analytics_assets.sandbox.app import Sandbox
from analytics_assets.sandbox.faults import Fault
from analytics_assets.sandbox.server import SandboxServer
from analytics_assets.sandbox.shape import Shape
from analytics_assets_tests.project import KEY, KEY_FORMS, Project, endpoint_of
from analytics_assets_tests.reliability.matrix import Row, newcomer, undeclared
from analytics_assets_tests.reliability.stage import Api, load, read

pytestmark = pytest.mark.duckdb

MEDIA = endpoint_of("media_insights")
_PAGE = 4


@dataclass(frozen=True)
class Stage:
    """What a scene plays on."""

    api: Api
    project: Project
    has_more: bool = False
    """Whether rows have columns that are not declared."""

    def serve(self, count: int = 8, *faults: Fault, has_total: bool = True, **settings: Any) -> Settings:  # noqa: ANN401 - Settings types them
        """Serve that many rows in pages of four, one request after the other."""
        values = {"page_size": _PAGE, "max_concurrent_requests": 1, **settings}
        rows = [row | (undeclared(number) if self.has_more else {}) for number, row in enumerate(_stories(count))]
        asked = self.api.serve(rows, has_total=has_total, **values)
        self.api.sandbox.faults = list(faults)
        return asked

    def change(self, change: Callable[[list[Row]], None]) -> None:
        """Change the rows once, before the second page is answered."""
        served: list[Row] = self.api.sandbox.rows["stories"]
        done: list[bool] = []

        def before(asked: Any) -> None:  # noqa: ANN401
            if asked.params["offset"] != "0" and not done:
                done.append(True)
                change(served)

        self.api.sandbox.on_request = before

    @property
    def there(self) -> list[str]:
        """The ids that the API has."""
        return sorted(row["id"] for row in self.api.sandbox.rows["stories"])


Scene = Callable[[Stage], bool]
"""Plays, and says whether it went as it should."""


def _stories(count: int) -> list[Row]:
    return [newcomer(f"r{number:02d}") for number in range(count)]


def _ids(settings: Settings, rereads: int = 0) -> list[str] | str:
    """Return the ids that are read, or how the read fails."""
    try:
        return [row["id"] for row in read(settings, rereads=rereads).rows]
    except Exception as error:  # noqa: BLE001 - what it is, is the answer
        problem = explain(error)
        return f"{problem.kind} | {problem.message}" if problem else f"no words | {error}"


def _failed(found: list[str] | str, kind: str) -> bool:
    return isinstance(found, str) and found.startswith(f"{kind} |")


def _a_change_that_the_total_tells(stage: Stage) -> bool:
    asked = stage.serve()

    def one_goes_and_two_come(served: list[Row]) -> None:
        del served[0]
        served += [newcomer("x1"), newcomer("x2")]

    stage.change(one_goes_and_two_come)
    return _failed(_ids(asked), "incomplete")


def _a_shift_without_a_total(stage: Stage) -> bool:
    asked = stage.serve(has_total=False)
    stage.change(lambda served: served.__delitem__(0))
    return _failed(_ids(asked), "incomplete")


def _a_page_twice(stage: Stage) -> bool:
    return _failed(_ids(stage.serve(8, Fault("ignore_offset"))), "incomplete")


def _an_empty_page_in_the_middle(stage: Stage) -> bool:
    return _failed(_ids(stage.serve(12, Fault("data_not_list", value=[], offset=4))), "incomplete")


def _the_count_of_the_page_as_total(stage: Stage) -> bool:
    return _failed(_ids(stage.serve(12, Fault("total", value=_PAGE))), "incomplete")


def _no_rows_where_they_should_be(stage: Stage) -> bool:
    return _failed(_ids(stage.serve(8, Fault("null_data"), has_total=False)), "wrong shape")


def _an_error_beside_no_rows(stage: Stage) -> bool:
    fault = Fault("body", content=b'{"data": [], "error": "try later"}')
    return _failed(_ids(stage.serve(8, fault, has_total=False)), "wrong shape")


def _a_window_that_moves_once(stage: Stage) -> bool:
    asked = stage.serve()
    stage.change(lambda served: served.__delitem__(0))
    with contextlib.suppress(Exception):
        load(asked)
    return stage.project.ids() == stage.there


def _pages_under_way_when_rows_move(stage: Stage) -> bool:
    """Have the second page fail once and come late: those behind it were answered before the rows moved."""
    late = [Fault("latency", seconds=0.2, offset=4, times=1), Fault("status", status=503, offset=4, times=1)]
    asked = stage.serve(40, *late, max_concurrent_requests=4)
    served, times = stage.api.sandbox.rows["stories"], []

    def before(request: Any) -> None:  # noqa: ANN401
        times.extend([1] * (request.params["offset"] == "4"))
        if len(times) == 2 and len(served) == 40:
            del served[0]

    stage.api.sandbox.on_request = before
    return _ids(asked, rereads=1) == stage.there


def _no_key_in_a_failure(stage: Stage) -> bool:
    found = _ids(stage.serve(8, Fault("status", status=400)))
    return isinstance(found, str) and not any(form in found for form in KEY_FORMS)


def _no_key_for_another_host(stage: Stage) -> bool:
    key: dict[str, Any] = {"key_location": "header", "key_name": "x-key"}
    with SandboxServer(Sandbox(rows={}, shape=Shape(key=KEY, **key))) as other:
        asked = stage.serve(8, Fault("redirect", location=f"{other.url}/v1/stories?offset=0&limit=4"), **key)
        stage.api.sandbox.shape = Shape(key=KEY, paths=stage.api.sandbox.shape.paths, **key)
        _ids(asked)
        return other.sandbox.requests == []


def _an_answer_too_large(stage: Stage) -> bool:
    asked = stage.serve(1, max_response_mb=1)
    stage.api.sandbox.rows["stories"][0]["caption"] = "a" * 2**21
    return _failed(_ids(asked), "wrong shape")


def _an_answer_too_slow(stage: Stage) -> bool:
    asked = stage.serve(1, Fault("slow_body", delay=0.1, chunks=10), response_timeout=0.3, max_retries=0)
    return _failed(_ids(asked), "unreachable")


def _two_failures_of_a_page(stage: Stage) -> bool:
    return _ids(stage.serve(8, Fault("status", status=503, offset=4, times=2))) == stage.there


def _a_retry_after_beyond_the_calendar(stage: Stage) -> bool:
    header = {"Retry-After": "Fri, 01 Jan 99999 00:00:00 GMT"}
    return _ids(stage.serve(8, Fault("status", status=429, headers=header, times=1))) == stage.there


def _a_row_of_another_day(stage: Stage) -> bool:
    late = {"timestamp": "2025-03-02T00:00:00Z"}
    fault = Fault("mutate_rows", offset=0, change=lambda page: [{**page[0], **late}, *page[1:]])
    return _ids(stage.serve(8, fault)) == stage.there[1:]


def _a_whole_number_that_is_none(stage: Stage) -> bool:
    fault = Fault("mutate_rows", offset=0, change=lambda page: [{**page[0], "like_count": 3.5}, *page[1:]])
    return _ids(stage.serve(8, fault)) == stage.there[1:]


def _rejected_rows_are_kept(stage: Stage) -> bool:
    fault = Fault("mutate_rows", offset=0, change=lambda page: [{**page[0], "like_count": "many"}, *page[1:]])
    load(stage.serve(8, fault))
    return len(stage.project.table("stories__rejected")) == 1


def _rows_lost_on_the_way(stage: Stage) -> bool:
    """Play a warehouse that says all is well and has a row less."""
    original = WindowPipeline.load

    def lossy(self: WindowPipeline, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - dlt's signature
        info = original(self, *args, **kwargs)
        with self.sql_client() as client:
            client.execute_sql("DELETE FROM stories WHERE id = 'r03'")
        return info

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(WindowPipeline, "load", lossy)
        try:
            load(stage.serve())
        except Exception as error:  # noqa: BLE001 - what it is, is the answer
            problem = explain(error)
            return problem is not None and problem.kind == "incomplete"
    return stage.project.ids() == stage.there


def _measured(value: int, hour: int) -> Row:
    times = {"timestamp": "2025-03-01T12:00:00Z", "updated_at": f"2025-03-01T{hour}:00:00Z"}
    return {"id": "m1", "value": value, **times}


def _value_of(stage: Stage) -> Any:  # noqa: ANN401 - JSON
    (row,) = stage.project.table("media_insights")
    return json.loads(row["value"])


def _an_older_state_comes_later(stage: Stage) -> bool:
    load(stage.api.serve([_measured(2, 14)], endpoint=MEDIA), MEDIA)
    load(stage.api.serve([_measured(1, 13)], endpoint=MEDIA), MEDIA)
    return bool(_value_of(stage) == 2)


def _two_states_in_one_load(stage: Stage) -> bool:
    both = [_measured(1, 13), _measured(2, 14)]
    load(stage.api.serve(both, endpoint=MEDIA, has_total=False, total_selector=""), MEDIA)
    return bool(_value_of(stage) == 2)


def _somebody_else_is_writing(stage: Stage) -> bool:
    """Hold the writer's lock until the load has asked for it in vain, or has ended without asking."""
    asked, attempts = stage.serve(), threading.Semaphore(0)
    acquired = writer._acquired  # noqa: SLF001 - what the lock is asked

    def attempt(lock: filelock.BaseFileLock) -> bool:
        attempts.release()
        return acquired(lock)

    thread = threading.Thread(target=load, args=[asked])
    with pytest.MonkeyPatch.context() as patch, filelock.FileLock(stage.project.path / "warehouse.duckdb.lock"):
        patch.setattr(writer, "_acquired", attempt)
        thread.start()
        waits = False
        while thread.is_alive() and not waits:
            waits = all(attempts.acquire(timeout=0.2) for _ in range(3))
    thread.join()
    return waits and stage.project.ids() == stage.there


def _a_failure_is_written_down(stage: Stage) -> bool:
    asked = stage.serve(8, Fault("status", status=400))
    with pytest.raises(Exception, match="400"):
        load(asked)
    try:
        with duckdb.connect(str(stage.project.path / "warehouse.duckdb"), read_only=True) as connection:
            return connection.sql("SELECT outcome FROM analytics._analytics_windows").fetchall() == [("failed",)]
    except duckdb.Error:
        return False


def _first_total(self: WindowPages, response: Any, body: Any) -> int | None:  # noqa: ANN401
    return self.walk.total if self.walk.pages else _TOTAL(self, response, body)


def _whole_by_count(self: OffsetWalk, total: int, page: list[Any]) -> None:
    self.offset = self.rows_read
    self.is_whole = not page or self.rows_read >= total


def _any_rows(self: WindowPages, response: Any, body: Any) -> list[Any]:  # noqa: ANN401
    del self, response
    return body.get("data") or []


def _read_all(self: ApiAdapter, response: requests.Response) -> None:
    del self
    assert response.content is not None


_TOTAL = WindowPages._total  # noqa: SLF001 - the guard itself
_NOTHING: Callable[..., None] = lambda *_: None  # noqa: E731 - one line each, as the table below reads


@dataclass(frozen=True)
class Guard:
    """A guard, the scene it is there for, and what stands in its place when it is taken out."""

    name: str
    scene: Scene
    owner: Any
    attribute: str
    instead: Any


GUARDS = [
    Guard("the total stays", _a_change_that_the_total_tells, WindowPages, "_total", _first_total),
    Guard("shared row", _a_shift_without_a_total, OffsetWalk, "_check_anchor", _NOTHING),
    Guard("distinct ids", _a_page_twice, walk, "id_hashes", lambda rows, _, at: [*range(at, at + len(rows))]),
    Guard("rows to the total", _an_empty_page_in_the_middle, OffsetWalk, "_go_on", _whole_by_count),
    Guard("one page more", _the_count_of_the_page_as_total, OffsetWalk, "_may_be_capped", lambda *_: False),
    Guard("a list of rows", _no_rows_where_they_should_be, WindowPages, "_rows", _any_rows),
    Guard("an error said", _an_error_beside_no_rows, pagination, "_error", _NOTHING),
    Guard("reading again", _a_window_that_moves_once, proving, "MAX_REREADS", 0),
    Guard("pages dropped", _pages_under_way_when_rows_move, PageSession, "drop_ahead", _NOTHING),
    Guard("redaction", _no_key_in_a_failure, Redactor, "__call__", lambda _, text: text),
    Guard(
        "redirects",
        _no_key_for_another_host,
        session,
        "_redirect_target",
        lambda response: requests.Session.get_redirect_target(requests.Session(), response),
    ),
    Guard("size of an answer", _an_answer_too_large, ApiAdapter, "_read_within_bounds", _read_all),
    Guard("time of an answer", _an_answer_too_slow, ApiAdapter, "_read_within_bounds", _read_all),
    Guard("retried statuses", _two_failures_of_a_page, session, "RETRIED_STATUSES", ()),
    Guard(
        "Retry-After",
        _a_retry_after_beyond_the_calendar,
        retries,
        "_wait",
        lambda asked, _usual, state: asked(state),
    ),
    Guard(
        "window filter", _a_row_of_another_day, Cursor, "inside", lambda _, column, __: pa.array([True] * len(column))
    ),
    Guard("exact numbers", _a_whole_number_that_is_none, values, "_COERCED_BY_ARROW", {}),
    Guard("rejected rows", _rejected_rows_are_kept, PageRows, "take_rejected", lambda _: []),
    Guard("proof of arrival", _rows_lost_on_the_way, Warehouse, "rows_found", lambda *_: 0),
    Guard("newer states", _an_older_state_comes_later, loading, "say_how_to_merge", _NOTHING),
    Guard("newest of a load", _two_states_in_one_load, loading, "say_how_to_merge", _NOTHING),
    Guard("one writer", _somebody_else_is_writing, Warehouse, "writer", lambda *_, **__: contextlib.nullcontext()),
    Guard("failures noted", _a_failure_is_written_down, outcome, "record_failure", _NOTHING),
]


@pytest.fixture(params=[False, True], ids=["", "undeclared"])
def stage(request: pytest.FixtureRequest, api: Api, project: Project) -> Stage:
    """Return the API and an empty warehouse; once with rows as declared, and once with more columns."""
    return Stage(api, project, request.param)


@pytest.mark.parametrize("guard", GUARDS, ids=lambda guard: guard.name)
def test_the_guard_does_its_work(stage: Stage, guard: Guard) -> None:
    """With the guard the scene goes as it should."""
    assert guard.scene(stage)


@pytest.mark.parametrize("guard", GUARDS, ids=lambda guard: guard.name)
def test_without_the_guard_it_goes_wrong(stage: Stage, monkeypatch: pytest.MonkeyPatch, guard: Guard) -> None:
    """Without it rows are missing from a green run, the key is told, or a failure is not."""
    assert hasattr(guard.owner, guard.attribute)
    monkeypatch.setattr(guard.owner, guard.attribute, guard.instead)
    assert not guard.scene(stage)
