"""How the sandbox answers: paging, keys, windows, refusals, the log and the control routes."""

import datetime as dt
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import requests

from analytics_assets.sandbox import data
from analytics_assets.sandbox.app import Sandbox
from analytics_assets.sandbox.asked import Asked
from analytics_assets.sandbox.faults import Fault
from analytics_assets.sandbox.server import SandboxServer
from analytics_assets.sandbox.shape import Shape
from analytics_assets_tests.sandbox.conftest import stories

Start = Callable[..., SandboxServer]
Ask = Callable[..., requests.Response]


def ids(answer: requests.Response) -> list[str]:
    """Return the ids on a page."""
    return [row["id"] for row in answer.json()["data"]]


def test_pages_make_up_the_whole(start: Start, ask: Ask) -> None:
    """Offsets 0, 100 and 200 of 250 rows give each row once; the one after is empty; the total is always 250."""
    server = start(rows={"stories": stories(250)})
    pages = [ask(server, offset=offset) for offset in (0, 100, 200, 300)]
    assert [len(ids(page)) for page in pages] == [100, 100, 50, 0]
    assert [name for page in pages for name in ids(page)] == [row["id"] for row in stories(250)]
    assert {page.json()["total"] for page in pages} == {250}
    assert (pages[1].json()["limit"], pages[1].json()["offset"]) == (100, 100)


def test_a_bigger_limit_is_cut_in_silence(start: Start, ask: Ask) -> None:
    """The answer repeats the limit asked for and holds fewer rows."""
    answer = ask(start(rows={"stories": stories(50)}, shape=Shape(max_page_size=20)), limit=40)
    assert (answer.json()["limit"], len(ids(answer)), answer.json()["total"]) == (40, 20, 50)


def test_an_endpoint_not_given_is_empty(start: Start, ask: Ask) -> None:
    """Rows given for one endpoint leave the others without any."""
    assert ask(start(rows={"stories": stories(5)}), "/v1/user_insights").json()["data"] == []


def test_made_up_rows_are_the_ones_of_the_data_module(start: Start, ask: Ask) -> None:
    """Without rows the sandbox serves what ``data.rows`` gives for the window, seed and scale."""
    day = dt.datetime(2025, 3, 1, tzinfo=dt.UTC)
    server = start(seed=3, scale=2)
    answer = ask(server, "/v1/media_insights", since=day.isoformat(), until=(day + dt.timedelta(hours=6)).isoformat())
    expected = data.rows("media_insights", day, day + dt.timedelta(hours=6), seed=3, scale=2)
    assert answer.json()["data"] == expected[:100]
    assert answer.json()["total"] == len(expected) > 0


def test_made_up_rows_end_now(start: Start, ask: Ask) -> None:
    """Without a window everything from the first day until now is served; forgotten stories are not."""
    now = dt.datetime(2025, 1, 3, 12, tzinfo=dt.UTC)
    everything = data.rows("stories", now=now)
    assert ask(start(now=lambda: now)).json()["total"] == len(everything)
    live = [row for row in everything if row["timestamp"] >= "2025-01-02T12:00:00Z"]
    assert ask(start(now=lambda: now, forget_stories=True)).json()["data"] == live


@pytest.mark.parametrize(
    ("shape", "right", "wrong", "seen"),
    [
        (Shape(key="k/1"), {"params": {"api_key": "k/1"}}, {"params": {"api_key": "no"}}, "query:api_key"),
        (
            Shape(key="k/1", key_location="header", key_name="X-Api-Key"),
            {"headers": {"X-API-key": "k/1"}},
            {"headers": {"X-API-key": "no"}},
            "header:x-api-key",
        ),
        (
            Shape(key="k/1", key_location="bearer"),
            {"headers": {"Authorization": "Bearer k/1"}},
            {"headers": {"Authorization": "Bearer no"}},
            "bearer",
        ),
    ],
    ids=["query", "header", "bearer"],
)
def test_the_key(start: Start, shape: Shape, right: dict[str, Any], wrong: dict[str, Any], seen: str) -> None:
    """The right key in its place is let in, a wrong one gets 403, none or a misplaced one 401; none is logged."""
    server = start(rows={}, shape=shape)

    def get(**request: Any) -> int:  # noqa: ANN401
        params = {"limit": 1, "offset": 0, **request.pop("params", {})}
        return requests.get(f"{server.url}/v1/stories", params=params, timeout=10, **request).status_code

    elsewhere = {"headers": {"X-Other": "k/1", "Referer": "http://x/?k=k%2F1"}, "params": {"token": "k/1"}}
    assert [get(**dict(right)), get(**dict(wrong)), get(), get(**elsewhere)] == [200, 403, 401, 401]
    log = server.sandbox.requests
    assert [asked.key_seen for asked in log] == [seen, seen, None, "query:token"]
    assert [asked.status for asked in log] == [200, 403, 401, 401]
    assert all(asked.params == {"limit": "1", "offset": "0"} for asked in log)
    assert "k/1" not in repr(log)
    assert "k%2F1" not in repr(log)
    assert "Bearer" not in repr(log)


def test_tokens(start: Start) -> None:
    """A client gets one by its form or by Basic, and it is good for some requests and some time; none is logged."""
    shape = Shape(key="k/1 of ours", key_location="oauth2", token_params={"scope": "a b"}, token_requests=2)
    server = start(rows={}, shape=shape)
    form = {"grant_type": "client_credentials", "scope": "a b"}
    client = {"client_id": "sandbox-client", "client_secret": "k/1 of ours"}
    url = f"{server.url}/oauth/token"

    def ask_for(auth: tuple[str, str] | None = None, **form: str) -> requests.Response:
        return requests.post(url, data=form, auth=auth, timeout=10)

    def get(token: str) -> int:
        headers = {"Authorization": f"Bearer {token}"}
        return requests.get(f"{server.url}/v1/stories?limit=1&offset=0", headers=headers, timeout=10).status_code

    assert ask_for(**form, **client).json() == {
        "access_token": "sandbox-token-0001",
        "token_type": "Bearer",
        "expires_in": 3600,
    }
    assert ask_for(("sandbox-client", "k/1 of ours"), **form).json()["access_token"] == "sandbox-token-0002"
    refused = [
        ask_for(**form, **client | {"client_secret": "no"}),
        ask_for(("sandbox-client", "no"), **form),
        ask_for(**client, scope="a b"),
        ask_for(**form | {"scope": "c"}, **client),
        requests.get(url, timeout=10),
    ]
    assert [answer.status_code for answer in refused] == [401, 401, 400, 400, 405]
    assert [get("sandbox-token-0001") for _ in range(3)] == [200, 200, 401]
    assert get("k/1 of ours") == 401
    server.sandbox.tokens.revoke()
    assert get("sandbox-token-0002") == 401
    assert not [secret for secret in ("k/1", "k%2F1", "sandbox-token") if secret in repr(server.sandbox.requests)]


WINDOWS = [
    ("datetime", "exclusive", "2025-03-01T05:00:00Z", "2025-03-01T08:00:00+00:00", ["s005", "s006", "s007"]),
    ("datetime", "exclusive", "2025-03-01T07:00:00+02:00", "2025-03-01T05:00:00.5Z", ["s005"]),
    ("datetime", "inclusive", "2025-03-01T05:00:00Z", "2025-03-01T06:00:00Z", ["s005", "s006"]),
    ("date", "exclusive", "2025-03-02", "2025-03-03", [f"s{n:03d}" for n in range(24, 48)]),
    ("date", "inclusive", "2025-03-02", "2025-03-02", [f"s{n:03d}" for n in range(24, 48)]),
    ("epoch", "exclusive", "1740805200", "1740808800", ["s005"]),
    ("epoch", "inclusive", "1740805200", "1740808800", ["s005", "s006"]),
]


@pytest.mark.parametrize(("form", "end", "since", "until", "expected"), WINDOWS)
def test_a_window(  # noqa: PLR0913
    *, start: Start, ask: Ask, form: str, end: str, since: str, until: str, expected: list[str]
) -> None:
    """The start is inclusive and the end as the vendor says, in each format; the total counts the window."""
    shape = Shape(window_format=form, window_end=end, start_param="from", end_param="to")  # type: ignore[arg-type]
    server = start(rows={"stories": stories(60)}, shape=shape)
    answer = ask(server, **{"from": since, "to": until})
    assert ids(answer) == expected
    assert answer.json()["total"] == len(expected)


def test_an_open_window_and_a_row_without_moment(start: Start, ask: Ask) -> None:
    """One bound is enough, and a row with a broken cursor is in every window."""
    rows = [*stories(3), {"id": "odd", "timestamp": None}, {"id": "odder", "timestamp": "soon"}]
    server = start(rows={"stories": rows})
    assert ids(ask(server, since="2025-03-01T02:00:00Z")) == ["s002", "odd", "odder"]
    assert ids(ask(server, until="2025-03-01T01:00:00Z")) == ["s000", "odd", "odder"]


@pytest.mark.parametrize(
    ("params", "word"),
    [
        ({"limit": None}, "limit is required"),
        ({"offset": None}, "offset is required"),
        ({"limit": 0}, "limit"),
        ({"limit": "ten"}, "limit"),
        ({"offset": -1}, "offset"),
        ({"offset": "1e3"}, "offset"),
        ({"since": "2025-03-01"}, "since"),
        ({"since": "2025-03-01T00:00:00"}, "since"),
        ({"until": "yesterday"}, "until"),
        ({"since": "0001-01-01T00:00:00+14:00"}, "since"),
        ({"since": "2025-03-02T00:00:00Z", "until": "2025-03-01T00:00:00Z"}, "since is after until"),
        ({"fields": "none"}, "fields must be all"),
        ({"fields": None}, "fields must be all"),
    ],
)
def test_a_bad_parameter_is_refused(start: Start, ask: Ask, params: dict[str, Any], word: str) -> None:
    """400, and the message names the parameter."""
    server = start(rows={}, shape=Shape(require_params={"fields": "all"}))
    answer = ask(server, **{"fields": "all", **params})
    assert answer.status_code == 400
    assert word in answer.json()["error"]["message"]
    assert ask(server, fields="all").status_code == 200


def test_unknown_paths_and_methods_are_refused_in_json(start: Start, ask: Ask) -> None:
    """404 and 405 carry a JSON error and stand in the log."""
    server = start(rows={})
    assert ask(server, "/v1/nothing").json()["error"]["code"] == 404
    assert requests.post(f"{server.url}/v1/stories", timeout=10).json()["error"]["code"] == 405
    assert [(asked.endpoint, asked.status) for asked in server.sandbox.requests] == [(None, 404), ("stories", 405)]


def test_another_vendors_dialect(start: Start) -> None:
    """Own paths, parameter names and nesting; no total at all."""
    shape = Shape(paths={"stories": "/api/reels"}, data_path="result.items", total_path="result.page.total")
    server = start(rows={"stories": stories(2)}, shape=shape)
    url = f"{server.url}/api/reels?api_key=sandbox-key&limit=1&offset=1"
    assert requests.get(url, timeout=10).json() == {
        "result": {"items": stories(2)[1:], "page": {"total": 2}},
        "limit": 1,
        "offset": 1,
    }
    server = start(rows={"stories": stories(2)}, shape=Shape(total_path=None, offset_param="skip", limit_param="take"))
    url = f"{server.url}/v1/stories?api_key=sandbox-key&take=1&skip=0"
    assert "total" not in requests.get(url, timeout=10).json()


def test_rows_may_change_while_paging(start: Start, ask: Ask) -> None:
    """``on_request`` runs before the answer, so a row removed there is gone from it, and the next ones move up."""
    server = start(rows={"stories": stories(6)})

    def remove_first(asked: Asked) -> None:
        if asked.params["offset"] == "3":
            del server.sandbox.rows["stories"][0]

    server.sandbox.on_request = remove_first
    assert ids(ask(server, limit=3)) == ["s000", "s001", "s002"]
    assert ids(ask(server, limit=3, offset=3)) == ["s004", "s005"]


@pytest.mark.parametrize("kind", [list, tuple])
def test_rows_may_be_replaced_between_windows(start: Start, ask: Ask, kind: Callable[..., Any]) -> None:
    """A window is cut from the rows of the moment, whether they were changed in place or replaced."""
    server = start(rows={"stories": kind(stories(4))})
    since = "2025-03-01T02:00:00Z"
    assert [ids(ask(server, since=since)) for _ in range(2)] == [["s002", "s003"]] * 2
    assert ids(ask(server, since="2025-03-01T03:00:00Z")) == ["s003"]
    if kind is list:
        server.sandbox.rows["stories"][0]["timestamp"] = since
        assert ids(ask(server, since=since)) == ["s000", "s002", "s003"]
    server.sandbox.rows["stories"] = kind(stories(3))
    assert ids(ask(server, since=since)) == ["s002"]


def test_requests_in_flight_are_counted(start: Start, ask: Ask) -> None:
    """Four slow requests at once are four; ``reset`` forgets them, their log and the faults."""
    server = start(rows={}, faults=[Fault("latency", seconds=0.3)])
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: ask(server), range(4)))
    assert server.sandbox.max_in_flight == 4
    server.sandbox.reset()
    assert (server.sandbox.max_in_flight, server.sandbox.requests, server.sandbox.faults) == (0, [], [])


def test_control_routes(start: Start, ask: Ask) -> None:
    """Health, faults and the log can be used from outside without a key, and are not in the log themselves."""
    server = start(rows={})
    control = f"{server.url}/_sandbox"
    assert requests.get(f"{control}/health", timeout=10).json() == {"ok": True}
    fault: dict[str, Any] = {"kind": "status", "status": 429, "headers": {"Retry-After": "0"}, "times": 1}
    assert requests.post(f"{control}/faults", json=fault, timeout=10).status_code == 201
    assert [ask(server).status_code, ask(server).status_code] == [429, 200]
    requests.post(f"{control}/faults", json={"kind": "close"}, timeout=10)
    assert requests.delete(f"{control}/faults", timeout=10).json() == {"faults": []}
    assert ask(server).status_code == 200
    refused: list[Any] = [
        {"kind": "nonsense"},
        {"kind": "cap"},
        {"kind": "mutate_rows", "change": "x"},
        {"kind": "rate_limit", "allows": True},
        [],
        {"times": 1},
    ]
    for bad in refused:
        assert requests.post(f"{control}/faults", json=bad, timeout=10).status_code == 400
    summary = requests.get(f"{control}/requests", params={"last": 2}, timeout=10).json()
    assert (summary["count"], summary["by_status"]) == (3, {"429": 1, "200": 2})
    assert [asked["status"] for asked in summary["last"]] == [200, 200]
    assert "sandbox-key" not in str(summary)


def test_impossible_settings_are_refused() -> None:
    """An empty key, and made-up rows for an endpoint nobody declared."""
    with pytest.raises(ValueError, match="key"):
        Shape(key="")
    with pytest.raises(ValueError, match="reels"):
        Sandbox(shape=Shape(paths={"reels": "/v1/reels"}))


def test_the_server_stops_at_once_and_frees_its_port(ask: Ask, caplog: pytest.LogCaptureFixture) -> None:
    """A request that would take a minute does not hold it up, nothing is logged, the port can be bound again."""
    with SandboxServer(Sandbox(rows={}, faults=[Fault("latency", seconds=60)])) as server:
        failures: list[Exception] = []

        def wait() -> None:
            try:
                ask(server)
            except requests.ConnectionError as error:
                failures.append(error)

        client = threading.Thread(target=wait)
        client.start()
        while not server.sandbox.requests:
            time.sleep(0.01)
        began = time.monotonic()
    assert time.monotonic() - began < 15
    client.join(2)
    assert (len(failures), caplog.records) == (1, [])
    with SandboxServer(Sandbox(rows={}), port=int(server.url.rpartition(":")[2])) as again:
        assert ask(again).status_code == 200
