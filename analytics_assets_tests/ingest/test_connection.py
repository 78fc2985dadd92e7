"""The connection check: some questions for an endpoint, a try to write to the warehouse, one worded verdict each."""

import itertools
import re
import socket
import struct
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import duckdb
import filelock
import pytest

from analytics_assets.ingest.configured import load_settings
from analytics_assets.ingest.connection import Verdict, check_endpoint, check_warehouse
from analytics_assets.sandbox.faults import Fault
from analytics_assets.sandbox.shape import Shape
from analytics_assets_tests.ingest.test_doubts import hourly
from analytics_assets_tests.project import KEY, KEY_FORMS, Project, endpoint_of, stories
from analytics_assets_tests.warehouses import Postgres, Warehouse

STORIES = endpoint_of("stories")


def free_port() -> int:
    """Return a port that nothing listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def test_fine(project: Project, waits: list[float]) -> None:
    """Each request has its question, and the verdict says what was seen."""
    sandbox = project.serve(rows={"stories": stories(1234) + stories(1, day="2025-03-02")})
    verdict = check_endpoint(STORIES, load_settings())
    assert verdict.is_fine
    seen = "stories: fine: 1,235 rows in all, those of 2025-03-01 came as asked; 11 requests, one by one, "
    assert re.fullmatch(rf"{seen}[0-9,]+ ms each", str(verdict))
    february, first, second, third = ("2025-02-28", "2025-03-01", "2025-03-02", "2025-03-03")
    assert [
        (request.params.get("since", "")[:10], request.params.get("until", "")[:10], request.params["limit"],
         request.params["offset"])
        for request in sandbox.requests
    ] == [
        # a row that can be loaded, and a day with rows
        ("", "", "1", "0"),
        ("", "", "100", "0"),
        # the window
        (february, third, "100", "0"),
        (first, second, "100", "0"),
        (february, first, "100", "0"),
        (second, third, "100", "0"),
        (first, second, "1", "1233"),
        # offset, order
        ("", "", "2", "4"),
        ("", "", "100", "0"),
        # the total
        ("", "", "1", "1234"),
        ("", "", "1", "100"),
    ]  # fmt: skip
    assert waits == []


def test_fine_without_a_total(project: Project) -> None:
    """An API without a total is fine too."""
    project.serve(rows={"stories": stories(3)}, shape=Shape(key=KEY, total_path=None))
    assert check_endpoint(STORIES, load_settings()).is_fine


def test_a_vendor_of_other_names(project: Project) -> None:
    """With the settings that say so, a vendor that calls everything otherwise is as fine, and found out as well."""
    shape = Shape(
        key=KEY,
        key_location="header",
        key_name="X-Key",
        paths={"stories": "/v3/ephemeral"},
        cursors={"stories": "postedAt"},
        data_path="result.items",
        total_path="result.page.total",
        offset_param="skip",
        limit_param="take",
        start_param="filter[ts][_gte]",
        end_param="filter[ts][_lt]",
        window_format="epoch",
    )
    rows = [{"Uuid": row["id"], "postedAt": row["timestamp"]} for row in hourly(days=4, first="2025-03-01")]
    sandbox = project.serve(rows={"stories": rows}, shape=shape)
    project.configure(
        key_location="header",
        key_name="X-Key",
        data_selector="result.items",
        total_selector="result.page.total",
        offset_param="skip",
        limit_param="take",
        window_start_param="filter[ts][_gte]",
        window_end_param="filter[ts][_lt]",
        window_format="epoch",
        endpoints__stories__path="/v3/ephemeral",
        endpoints__stories__cursor="postedAt",
        endpoints__stories__id="Uuid",
    )
    settings = load_settings()
    verdict = check_endpoint(endpoint_of("stories"), settings)
    assert verdict.message.startswith("192 rows in all, those of 2025-03-01 came as asked; "), verdict
    sandbox.faults = [Fault("ignore_offset")]
    assert "('skip'), the API returned the first ones again" in check_endpoint(endpoint_of("stories"), settings).message


def test_fields_are_not_new_to_a_check(project: Project) -> None:
    """The table may have them: that is for a load to say."""
    project.serve(rows={"stories": [{**row, "mood": "fine"} for row in stories(3)]})
    project.configure(new_columns="fail")
    assert check_endpoint(STORIES, load_settings()).is_fine


@pytest.mark.parametrize(
    ("configured", "said", "requests"),
    [
        ({"endpoints__stories__cursor": "posted_at"},
         "the row that came has no 'posted_at', and it has id, like_count, timestamp: name its time in ", 1),
        ({"endpoints__stories__id": "uuid"},
         "the row that came cannot be loaded: uuid is missing. Check analytics_api.endpoints.stories.id and ", 1),
        ({"total_selector": "meta.total"},
         "the answer has no 'meta.total' (setting total_selector): where the vendor gives no total, set", 9),
    ],
    ids=["cursor", "id", "total"],
)  # fmt: skip
def test_an_answer_that_is_not_as_the_settings_say(
    project: Project, configured: dict[str, str], said: str, requests: int
) -> None:
    """What would fail or mislead a load is said now, and nothing is asked behind that."""
    sandbox = project.serve(rows={"stories": stories(3)})
    project.configure(**configured)
    verdict = check_endpoint(endpoint_of("stories"), load_settings())
    assert verdict.kind == "setting"
    assert said in verdict.message
    assert len(sandbox.requests) == requests


def test_a_total_that_is_not_there_is_fine_where_nobody_names_it(project: Project) -> None:
    """Many vendors give none; the verdict says how it was looked for."""
    project.serve(rows={"stories": stories(3)}, shape=Shape(key=KEY, total_path=None))
    verdict = check_endpoint(STORIES, load_settings())
    assert ", the answer has no 'total' (setting total_selector); " in verdict.message
    project.configure(total_selector="")
    fine = "stories: fine: rows come, and no total, those of 2025-03-01 came as asked; "
    assert str(check_endpoint(STORIES, load_settings())).startswith(fine)


def test_an_endpoint_without_rows_is_fine(project: Project) -> None:
    """There is nothing to look into."""
    sandbox = project.serve(rows={"stories": []})
    assert str(check_endpoint(STORIES, load_settings())).startswith("stories: fine: 0 rows in all; 1 request, ")
    assert len(sandbox.requests) == 1


def test_the_warehouse_is_tried(project: Project, warehouse: Warehouse) -> None:
    """Before the first load and after it, and nothing is changed by it."""
    project.serve(rows={"stories": stories(3)})
    name = check_warehouse(load_settings()).message
    assert re.search(r" can be written to \((DuckDB v[0-9.]+, file format v[0-9.]+\+|PostgreSQL [0-9.]+)\)$", name), (
        name
    )
    assert "analytics" not in warehouse.schemas()
    project.load()
    assert check_warehouse(load_settings()) == Verdict("warehouse", None, name)
    assert warehouse.schemas() == ["analytics"]
    assert warehouse.execute("SELECT count(*) FROM analytics.stories") == [(3,)]


@pytest.mark.postgres
def test_a_warehouse_that_refuses(project: Project, postgres: Postgres, monkeypatch: pytest.MonkeyPatch) -> None:
    """A table that may be read and not written is found before a load finds it."""
    project.serve(rows={"stories": stories(3)})
    project.load()
    url = urlsplit(postgres.url)
    database, reader = url.path[1:], f"{url.path[1:]}_checks"
    postgres.execute(f"CREATE ROLE {reader} LOGIN; GRANT ALL ON DATABASE {database} TO {reader}")
    try:
        postgres.execute(f"GRANT USAGE ON SCHEMA analytics TO {reader}")
        as_reader = url._replace(netloc=f"{reader}:unused@{url.hostname}:{url.port}").geturl()
        monkeypatch.setenv("DESTINATION__WAREHOUSE__CREDENTIALS", as_reader)
        verdict = check_warehouse(load_settings())
        assert verdict.kind == "no permission"
        assert "permission denied for table stories" in verdict.message
    finally:
        postgres.execute(f"DROP OWNED BY {reader}; DROP ROLE {reader}")
    assert check_warehouse(load_settings()).kind == "login refused"


def test_a_warehouse_that_is_held(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody stands before the screen: it is waited for a few seconds."""
    monkeypatch.setattr("analytics_assets.ingest.warehouse.warehouse._PATIENCE_SECONDS", 0.1)
    project.serve(rows={"stories": stories(3)})
    project.load()
    with filelock.FileLock(project.path / "warehouse.duckdb.lock"):
        verdict = check_warehouse(load_settings())
    assert verdict.kind == "warehouse busy"
    assert "another run to finish writing warehouse.duckdb" in verdict.message


@pytest.mark.parametrize(
    ("options", "kind", "words"),
    [
        ({"shape": Shape(key="another key")}, "key refused", "403"),
        ({"faults": [Fault("status", status=401)]}, "key refused", "401"),
        ({"shape": Shape(key=KEY, paths={})}, "path not found", "404"),
        ({"faults": [Fault("no_data")]}, "wrong shape", "data_selector"),
        ({"faults": [Fault("error_in_200", message="quota used up")]}, "wrong shape", "quota used up"),
        ({"faults": [Fault("html")]}, "wrong shape", "no valid JSON"),
        ({"faults": [Fault("status", status=503)]}, "API failing", "503"),
        ({"faults": [Fault("status", status=400)]}, "request refused", "400"),
        ({"faults": [Fault("close")]}, "unreachable", "base_url"),
    ],
    ids=lambda value: str(value) if isinstance(value, str) else "",
)
def test_each_problem_has_its_verdict(
    project: Project, waits: list[float], options: dict[str, Any], kind: str, words: str
) -> None:
    """Key refused, path not found, wrong shape and the rest: told apart, after one request, without the key."""
    sandbox = project.serve(rows={"stories": stories(1)}, **options)
    verdict = check_endpoint(STORIES, load_settings())
    assert not verdict.is_fine
    assert verdict.kind == kind
    assert words in verdict.message
    assert not [form for form in KEY_FORMS if form in str(verdict)]
    assert len(sandbox.requests) == 1
    assert waits == []


def test_a_refusal_for_the_pace_is_asked_again(project: Project, waits: list[float]) -> None:
    """Other runs may be using up the API's pace, which says nothing of the settings: a 429 is retried, once."""
    once = Fault("status", status=429, times=1)
    sandbox = project.serve(rows={"stories": stories(3)}, faults=[once])
    assert "; 10 requests, one by one, " in check_endpoint(STORIES, load_settings()).message
    assert len(sandbox.requests) == 10
    sandbox.reset()
    sandbox.faults = [Fault("status", status=429)]
    verdict = check_endpoint(STORIES, load_settings())
    assert verdict.kind == "API failing"
    assert "answered 429 Too Many Requests and says: " in verdict.message
    assert "It let none pass: set max_requests_per_second = 1" in verdict.message
    assert len(sandbox.requests) == 2
    assert waits == []


def test_refusals_are_not_asked_again_for_ever(project: Project, waits: list[float]) -> None:
    """An API that refuses every other request is too fast to be checked, and is not asked twenty times."""
    refuses = itertools.cycle([True, False])
    faults = [Fault("rate_limit", allows=lambda: not next(refuses), retry_after=None)]
    sandbox = project.serve(rows={"stories": stories(3)}, faults=faults)
    verdict = check_endpoint(STORIES, load_settings())
    assert verdict.kind == "API failing"
    assert [request.status for request in sandbox.requests] == [429, 200, 429, 200, 429]
    assert waits == []


def test_the_check_goes_on_after_a_refusal(project: Project) -> None:
    """A session that has had a failure makes no further request, so that a load ends at once; the check has another."""
    project.configure(backoff_factor=0.05)
    sandbox = project.serve(rows={"stories": stories(3)})
    refused = Fault("status", status=429, times=1)
    sandbox.on_request = lambda _: sandbox.faults.append(refused) if len(sandbox.requests) == 4 else None
    verdict = check_endpoint(STORIES, load_settings())
    assert verdict.message.endswith(", 1 of them made again after a 429"), verdict


@pytest.mark.parametrize("at", [2, 4, 8, 10])
def test_an_odd_answer_is_a_sentence(project: Project, waits: list[float], at: int) -> None:
    """Whichever request it answers: a sentence without the key, no traceback, and no further request."""
    sandbox = project.serve(rows={"stories": stories(101)})
    bodies = [
        "",
        "null",
        "[]",
        "3",
        '{"data": {}}',
        '{"data": [[1], null, {}], "total": true}',
        "<html>",
        '{"data": [1e400]}',
    ]
    odd = [
        *(Fault("body", content=body) for body in bodies),
        *(Fault("status", status=status) for status in (204, 302, 400, 500, 999)),
        *(Fault(kind) for kind in ("close", "truncate", "echo_url", "error_in_200")),
        Fault("redirect", location="https://elsewhere.example/"),
        Fault("mutate_rows", change=lambda page: [{**row, "timestamp": ["?"]} for row in page]),
        Fault("mutate_rows", change=lambda page: [{"id": {}, "timestamp": -1e300} for _ in page]),
    ]
    for fault in odd:
        sandbox.reset()
        sandbox.on_request = lambda _, fault=fault: setattr(  # type: ignore[misc]
            sandbox, "faults", [fault] if len(sandbox.requests) == at else []
        )
        verdict = check_endpoint(STORIES, load_settings())
        assert len(verdict.message.splitlines()) == 1, (fault.kind, fault.options)
        assert not [form for form in KEY_FORMS if form in str(verdict)]
        assert len(sandbox.requests) < 20
    assert waits == []


def _checksum(block: bytes) -> int:
    """Return DuckDB's checksum of the rest of a block of its file."""
    checksum = 5381
    for (word,) in struct.iter_unpack("<Q", block):
        checksum ^= word * 0xBF58476D1CE4E5B9 % 2**64
    return checksum


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda header: struct.pack_into("<Q", header, 4, 1000), "file with storage version number 1000, but we can"),
        (lambda header: struct.pack_into("<Q", header, 4, 50), "file with storage version number 50, but we can"),
    ],
    ids=["newer", "older"],
)  # fmt: skip
def test_a_file_of_another_duckdb(project: Project, change: Callable[[bytearray], None], said: str) -> None:
    """A file that this DuckDB does not read is told in words, with what to do, and left as it is."""
    path = project.path / "warehouse.duckdb"
    duckdb.connect(str(path)).close()
    content = bytearray(path.read_bytes())
    header = content[8:4096]
    change(header)
    content[:4096] = struct.pack("<Q", _checksum(bytes(header))) + header
    path.write_bytes(content)
    verdict = check_warehouse(load_settings())
    assert verdict.kind == "cannot open"
    assert said in verdict.message
    assert f"this is DuckDB {duckdb.__version__}" in verdict.message
    assert path.read_bytes() == content


def test_a_file_that_is_damaged(project: Project) -> None:
    """DuckDB finds it by a checksum."""
    path = project.path / "warehouse.duckdb"
    duckdb.connect(str(path)).close()
    content = bytearray(path.read_bytes())
    content[100] ^= 1
    path.write_bytes(content)
    verdict = check_warehouse(load_settings())
    assert verdict.kind == "cannot open"
    assert "Corrupt database file" in verdict.message


def test_a_check_takes_no_hour(project: Project, waits: list[float]) -> None:
    """What asks for more than half a minute is told at once."""
    project.serve(faults=[Fault("status", status=429, headers={"Retry-After": "3000"})])
    verdict = check_endpoint(STORIES, load_settings())
    assert "asks to wait (Retry-After: 3000), longer than max_retry_after = 30 s" in verdict.message
    assert waits == []


@pytest.mark.parametrize("host", ["127.0.0.1", "no-such-host.invalid"])
def test_unreachable(project: Project, waits: list[float], host: str) -> None:
    """Nobody listens, or the name is unknown: unreachable, and what to check."""
    project.configure(base_url=f"https://{host}:{free_port()}")
    verdict = check_endpoint(STORIES, load_settings())
    assert verdict.kind == "unreachable"
    assert "Check base_url" in verdict.message
    assert waits == []


def test_a_missing_key_is_a_verdict_too(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a key nothing is asked, and the verdict says where to put one."""
    sandbox = project.serve()
    monkeypatch.delenv("API_KEY")
    verdict = check_endpoint(STORIES, load_settings())
    assert verdict.kind == "setting"
    assert "API_KEY" in verdict.message
    assert sandbox.requests == []
