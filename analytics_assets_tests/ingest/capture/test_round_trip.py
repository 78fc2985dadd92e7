"""A vendor is recorded and played: it ends as the vendor did, and nothing of the key or the data is in the file."""

import datetime as dt
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from analytics_assets.ingest.capture.capture import capture_of
from analytics_assets.ingest.capture.format import Ending, read_capture, settings_at
from analytics_assets.ingest.capture.reading import read_to_the_end
from analytics_assets.ingest.capture.recorder import Recorder
from analytics_assets.ingest.configured import load_settings
from analytics_assets.ingest.settings import Settings
from analytics_assets.sandbox.faults import Fault
from analytics_assets.sandbox.play import Player
from analytics_assets.sandbox.server import SandboxServer
from analytics_assets.sandbox.shape import Shape
from analytics_assets_tests.project import DAY, KEY, KEY_FORMS, WINDOW, Project, stories

PRIVATE = (
    "jane_doe_1987",
    "Grüße aus Köln, dein Stern",
    "Québec",
    "instagram.example/p/Cx9",
    "17841400000000042",
    "ZmlsZQ",
)


@pytest.fixture(autouse=True)
def _nothing_waits(waits: list[float]) -> None:
    """Have nothing wait between attempts."""
    del waits


def rows(count: int) -> list[dict[str, Any]]:
    """Return stories with what people write, and with shapes of insights APIs."""
    return [
        {
            **story,
            "username": "jane_doe_1987",
            "media_type": "IMAGE",
            "caption": f"Grüße aus Köln, dein Stern ⭐ #{number} jane@doe.example",
            "permalink": f"https://instagram.example/p/Cx9{number}/?igsh=ZmlsZQ",
            "owner": {"id": 17841400000000042, "followers_by_city": {"Québec, CA": 12, "Berlin": 3 + number}},
            "price": 12.5 + number,
            "posted": "2025-03-01T23:30:00+0100",
            "is_shared_to_feed": number % 2 == 0,
        }
        for number, story in enumerate(stories(count))
    ]


def recorded(settings: Settings, name: str = "stories") -> tuple[str, Ending, str]:
    """Record an endpoint; return the file's text, how it ended and what was said."""
    recorder = Recorder(1)
    endpoint = next(one for one in settings.resolved_endpoints if one.name == name)
    with recorder.of(name):
        ending, said = read_to_the_end(endpoint, settings.of(endpoint), WINDOW)
    return capture_of(recorder, settings, dt.date.fromisoformat(DAY), {name: ending})[0], ending, said


@contextmanager
def played(text: str) -> Iterator[Settings]:
    """Play a capture and give the settings that ask it."""
    capture = read_capture(text.encode())
    with SandboxServer(player=Player(capture, KEY)) as server:
        yield Settings.model_validate(settings_at(capture, server.url))


def replay(text: str, name: str = "stories") -> tuple[Ending, str]:
    """Play a capture and read it with the settings in it."""
    with played(text) as settings:
        endpoint = next(one for one in settings.resolved_endpoints if one.name == name)
        return read_to_the_end(endpoint, settings.of(endpoint), WINDOW)


def without_addresses(said: str) -> str:
    """Return the first words of a sentence, without the address in it and without what is quoted of an answer."""
    return re.sub(r"https?://[^ ,]*|'.*'|\{.*\}|[0-9]+|and says: .*", "", said, flags=re.DOTALL)


def assert_private(text: str) -> None:
    """Fail if the key, or something that somebody wrote, stands in a file's text."""
    unescaped = json.dumps(json.loads(text), ensure_ascii=False)
    assert [form for form in (*KEY_FORMS, *PRIVATE) if form in text or form in unescaped] == []


FAULTS: dict[str, tuple[list[Fault], str | None]] = {
    "clean": ([], None),
    "500, then fine": ([Fault("status", status=500, times=1)], None),
    "HTML": ([Fault("html", content="<html><title>Hello jane_doe_1987</title></html>")], "wrong shape"),
    "cut JSON": ([Fault("truncate", keep=0.9)], "unreachable"),
    "JSON that ends early": (
        [Fault("body", content='{"data": [{"caption": "Grüße aus Köln, dein Stern')],
        "wrong shape",
    ),
    "no UTF-8": ([Fault("body", content=b'{"data": [{"id": "Qu\xe9bec"}]}')], "wrong shape"),
    "closed once": ([Fault("close", times=1)], None),
    "a total that lies": ([Fault("total", value=40)], "incomplete"),
    "no rows": ([Fault("no_data")], "wrong shape"),
    "error in 200": (
        [Fault("error_in_200", message="No such account: jane_doe_1987 (17841400000000042)")],
        "wrong shape",
    ),
    "the address echoed": ([Fault("echo_url")], "request refused"),
    "hidden as 403": (
        [Fault("status", status=403, body={"message": "field jane_doe_1987 does not exist"})],
        "request refused",
    ),
    "a page with the key": (
        [Fault("mutate_rows", change=lambda page: [*page[:-1], page[-1] | {"caption": f"see {KEY}"}])],
        None,
    ),
    "redirect elsewhere": (
        [Fault("redirect", location=f"https://other.example/jane_doe_1987?k={KEY}")],
        "request refused",
    ),
    "redirect in a circle": (
        [Fault("redirect", location=f"/v1/stories?limit=10&offset=0&api_key={KEY_FORMS[1]}")],
        "request refused",
    ),
}


@pytest.mark.parametrize("broken", ["too large", "undecodable", "timeout"])
def test_what_came_in_the_place_of_an_answer_comes_again(broken: str, project: Project) -> None:
    """More than is accepted, no gzip where the header says so, nothing in time, for which nobody waits again."""
    fault, kind = {
        "too large": (Fault("body", content=b" " * 2**21), "wrong shape"),
        "undecodable": (Fault("body", content="plain", headers={"content-encoding": "gzip"}), "wrong shape"),
        "timeout": (Fault("latency", seconds=2), "unreachable"),
    }[broken]
    project.serve(rows={"stories": rows(2)}, faults=[fault])
    project.configure(max_response_mb=1, read_timeout=0.2, max_retries=0)
    text, ending, said = recorded(load_settings())
    assert (ending.kind, json.loads(text)["exchanges"][0]["broken"]) == (kind, broken), said
    assert replay(text)[0] == ending


@pytest.mark.parametrize("name", FAULTS)
def test_what_is_played_ends_as_the_vendor_did(name: str, project: Project) -> None:
    """The same kind of problem, or as many rows with as many columns of each type; nothing private in the file."""
    faults, kind = FAULTS[name]
    project.serve(rows={"stories": rows(25)}, faults=faults)
    project.configure(page_size=10)
    text, ending, said = recorded(load_settings())
    assert ending.kind == kind, said
    assert_private(text)
    assert len(text) < 100_000
    again, said_again = replay(text)
    assert again == ending
    assert without_addresses(said_again) == without_addresses(said)


def test_a_vendor_with_other_names(project: Project) -> None:
    """Bearer, results and count, windows in epoch seconds, ids that are numbers, several pages read ahead."""
    shape = Shape(
        key=KEY,
        key_location="bearer",
        paths={"stories": "/v18/17841400000000042/ephemeral"},
        cursors={"stories": "timestamp"},
        data_path="results.items",
        total_path="count",
        offset_param="skip",
        limit_param="take",
        start_param="from",
        end_param="to",
        window_format="epoch",
        require_params={"fields": "id,caption", "account": "jane_doe_1987"},
    )
    numbered = [row | {"id": 100 + number} for number, row in enumerate(rows(70))]
    project.serve(rows={"stories": numbered}, shape=shape)
    base = project.configured("base_url")
    settings = Settings.model_validate(
        {
            "base_url": f"{base}/v18",
            "key_location": "bearer",
            "data_selector": "results.items",
            "total_selector": "count",
            "offset_param": "skip",
            "limit_param": "take",
            "window_start_param": "from",
            "window_end_param": "to",
            "window_format": "epoch",
            "page_size": 7,
            "max_concurrent_requests": 4,
            "extra_params": {"fields": "id,caption", "account": "jane_doe_1987"},
            "endpoints": {"stories": {"path": "/17841400000000042/ephemeral"}},
        }
    )
    text, ending, said = recorded(settings)
    assert (ending.kind, ending.rows) == (None, 70), said
    assert_private(text)
    assert "id,caption" in text
    assert replay(text)[0] == ending


def test_an_endpoint_of_the_users_own(project: Project) -> None:
    """Columns that are taken out of objects and renamed, and what somebody wrote of them, which is not in the file."""
    served = [
        {"key": 5_000 + number, "made": {"when": f"{DAY}T10:00:{number:02d}Z"}, "who": {"name": "jane_doe_1987"}}
        for number in range(12)
    ]
    project.serve(
        rows={"mentions": served}, shape=Shape(key=KEY, paths={"mentions": "/m"}, cursors={"mentions": "made"})
    )
    own = {
        "path": "/m",
        "id": "mention",
        "cursor": "made_at",
        "declared_columns": "only mine",
        "description": "What jane_doe_1987 wants",
        "columns": {
            "mention": {"from": "key", "data_type": "bigint", "description": "of jane_doe_1987"},
            "made_at": {"from": "made.when", "data_type": "timestamp"},
            "description": {"from": "who.name", "data_type": "text"},
        },
    }
    settings = Settings.model_validate(
        {"base_url": project.configured("base_url"), "page_size": 5, "endpoints": {"mentions": own}}
    )
    text, ending, said = recorded(settings, "mentions")
    assert (ending.kind, ending.rows, ending.set_aside) == (None, 12, 0), said
    assert_private(text)
    assert '"who": {"name"' in text or '"who":{"name"' in text
    assert replay(text, "mentions")[0] == ending


def test_without_a_total_pages_that_overlap_still_do(project: Project) -> None:
    """A row that comes on two pages is the same row on both."""
    project.serve(rows={"stories": rows(25)}, shape=Shape(key=KEY, total_path=None))
    project.configure(page_size=10, total_selector="")
    text, ending, said = recorded(load_settings())
    assert (ending.kind, ending.rows) == (None, 25), said
    assert replay(text)[0] == ending


def test_the_end_of_a_capture_is_not_taken_for_the_end_of_the_rows(project: Project) -> None:
    """At 30 requests recording ends, in words; whoever plays it fails at the page that is missing."""
    project.serve(rows={"stories": rows(80)})
    project.configure(page_size=2)
    text, ending, said = recorded(load_settings())
    assert "more than 30 requests" in str(ending.cut) == said
    assert len(read_capture(text.encode())["exchanges"]) == 30  # type: ignore[arg-type]
    ending, said = replay(text)
    assert ending.kind == "request refused"
    assert "not in the capture: /v1/stories" in said


def test_what_is_too_large_is_not_recorded(project: Project) -> None:
    """The answers of an endpoint have a bound in bytes, and the file stays below a megabyte."""
    project.serve(rows={"stories": [row | {"caption": "x" * 40_000} for row in rows(40)]})
    project.configure(page_size=10)
    text, ending, _ = recorded(load_settings())
    assert "more than 750 kB" in str(ending.cut)
    assert len(text) < 1_000_000


def test_secrets_in_the_settings_are_made_up(project: Project) -> None:
    """A token among the fixed parameters is in the file only as the one that is played."""
    sandbox = project.serve(rows={"stories": rows(3)})
    project.configure(extra_params={"app_token": "s3cr3t-t0k3n", "fields": "all"})
    text, _, _ = recorded(load_settings())
    assert sandbox.requests[0].params["app_token"] == "s3cr3t-t0k3n"
    assert "s3cr3t-t0k3n" not in text
    capture = json.loads(text)
    made_up = capture["settings"]["extra_params"]["app_token"]
    assert ["app_token", made_up] in capture["exchanges"][0]["params"]
    assert capture["settings"]["extra_params"]["fields"] == "all"
    assert replay(text)[0].rows == 3
