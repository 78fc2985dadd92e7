"""`make init`: what it finds out about vendors that differ, within 12 requests each, and the file that it writes."""

import datetime as dt
import itertools
import re
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from analytics_assets.commands import init
from analytics_assets.ingest.configured import load_settings
from analytics_assets.ingest.settings import Settings
from analytics_assets.ingest.window import Window
from analytics_assets.sandbox.app import Sandbox
from analytics_assets.sandbox.server import SandboxServer
from analytics_assets.sandbox.shape import Shape
from analytics_assets_tests.commands import vendors
from analytics_assets_tests.commands.conftest import Make
from analytics_assets_tests.commands.vendors import Params, RefusedError, Row, Vendor, between, served, whole
from analytics_assets_tests.project import KEY, KEY_FORMS, Project, endpoint_of, reload_settings
from analytics_assets_tests.vendors.test_vendors import VENDORS

DOCS = Path(__file__).parents[2] / "docs/vendors"
# what a vendor demands, where it stands, and a size that no answer has to show
BY_HAND_ALONE = {"base_url", "extra_params", "endpoints", "page_size"}
DAY = Window.of_day(dt.date(2025, 3, 2))
Look = Callable[..., str]


@pytest.fixture
def look(project: Project, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Look:
    """Return a function that runs the command and returns what it printed; dlt then reads the file that it wrote."""
    monkeypatch.setenv("DAGSTER_HOME", str(project.path))

    def run(url: str, endpoints: str = "", code: int = 0, **variables: str) -> str:
        for name, value in {"BASE_URL": url, "ENDPOINTS": endpoints, "WRITE": "", **variables}.items():
            monkeypatch.setenv(name, value)
        ended = init.main()
        output = capfd.readouterr()
        assert ended == code, output
        reload_settings()
        project.assert_nowhere(KEY_FORMS, *output)
        return output.out + output.err

    return run


def written(project: Project) -> dict[str, Any]:
    """Return what the section of the file says, without the address and what is switched off or has only comments."""
    section = tomllib.loads((project.path / ".dlt" / "config.toml").read_text())["analytics_api"]
    section.pop("base_url")
    endpoints = {name: own for name, own in section.pop("endpoints", {}).items() if own not in ({}, {"enabled": False})}
    return section | ({"endpoints": endpoints} if endpoints else {})


def pages(rows: list[Row], params: Params, limit: str = "limit", offset: str = "offset") -> list[Row]:
    """Cut a page by offset, of 20 rows if nothing is asked and 200 at most."""
    start = whole(params, offset, 0)
    return rows[start : start + min(whole(params, limit, 20), 200)]


def cms(rows: list[Row], params: Params) -> object:
    """Answer as headless CMS do: filters in brackets, and a total of what was filtered beside that of all rows."""
    found = between(rows, "ts", params.get("filter[ts][_gte]"), params.get("filter[ts][_lt]"))
    return {"data": pages(found, params), "meta": {"total_count": len(rows), "filter_count": len(found)}}


def rest_framework(rows: list[Row], params: Params) -> object:
    """Answer as Django's REST framework does."""
    found = between(rows, "posted_at", params.get("posted_at__gte"), params.get("posted_at__lt"))
    return {"count": len(found), "next": None, "previous": None, "results": pages(found, params)}


def epochs(rows: list[Row], params: Params) -> object:
    """Answer with a bare list, which is filtered by seconds, the end included; anything else in them is refused."""
    low, high = whole(params, "from", 0), whole(params, "to", 10**11)
    return pages([row for row in rows if low <= row["created"] <= high], params, "size", "skip")


def strict(rows: list[Row], params: Params) -> object:
    """Demand skip and take, and refuse every parameter that is not known, by its name."""
    if unknown := params.keys() - {"skip", "take", "startDate", "endDate"}:
        raise RefusedError(422, f"Unknown parameters: {', '.join(sorted(unknown))}. Allowed are skip, take")
    found = between(rows, "timestamp", params.get("startDate"), params.get("endDate"))
    return {"value": pages(found, params, "take", "skip")}, {"X-Total-Count": str(len(found))}


def edges(rows: list[Row], params: Params) -> object:
    """Answer with a node in each row, and filter by the day's name, the last day included."""
    start, end = params.get("date_from", "0"), params.get("date_to", "9")
    if "T" in start or start.isdecimal() > (start == "0"):
        raise RefusedError(400, "date_from must be a day")
    found = [row for row in rows if start <= row["publishedAt"][:10] <= end]
    edges = [{"node": row, "weight": 1.5} for row in pages(found, params)]
    return {"result": {"edges": edges, "totalCount": len(found)}}


def json_api(rows: list[Row], params: Params) -> object:
    """Answer as JSON:API does, with pages of fifty at most; a larger number, and a bare ``page``, are refused."""
    if "page" in params:
        raise RefusedError(400, "expected Hash (got String) for param `page'")
    if whole(params, "page[limit]", 10) > 50 or whole(params, "limit", 10) > 50:
        raise RefusedError(422, "Input should be less than or equal to 50")
    found = between(rows, "taken-at", params.get("taken-at_gte"), params.get("taken-at_lt"))
    page = pages(found, params, "page[limit]", "page[offset]")[:50]
    data = [{"type": "story", "id": row["id"], "attributes": {"taken-at": row["taken-at"]}} for row in page]
    return {"data": data, "meta": {"record-count": len(page), "total-count": len(found)}}


def backwards(rows: list[Row], params: Params) -> object:
    """Answer newest first, with parameters that others use for something else, and refuse a time that is none."""
    found = between(rows, "timestamp", params.get("from"), params.get("to"))
    return {"data": pages(found[::-1], params, "count", "start"), "total": len(found)}


BY_OFFSET = {
    "backwards": (
        Vendor({"/v1/stories": []}, vendors.query("api_key"), backwards),
        {"id": "id", "time": "timestamp"},
        {
            "page_size": 200,
            "offset_param": "start",
            "limit_param": "count",
            "window_start_param": "from",
            "window_end_param": "to",
        },
    ),
    "json:api": (
        Vendor({"/v1/stories": []}, vendors.bearer, json_api),
        {"id": "id", "time": "taken-at"},
        {
            "key_location": "bearer",
            "total_selector": "meta.'total-count'",
            "offset_param": "page[offset]",
            "limit_param": "page[limit]",
            "page_size": 50,
            "window_start_param": "taken-at_gte",
            "window_end_param": "taken-at_lt",
            "endpoints": {
                "stories": {
                    "cursor": "taken_at",
                    "columns": {"taken_at": {"from": "attributes.taken-at", "data_type": "timestamp"}},
                }
            },
        },
    ),
    "cms": (
        Vendor({"/items/stories": []}, vendors.query("access_token"), cms),
        {"id": "id", "time": "ts"},
        {
            "key_name": "access_token",
            "total_selector": "meta.filter_count",
            "page_size": 200,
            "window_start_param": "filter[ts][_gte]",
            "window_end_param": "filter[ts][_lt]",
            "endpoints": {"stories": {"path": "/items/stories", "cursor": "ts"}},
        },
    ),
    "rest framework": (
        Vendor({"/v1/stories": []}, vendors.bearer, rest_framework),
        {"id": "uuid", "time": "posted_at"},
        {
            "key_location": "bearer",
            "data_selector": "results",
            "total_selector": "count",
            "page_size": 200,
            "window_start_param": "posted_at__gte",
            "window_end_param": "posted_at__lt",
            "endpoints": {"stories": {"cursor": "posted_at", "id": "uuid"}},
        },
    ),
    "epochs": (
        Vendor({"/v1/stories": []}, vendors.header("X-API-Key"), epochs),
        {"id": "id", "time": "created"},
        {
            "key_location": "header",
            "key_name": "X-API-Key",
            "data_selector": "$",
            "total_selector": "",
            "offset_param": "skip",
            "limit_param": "size",
            "window_start_param": "from",
            "window_end_param": "to",
            "window_format": "epoch",
            "window_end": "inclusive",
            "endpoints": {"stories": {"cursor": "created"}},
        },
    ),
    "edges": (
        Vendor({"/v1/stories": []}, vendors.query("api_key"), edges),
        {"id": "id", "time": "publishedAt"},
        {
            "data_selector": "result.edges",
            "total_selector": "result.totalCount",
            "page_size": 200,
            "window_start_param": "date_from",
            "window_end_param": "date_to",
            "window_format": "date",
            "window_end": "inclusive",
            "endpoints": {
                "stories": {
                    "cursor": "published_at",
                    "columns": {
                        "id": {"from": "node.id", "data_type": "text"},
                        "published_at": {"from": "node.publishedAt", "data_type": "timestamp"},
                    },
                }
            },
        },
    ),
}


@pytest.mark.parametrize("name", BY_OFFSET)
def test_a_vendor_that_pages_by_offset_is_loaded_by_the_file(project: Project, look: Look, name: str) -> None:
    """What is written is what differs, and with it a day is loaded, row for row; 12 requests at most."""
    vendor, names, expected = BY_OFFSET[name]
    rows = vendors.texts(240, **names)
    if name == "epochs":
        rows = [row | {"created": int(vendors.moment(row["created"]).timestamp())} for row in rows]
    if name == "cms":
        rows = [row | {"id": place} for place, row in enumerate(rows)]
    (path,) = vendor.lists
    vendor.lists, vendor.requests = {path: rows}, []
    with served(vendor):
        said = look(vendor.url, f"stories={path}")
        asked = vendor.requests[:]
        assert len(asked) <= 12
        assert written(project) == expected
        load_settings()
        project.load(DAY, "stories")
    of_day = [row for row in rows if f"{vendors.moment(row[names['time']]):%d}" == "02"]
    column = {"rest framework": "uuid"}.get(name, "id")
    assert len(of_day) == 40
    assert [row[column] for row in project.table(order=column)] == sorted(str(row[names["id"]]) for row in of_day)
    assert f"stories: rows came from {path} ({len(asked)} requests)" in said
    assert "make load DAY=2025-01-03" in said


def sandbox_of(shape: Shape) -> Sandbox:
    """Return a sandbox with the history of twelve days."""
    now = dt.datetime(2025, 3, 12, tzinfo=dt.UTC)
    return Sandbox(shape=shape, first_day=dt.date(2025, 3, 1), now=lambda: now)


def test_of_the_sandbox_nothing_but_the_address_is_written(project: Project, look: Look) -> None:
    """Where all is as the defaults say, the file has nothing else, and a handful of requests have shown it."""
    sandbox = sandbox_of(Shape(key=KEY))
    with SandboxServer(sandbox) as server:
        look(server.url)
    assert written(project) == {}
    assert len(sandbox.requests) <= 4 * 5
    assert "not sure" not in (project.path / ".dlt" / "config.toml").read_text()


def test_of_a_sandbox_with_other_names_what_they_have_in_common_stands_once(project: Project, look: Look) -> None:
    """It demands its parameters, and refuses a time that is written otherwise; no endpoint has a section of its own."""
    sandbox = sandbox_of(
        Shape(
            key=KEY,
            key_location="header",
            key_name="X-API-Key",
            paths={name: f"/{name}" for name in ("media_insights", "user_insights", "stories", "story_insights")},
            data_path="result.items",
            total_path="result.page.total_count",
            offset_param="skip",
            limit_param="take",
            max_page_size=50,
            start_param="start_time",
            end_param="end_time",
            window_format="epoch",
            window_end="inclusive",
        )
    )
    with SandboxServer(sandbox) as server:
        look(server.url)
    names = [request.path.lstrip("/") for request in sandbox.requests]
    assert max(names.count(name) for name in names) <= 12
    found = written(project)
    endpoints = found.pop("endpoints")
    assert endpoints == {name: {"path": f"/{name}"} for name in endpoints}
    assert found == {
        "key_location": "header",
        "key_name": "X-API-Key",
        "data_selector": "result.items",
        "total_selector": "result.page.total_count",
        "offset_param": "skip",
        "limit_param": "take",
        "page_size": 50,
        "window_start_param": "start_time",
        "window_end_param": "end_time",
        "window_format": "epoch",
        "window_end": "inclusive",
    }


def by_cursor(rows: list[Row], params: Params) -> object:
    """Answer as Graph APIs do: a cursor to go on behind, and no total."""
    found = between(rows, "created_time", params.get("start"), params.get("end"))
    start, limit = whole(params, "after", 0), min(whole(params, "limit", 25), 50)
    page = found[start : start + limit]
    paging = {"cursors": {"before": str(start), "after": str(start + len(page))}}
    if start + len(page) < len(found):
        paging["next"] = f"https://graph.example/stories?limit={limit}&after={start + len(page)}"
    return {"data": page, "paging": paging}


def by_page(rows: list[Row], params: Params) -> object:
    """Answer by numbers of pages, from 1 on, and filter by days of which the last is included."""
    start, end = params.get("start_date", "0"), params.get("end_date", "9")
    found = [row for row in rows if start[:10] <= row["date"] <= end[:10]]
    page, size = whole(params, "page", 1), whole(params, "per_page", 30)
    meta = {"page": page, "per_page": size, "total": len(found), "total_pages": -(-len(found) // size)}
    return {"meta": meta, "items": found[(page - 1) * size : page * size]}


def one_at_a_time(rows: list[Row], params: Params) -> object:
    """Answer by numbers of pages, and refuse the first parameter that is not known, as some frameworks do."""
    for name in params.keys() - {"page", "size"}:
        raise RefusedError(422, f"query.{name}: Extra inputs are not permitted")
    page, size = whole(params, "page", 1), whole(params, "size", 20)
    found = rows[(page - 1) * size : page * size]
    return {"items": found, "total": len(rows), "page": page, "size": size, "pages": -(-len(rows) // size)}


def by_nothing(rows: list[Row], _: Params) -> object:
    """Answer with all rows whatever is asked, and with their number under a name that could be a total."""
    return {"rows": rows, "count": len(rows)}


def proposed(project: Project, expected: dict[str, Any]) -> dict[str, Any]:
    """Return what the section of the file says, and of what is expected beside that what the default says."""
    return {name: getattr(Settings(), name) for name in expected if name != "endpoints"} | written(project)


def insights() -> list[Row]:
    """Return a metric in each item, with its values of twenty days in a list."""
    days = [f"2025-03-{day:02d}T08:00:00+0000" for day in range(1, 21)]
    return [
        {
            "name": metric,
            "period": "day",
            "values": [{"value": place, "end_time": day} for place, day in enumerate(days)],
        }
        for metric in ("reach", "likes", "saves", "views")
    ]


def by_hour(rows: list[Row], params: Params) -> object:
    """Answer with two numbers, one of the page's rows and one of all that there are, whatever was asked for."""
    found = between(rows, "timestamp", params.get("since"), params.get("until"))
    page = pages(found, params)
    return {"data": page, "count": len(page), "meta": {"total": len(rows)}}


def test_a_vendor_that_pages_by_cursor(project: Project, look: Look) -> None:
    """Where the cursor of the next page stands, and in which parameter it goes back; the next endpoint is quick."""
    rows = vendors.texts(100, time="created_time")
    lists = {"/v2/stories": rows, "/v2/comments": rows}
    with served(Vendor(lists, vendors.query("access_token"), by_cursor)) as vendor:
        look(f"{vendor.url}/v2", "stories=/v2/stories,comments=/comments")
        asked = vendor.asked_per_path()
        project.load(DAY, "stories")
    assert [row["id"] for row in project.table()] == [f"s{place:03d}" for place in range(40, 80)]
    assert asked["stories"] <= 12
    assert asked["comments"] < asked["stories"]
    expected = {
        "key_name": "access_token",
        "total_selector": "",
        "page_size": 50,
        "pagination": "cursor",
        "cursor_selector": "paging.cursors.after",
        "cursor_param": "after",
        "window_start_param": "start",
        "window_end_param": "end",
        "endpoints": {
            "stories": {"path": "/stories", "cursor": "created_time"},
            "comments": {"path": "/comments", "cursor": "created_time"},
        },
    }
    assert proposed(project, expected) == expected
    assert load_settings().key_name == "access_token"


def test_a_vendor_that_pages_by_number(project: Project, look: Look) -> None:
    """The page's parameter, the first page, how many there are; and an id of several fields, which is not sure."""
    rows = [
        {"account": f"a{n % 3}", "metric": f"m{n // 3 % 4}", "date": f"2025-03-{n // 12 + 1:02d}", "value": n % 7 / 2}
        for n in range(120)
    ]
    with served(Vendor({"/v1/stories": rows}, vendors.bearer, by_page)) as vendor:
        look(vendor.url, "stories=/v1/stories")
        assert len(vendor.requests) <= 12
        project.load(DAY, "stories")
    of_day = [{**row, "date": dt.datetime(2025, 3, 2, tzinfo=dt.UTC)} for row in rows if row["date"] == "2025-03-02"]
    loaded = [{name: row[name] for name in rows[0]} for row in project.table(order="account, metric")]
    assert loaded == sorted(of_day, key=lambda row: (row["account"], row["metric"]))
    expected = {
        "key_location": "bearer",
        "data_selector": "items",
        "total_selector": "meta.total",
        "pagination": "page",
        "page_param": "page",
        "first_page": 1,
        "total_pages_selector": "meta.total_pages",
        "limit_param": "per_page",
        "window_start_param": "start_date",
        "window_end_param": "end_date",
        "window_format": "date",
        "window_end": "inclusive",
        "endpoints": {"stories": {"id": ["account", "metric", "date"], "cursor": "date"}},
    }
    assert proposed(project, expected) == expected
    text = (project.path / ".dlt" / "config.toml").read_text()
    assert 'id = ["account", "metric", "date"]  # not sure: no value came twice in 120 rows' in text
    assert '# columns.value = "double"' in text


def test_a_vendor_that_refuses_what_it_does_not_know(project: Project, look: Look) -> None:
    """Its refusals say where the key goes and what the parameters are called; without ENDPOINTS ours are looked for."""
    refusal = "Send your key in X-Auth-Token"
    vendor = Vendor({"/api/stories": vendors.texts(100)}, vendors.header("X-Auth-Token"), strict, refusal=refusal)
    with served(vendor):
        said = look(f"{vendor.url}/api")
    assert max(vendor.asked_per_path().values()) <= 12
    expected = {
        "key_location": "header",
        "key_name": "X-Auth-Token",
        "data_selector": "value",
        "total_selector": "header:X-Total-Count",
        "offset_param": "skip",
        "limit_param": "take",
        "window_start_param": "startDate",
        "window_end_param": "endDate",
        "endpoints": {"stories": {"path": "/stories"}},
    }
    assert proposed(project, expected) == expected
    assert "story_insights: /story_insights answered 404; /v1/story_insights answered 404" in said


def test_a_vendor_that_names_one_unknown_parameter_at_a_time(project: Project, look: Look) -> None:
    """The key's, too. What its answers repeat of the page is tried first; where requests run out, the file says so."""

    def bearer_alone(params: Params, headers: vendors.Headers) -> bool:
        if "api_key" in params:
            raise RefusedError(422, "query.api_key: Extra inputs are not permitted")
        return vendors.bearer(params, headers)

    with served(Vendor({"/v1/stories": vendors.texts(100)}, bearer_alone, one_at_a_time)) as vendor:
        look(vendor.url, "stories=/v1/stories")
    assert len(vendor.requests) == 12
    expected = {
        "key_location": "bearer",
        "data_selector": "items",
        "pagination": "page",
        "page_param": "page",
        "first_page": 1,
        "limit_param": "size",
        "total_selector": "total",
        "total_pages_selector": "pages",
    }
    assert proposed(project, expected) == expected
    text = (project.path / ".dlt" / "config.toml").read_text()
    assert "none of these filtered by time before the requests that init may make were used up" in text


def test_two_rows_show_little(project: Project, look: Look) -> None:
    """Then a number that is as large may be the page's own, and nothing is said of pages."""
    with served(Vendor({"/v1/stories": vendors.texts(2)}, vendors.query("api_key"), backwards)) as vendor:
        look(vendor.url, "stories=/v1/stories")
    assert written(project) == {"window_start_param": "from", "window_end_param": "to"}
    text = (project.path / ".dlt" / "config.toml").read_text()
    assert "# not sure: total may be the total (total_selector), or the number of the page's rows" in text


@pytest.mark.parametrize("name", VENDORS)
def test_the_vendors_of_the_documents_are_found_out(look: Look, name: str) -> None:
    """What somebody has written down for a vendor by hand is what init finds, but for parameters that it demands."""
    known = VENDORS[name]
    shape = Shape(**{**vars(known.shape), "require_params": {}})
    rows = tuple(known.sent(number) for number in range(230))
    with SandboxServer(Sandbox(shape=shape, rows=dict.fromkeys(shape.paths, rows))) as server:
        look(server.url, ",".join(f"{one}={path}" for one, path in shape.paths.items()))
        asked = [request.endpoint for request in server.sandbox.requests]
    assert max(asked.count(one) for one in shape.paths) <= 12
    by_hand = tomllib.loads((DOCS / f"{name}.toml").read_text())["analytics_api"]
    of_stories = by_hand | by_hand["endpoints"]["stories"]
    found = load_settings().of(endpoint_of("stories"))
    compared = [one for one in of_stories if one in Settings.model_fields and one not in BY_HAND_ALONE]
    assert {one: getattr(found, one) for one in compared} == {one: of_stories[one] for one in compared}
    assert endpoint_of("stories").path == of_stories["path"]


def test_values_in_a_list_of_each_item(project: Project, look: Look) -> None:
    """They are the rows; the metric is called so; and where nothing filters or pages, the file says what was tried."""
    with served(Vendor({"/v1/user_insights": insights()}, vendors.query("api_key"), by_nothing)) as vendor:
        look(vendor.url, "user_insights=/v1/user_insights")
    assert len(vendor.requests) <= 12
    found = written(project)
    assert found["endpoints"]["user_insights"] == {
        "unnest": "values",
        "id": ["metric", "end_time"],
        "columns": {"metric": {"from": "name", "data_type": "text"}},
    }
    text = " ".join((project.path / ".dlt" / "config.toml").read_text().replace("\n#", "").split())
    assert "not sure: none of these filtered by time, as datetime, date or epoch: since/until, start/end" in text
    assert found.keys() & {"window_start_param", "window_end_param"} == set()
    load_settings()


def test_a_list_without_times_is_read_whole(project: Project, look: Look) -> None:
    """An endpoint that is added has no window then, and is accepted; its columns have their types, as comments."""
    rows = [
        {"accountId": f"a{n}", "followers": n, "score": 0.5 if n else 1, "tags": [n], "note": None} for n in range(4)
    ]
    with served(Vendor({"/v1/accounts": rows}, vendors.query("api_key"), by_nothing)) as vendor:
        look(vendor.url, "accounts=/v1/accounts")
    assert written(project)["endpoints"] == {
        "accounts": {
            "path": "/v1/accounts",
            "id": "account_id",
            "columns": {"account_id": {"from": "accountId", "data_type": "text"}},
        }
    }
    assert not load_settings().has_window
    text = (project.path / ".dlt" / "config.toml").read_text()
    types = dict(re.findall(r'^# columns\.(\w+) = "(\w+)"', text, re.MULTILINE))
    assert types == {"followers": "bigint", "score": "double", "tags": "json"}
    assert "# note: no row has a value" in text


def test_a_total_is_the_windows_or_none(project: Project, look: Look) -> None:
    """Neither the number of the page's rows nor one that stays the same for each window is taken for a total."""
    with served(Vendor({"/v1/stories": vendors.texts(100)}, vendors.query("api_key"), by_hour)) as vendor:
        look(vendor.url, "stories=/v1/stories")
    assert written(project) == {"total_selector": ""}
    text = (project.path / ".dlt" / "config.toml").read_text()
    assert (
        'total_selector = ""  # meta.total is another number than that of the rows when a window is asked for' in text
    )


def test_redirects_count(project: Project, look: Look) -> None:
    """An API that sends each request on, four times, is asked 12 times all the same, and the file says so."""
    hops = ["/v1/stories", "/v1/a", "/v1/b", "/v1/c", "/v1/d"]

    def moved(to: str) -> vendors.Answer:
        def answer(_: list[Row], params: Params) -> object:
            raise RefusedError(307, f"{to}?{urlencode(params)}")

        return answer

    vendor = Vendor(dict.fromkeys(hops, vendors.texts(100)), vendors.query("api_key"), by_hour)
    vendor.answers = {hop: moved(to) for hop, to in itertools.pairwise(hops)}
    with served(vendor):
        look(vendor.url, "stories=/v1/stories")
    assert len(vendor.requests) == 12
    assert "were used up by redirects and retries" in (project.path / ".dlt" / "config.toml").read_text()


def test_the_key_is_sent_to_the_named_host_alone(project: Project, look: Look) -> None:
    """A redirect to another host is a failure in one sentence, and nothing is asked there."""
    other = Vendor({"/v1/stories": []}, vendors.query("api_key"), by_hour)
    with served(other):

        def elsewhere(_: list[Row], params: Params) -> object:
            raise RefusedError(307, f"{other.url}/v1/stories?{urlencode(params)}")

        with served(Vendor({"/v1/stories": []}, vendors.query("api_key"), elsewhere)) as vendor:
            said = look(vendor.url, "stories=/v1/stories", code=1)
    assert other.requests == []
    assert f"redirects to another host, {other.url}; the key was not sent there" in said
    assert written(project) == {}


@pytest.mark.parametrize(
    ("has_key", "sentence"),
    [
        (vendors.header("X-Unheard-Of"), "/v1/media_insights answered 401 to the key, in each of these places: "),
        (vendors.query("api_key"), "/v1/media_insights answered 404; /media_insights answered 404; "),
    ],
    ids=["key", "paths"],
)
def test_where_nothing_works_it_says_what_was_tried(
    project: Project, look: Look, has_key: vendors.HasKey, sentence: str
) -> None:
    """Exit code 1, one sentence at the end, and the file is as it was."""
    before = (project.path / ".dlt" / "config.toml").read_text()
    with served(Vendor({}, has_key, by_hour)) as vendor:
        said = look(vendor.url, code=1)
    assert max(vendor.asked_per_path().values()) <= 12
    last = said.splitlines()[-1]
    assert last.startswith(f"The init failed: no endpoint answered with rows: {sentence}")
    assert last.endswith('Check BASE_URL and API_KEY, or say where they are: ENDPOINTS="stories=/v3/stories"')
    assert (project.path / ".dlt" / "config.toml").read_text() == before


def test_names_that_repeat_the_key_are_not_written(project: Project, look: Look) -> None:
    """A field that is called like the key would carry it into the file and onto the screen."""
    rows = [row | {f"by {KEY}": 1} for row in vendors.texts(30)]
    with served(Vendor({"/v1/stories": rows}, vendors.query("api_key"), by_hour)) as vendor:
        said = look(vendor.url, "stories=/v1/stories", code=1)
    assert said.splitlines()[-1].startswith("The init failed: the API repeats the key in the names of ")
    assert written(project) == {}


OAUTH = {
    "ANALYTICS_API__KEY_LOCATION": "oauth2",
    "ANALYTICS_API__TOKEN_URL": "http://127.0.0.1:9/token",
    "ANALYTICS_API__CLIENT_ID": "ours",
}
OTHERS = """
# of the warehouse
[destination.warehouse]
destination_type = "duckdb"   # kept

["runtime"]
log_level = "CRITICAL"
"""
OURS = """# at the top
[analytics_api]
base_url = "https://old.example"
timezone = "Europe/Berlin"
start_date = 2024-05-01
page_size = 7

[analytics_api.endpoints.stories]
path = "/old"
"""


def test_settings_that_are_there_are_replaced_only_if_that_is_said(project: Project, look: Look) -> None:
    """Without WRITE=1 nothing changes; with it the old file stays beside, and other sections and settings stay."""
    file = project.path / ".dlt" / "config.toml"
    file.write_text(OURS + OTHERS)
    with served(Vendor({"/v1/stories": vendors.texts(30)}, vendors.query("api_key"), by_hour)) as vendor:
        said = look(vendor.url, "stories=/v1/stories")
        assert "has settings of its own under [analytics_api], so it was left as it is. WRITE=1 replaces them" in said
        assert file.read_text() == OURS + OTHERS
        assert f'base_url = "{vendor.url}"' in said
        look(vendor.url, "stories=/v1/stories", WRITE="1")
        first = file.read_text()
        look(vendor.url, "stories=/v1/stories", WRITE="1")
    assert file.with_name("config.toml.bak").read_text() == OURS + OTHERS
    assert file.with_name("config.toml.bak1").read_text() == first
    now = file.read_text()
    assert now.startswith("# at the top\n\n[analytics_api]\n")
    assert now.endswith(OTHERS)
    kept = {"timezone": "Europe/Berlin", "start_date": dt.date(2024, 5, 1)}
    assert written(project) == {"total_selector": ""} | kept


def test_what_does_not_go_with_the_rest_is_a_comment(project: Project, look: Look) -> None:
    """An old setting that the new ones rule out would make a file that is refused."""
    (project.path / ".dlt" / "config.toml").write_text(
        '[analytics_api]\nextra_params = { from = "now", to = "then" }\n'
    )
    with served(Vendor({"/v1/stories": vendors.texts(30)}, vendors.query("api_key"), backwards)) as vendor:
        said = look(vendor.url, "stories=/v1/stories", WRITE="1")
    assert "# not sure: this is as it was, and does not go with the rest\n# extra_params = " in said
    assert load_settings().window_start_param == "from"


def test_a_file_that_cannot_be_changed_in_part_is_left(project: Project, look: Look) -> None:
    """A section that is written within another one's lines is for a person to change."""
    file = project.path / ".dlt" / "config.toml"
    text = 'analytics_api.base_url = "https://old.example"\n\n[runtime]\nlog_level = "CRITICAL"\n'
    file.write_text(text)
    with served(Vendor({"/v1/stories": vendors.texts(30)}, vendors.query("api_key"), by_hour)) as vendor:
        said = look(vendor.url, "stories=/v1/stories", code=1, WRITE="1")
    assert re.search(r"The init failed: .*config\.toml .* put what is printed above into it by hand", said)
    assert file.read_text() == text


@pytest.mark.parametrize(
    ("variables", "sentence"),
    [
        ({"BASE_URL": ""}, "no API is named: add BASE_URL=https://api.vendor.example"),
        ({"BASE_URL": "ftp://x"}, r"analytics_api\.base_url = 'ftp://x': must be http.*"),
        ({"BASE_URL": "http://api.example"}, ".*plain http would send the key in clear.*"),
        ({"API_KEY": ""}, "no API key: .*"),
        (OAUTH, "the settings say oauth2, and the API would be sent the client secret as if it was a key: .*"),
        ({"ENDPOINTS": "stories"}, "ENDPOINTS has 'stories': write it as in .*"),
        ({"ENDPOINTS": "storys=/s"}, "there is no endpoint 'storys'. Did you mean stories.*"),
        ({"ENDPOINTS": "Bad-Name=/s"}, "ENDPOINTS has 'Bad-Name=/s': a name is lower case letters, .*"),
        ({"ENDPOINTS": f"stories=/{KEY}"}, "ENDPOINTS has the API key in it: .*"),
    ],
)
def test_what_cannot_begin_is_one_sentence(
    project: Project, look: Look, variables: dict[str, str], sentence: str
) -> None:
    """Nothing is asked."""
    said = look(variables.pop("BASE_URL", "http://127.0.0.1:9"), variables.pop("ENDPOINTS", ""), code=1, **variables)
    assert re.fullmatch(f"The init failed: {sentence}\n", said), said
    assert written(project) == {}


@pytest.mark.slow
def test_make_init_hands_on_what_is_typed(project: Project, make: Make) -> None:
    """The variables arrive as they are, and the file is written."""
    (project.path / ".dlt" / "config.toml").write_text(OURS)
    with served(Vendor({"/v1/posts": vendors.texts(30)}, vendors.query("api_key"), by_hour)) as vendor:
        done = make("init", f"BASE_URL={vendor.url}", "ENDPOINTS=stories=/v1/posts", "WRITE=1")
    assert (done.returncode, done.stderr) == (0, "")
    assert "Written to .dlt/config.toml; the old file is .dlt/config.toml.bak.\n" in done.stdout
    assert written(project)["endpoints"] == {"stories": {"path": "/v1/posts"}}
    project.assert_nowhere(KEY_FORMS, done.stdout)
