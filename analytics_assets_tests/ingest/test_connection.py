"""The connection check: a few requests for an endpoint, a try to write to the warehouse, one worded verdict each."""

import datetime as dt
import socket
from typing import Any
from urllib.parse import urlsplit

import filelock
import pytest

from analytics_assets.ingest.configured import load_settings
from analytics_assets.ingest.connection import Verdict, check_endpoint, check_warehouse
from analytics_assets.sandbox.faults import Fault
from analytics_assets.sandbox.shape import Shape
from analytics_assets_tests.ingest.test_doubts import hourly, shifted, until_the_first_instant
from analytics_assets_tests.project import KEY, KEY_FORMS, Project, asked, endpoint_of, stories
from analytics_assets_tests.reliability.stage import Misread
from analytics_assets_tests.warehouses import Postgres, Warehouse

STORIES = endpoint_of("stories")


def free_port() -> int:
    """Return a port that nothing listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def test_fine(project: Project, waits: list[float]) -> None:
    """An endpoint that answers as the settings say is fine, after a request for one row and one for the day of it."""
    sandbox = project.serve(rows={"stories": stories(1234) + stories(1, day="2025-03-02")})
    verdict = check_endpoint(STORIES, load_settings())
    assert verdict.is_fine
    assert str(verdict) == "stories: fine: 1,235 rows in all"
    day = {"since": "2025-03-01T00:00:00Z", "until": "2025-03-02T00:00:00Z"}
    assert asked(sandbox) == [
        ("/v1/stories", {"offset": "0", "limit": "1"}),
        ("/v1/stories", {"offset": "0", "limit": "100", **day}),
    ]
    assert waits == []


def test_a_day_with_all_rows_that_there_are(project: Project) -> None:
    """A total that is the same with a window and without one may be right; a window without rows shows it."""
    sandbox = project.serve(rows={"stories": stories(150)})
    assert check_endpoint(STORIES, load_settings()).is_fine
    assert [request.params.get("since") for request in sandbox.requests] == [
        None,
        "2025-03-01T00:00:00Z",
        "1970-01-02T00:00:00Z",
    ]


def test_fine_without_a_total(project: Project) -> None:
    """An API without a total is fine too."""
    project.serve(rows={"stories": stories(3)}, shape=Shape(key=KEY, total_path=None))
    assert check_endpoint(STORIES, load_settings()).is_fine


def test_fields_are_not_new_to_a_check(project: Project) -> None:
    """The table may have them: that is for a load to say."""
    project.serve(rows={"stories": [{**row, "mood": "fine"} for row in stories(3)]})
    project.configure(new_columns="fail")
    assert check_endpoint(STORIES, load_settings()).is_fine


@pytest.mark.parametrize(
    ("shape", "configured", "said"),
    [
        ({"start_param": "from", "end_param": "to"}, {}, "52 rows behind its end"),
        ({"read_as": shifted(3)}, {}, "6 rows behind its end"),
        ({"read_as": lambda span: (None, dt.datetime(1970, 1, 1, tzinfo=dt.UTC)) if span[0] else span}, {}, "0 rows"),
        (
            {"window_format": "date", "read_as": until_the_first_instant},
            {"window_format": "date", "window_end": "inclusive"},
            "0 rows without it",
        ),
    ],
    ids=["the filter is ignored", "another time zone", "the format is not understood", "the end means midnight"],
)
def test_a_window_that_is_misread(
    project: Project, shape: dict[str, Any], configured: dict[str, str], said: str
) -> None:
    """Asked for the day of a row that came, the API has to return it and no row of another day; else it is said."""
    rows = hourly(days=4, first="2025-03-01")
    project.serve(rows={"stories": rows}, shape=Misread(key=KEY, **shape))
    project.configure(page_size=1000, **configured)
    verdict = check_endpoint(STORIES, load_settings())
    assert verdict.kind == "setting"
    assert said in verdict.message
    assert "check window_format" in verdict.message
    assert not [form for form in KEY_FORMS if form in str(verdict)]


@pytest.mark.parametrize(
    ("rows", "faults", "configured", "said"),
    [
        (stories(3), [], {"endpoints__stories__cursor": "posted_at"},
         "the row that came has no 'posted_at', and it has id, like_count, timestamp: name its time in analytics_api."),
        (stories(3), [], {"endpoints__stories__id": "uuid"},
         "the row that came cannot be loaded: uuid is missing. Check analytics_api.endpoints.stories.id and .cursor"),
        (stories(3), [], {"total_selector": "meta.total"},
         "the answer has no 'meta.total' (setting total_selector): where the vendor gives no total, set"),
        (stories(500), [Fault("total", value=7000)], {},
         "asked for 1970-01-02, the API returned no row, and a total of more than that: its total is not the window's"),
    ],
    ids=["cursor", "id", "total", "total of all history"],
)  # fmt: skip
def test_an_answer_that_is_not_as_the_settings_say(
    project: Project, rows: list[dict[str, Any]], faults: list[Fault], configured: dict[str, str], said: str
) -> None:
    """The row that came is looked into, and the total is compared: what would fail or mislead a load is said now."""
    sandbox = project.serve(rows={"stories": rows}, faults=faults)
    project.configure(**configured)
    verdict = check_endpoint(endpoint_of("stories"), load_settings())
    assert verdict.kind == "setting"
    assert said in verdict.message
    assert len(sandbox.requests) <= 3


def test_a_total_that_is_not_there_is_fine_where_nobody_names_it(project: Project) -> None:
    """Many vendors give none; the verdict says how it was looked for."""
    project.serve(rows={"stories": stories(3)}, shape=Shape(key=KEY, total_path=None))
    verdict = check_endpoint(STORIES, load_settings())
    assert str(verdict) == "stories: fine: rows come, and no total (the answer has no 'total': setting total_selector)"
    project.configure(total_selector="")
    assert str(check_endpoint(STORIES, load_settings())) == "stories: fine: rows come, and no total"


def test_an_endpoint_without_rows_is_fine(project: Project) -> None:
    """There is nothing to look into."""
    project.serve(rows={"stories": []})
    assert str(check_endpoint(STORIES, load_settings())) == "stories: fine: 0 rows in all"


def test_the_warehouse_is_tried(project: Project, warehouse: Warehouse) -> None:
    """Before the first load and after it, and nothing is changed by it."""
    project.serve(rows={"stories": stories(3)})
    name = check_warehouse(load_settings()).message
    assert name.endswith(" can be written to")
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


def test_a_day_of_many_pages_is_not_misread(project: Project) -> None:
    """The row may stand on another page than the first; nothing shows that it would not come."""
    project.serve(rows={"stories": hourly(days=1, first="2025-03-01")})
    project.configure(page_size=10)
    assert check_endpoint(STORIES, load_settings()).is_fine


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
    assert check_endpoint(STORIES, load_settings()).is_fine
    # the row twice, and its day
    assert len(sandbox.requests) == 3
    sandbox.reset()
    sandbox.faults = [Fault("status", status=429)]
    verdict = check_endpoint(STORIES, load_settings())
    assert verdict.kind == "API failing"
    assert "answered 429 Too Many Requests and says: " in verdict.message
    assert "It let none pass: set max_requests_per_second = 1" in verdict.message
    assert len(sandbox.requests) == 2
    assert waits == []


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
