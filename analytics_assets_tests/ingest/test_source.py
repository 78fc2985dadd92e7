"""Which requests are made: every path and parameter, in order, as the API saw them."""

import datetime as dt
from typing import Any

import dlt
import pytest
from dlt.sources.rest_api.typing import RESTAPIConfig

from analytics_assets.ingest import source as source_module
from analytics_assets.ingest.configured import load_settings
from analytics_assets.ingest.endpoints import ENDPOINTS
from analytics_assets.ingest.source import build_source
from analytics_assets.sandbox.shape import Shape
from analytics_assets_tests.project import KEY, WINDOW, Project, asked, endpoint_of, stories

PAGE = {"offset": "0", "limit": "100"}
DAY = {"since": "2025-03-01T00:00:00Z", "until": "2025-03-02T00:00:00Z"}


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda endpoint: endpoint.name)
def test_incremental_asks_each_endpoint_for_its_window_page_by_page(project: Project, endpoint: Any) -> None:  # noqa: ANN401
    """By default a window is asked with `since` and `until`, 100 rows at a time, the key in the query as `api_key`."""
    rows = [{"id": f"{i}", endpoint.cursor: "2025-03-01T12:00:00Z"} for i in range(250)]
    sandbox = project.serve(rows={endpoint.name: rows})
    assert len(project.read(endpoint.name)) == 250
    assert asked(sandbox) == [
        (f"/v1/{endpoint.name}", DAY | {"offset": offset, "limit": "100"}) for offset in ("0", "100", "200")
    ]
    assert {request.key_seen for request in sandbox.requests} == {"query:api_key"}


def test_full_refresh_asks_for_everything_without_a_window(project: Project) -> None:
    """A full refresh sends no window at all."""
    sandbox = project.serve(rows={"stories": stories(150)})
    assert len(project.read(window=None)) == 150
    assert asked(sandbox) == [
        ("/v1/stories", {"offset": "0", "limit": "100"}),
        ("/v1/stories", {"offset": "100", "limit": "100"}),
    ]


def test_a_full_last_page_is_not_followed_by_an_empty_one(project: Project) -> None:
    """With a total no request is made beyond the last row."""
    sandbox = project.serve(rows={"stories": stories(150)})
    project.configure(page_size=50)
    project.read()
    assert [params["offset"] for _, params in asked(sandbox)] == ["0", "50", "100"]


def test_a_total_that_may_be_capped_is_asked_behind_once(project: Project) -> None:
    """A round total whose last page is full may be the API's limit: one request shows whether rows follow."""
    sandbox = project.serve(rows={"stories": stories(200)})
    assert len(project.read()) == 200
    assert [params["offset"] for _, params in asked(sandbox)] == ["0", "100", "200"]


def test_an_empty_window_is_one_request(project: Project) -> None:
    """Nothing there: one request, no row."""
    sandbox = project.serve(rows={})
    assert project.read() == []
    assert asked(sandbox) == [("/v1/stories", DAY | PAGE)]


WINDOWS = [
    ({}, DAY),
    ({"window_end": "inclusive"}, DAY),
    ({"window_format": "date"}, {"since": "2025-03-01", "until": "2025-03-02"}),
    ({"window_format": "date", "window_end": "inclusive"}, {"since": "2025-03-01", "until": "2025-03-01"}),
    ({"window_format": "epoch"}, {"since": "1740787200", "until": "1740873600"}),
    ({"window_format": "epoch", "window_end": "inclusive"}, {"since": "1740787200", "until": "1740873600"}),
]


@pytest.mark.parametrize("names", [("since", "until"), ("filter[ts][_gte]", "filter[ts][_lt]")])
@pytest.mark.parametrize(("settings", "window"), WINDOWS, ids=lambda value: "-".join(value.values()))
def test_every_window_format_brings_the_rows_of_the_window(
    project: Project, settings: dict[str, Any], window: dict[str, str], names: tuple[str, str]
) -> None:
    """Whatever the format and names, the same rows arrive: from the first moment to the last fraction of a second."""
    first = {"id": "first", "timestamp": "2025-03-01T00:00:00Z"}
    last = {"id": "last", "timestamp": "2025-03-01T23:59:59.999Z"}
    next_day = {"id": "next", "timestamp": "2025-03-02T00:00:00Z"}
    before = {"id": "before", "timestamp": "2025-02-28T23:59:59.999Z"}
    start, end = names
    sandbox = project.serve(
        rows={"stories": [before, first, last, next_day]},
        shape=Shape(key=KEY, start_param=start, end_param=end, **settings),
    )
    project.configure(window_start_param=start, window_end_param=end, **settings)
    assert [row["id"] for row in project.read()] == ["first", "last"]
    assert asked(sandbox) == [("/v1/stories", {start: window["since"], end: window["until"]} | PAGE)]


@pytest.mark.parametrize(
    ("settings", "seen"),
    [
        ({"key_location": "query"}, "query:api_key"),
        ({"key_location": "query", "key_name": "access[token]"}, "query:access[token]"),
        ({"key_location": "header", "key_name": "X-Api-Key"}, "header:x-api-key"),
        ({"key_location": "header"}, "header:api_key"),
        ({"key_location": "bearer"}, "bearer"),
    ],
)
def test_the_key_goes_where_the_settings_say_and_nowhere_else(
    project: Project, settings: dict[str, Any], seen: str
) -> None:
    """The key travels in the query, a header, or as a bearer token, under the name that is set, on every page."""
    sandbox = project.serve(rows={"stories": stories(150)}, shape=Shape(key=KEY, **settings))
    project.configure(**settings)
    assert len(project.read()) == 150
    assert {request.key_seen for request in sandbox.requests} == {seen}
    # `asked` strips the key from its place alone, so that anywhere else it would still be seen
    names = {name for _, params in asked(sandbox) for name in params}
    assert names == {"since", "until", "offset", "limit"}


def test_pages_that_are_read_ahead_are_the_same(project: Project) -> None:
    """Several requests in flight ask for the same pages as one, and the rows keep their order."""
    sandbox = project.serve(rows={"stories": stories(250)})
    project.configure(page_size=20, max_concurrent_requests=8)
    assert [row["id"] for row in project.read()] == [row["id"] for row in stories(250)]
    assert sorted(int(params["offset"]) for _, params in asked(sandbox)) == list(range(0, 250, 20))


def test_fixed_parameters_are_added_to_every_request(project: Project) -> None:
    """`extra_params` go along on every page, in both sync modes."""
    extra = {"version": "2", "fields[]": "id,timestamp"}
    sandbox = project.serve(rows={"stories": stories(120)}, shape=Shape(key=KEY, require_params=extra))
    project.configure(extra_params=extra)
    assert len(project.read()) == len(project.read(window=None)) == 120
    assert [params for _, params in asked(sandbox)] == [
        DAY | extra | {"offset": "0", "limit": "100"},
        DAY | extra | {"offset": "100", "limit": "100"},
        extra | {"offset": "0", "limit": "100"},
        extra | {"offset": "100", "limit": "100"},
    ]


def test_paths_page_size_and_names_are_the_vendors(project: Project) -> None:
    """Path, page size and the paging parameters' names are settings; a base URL may have a path of its own."""
    shape = Shape(
        key=KEY, paths={"stories": "/api/v9/my stories"}, offset_param="page[offset]", limit_param="page[size]"
    )
    sandbox = project.serve(rows={"stories": stories(5)}, shape=shape)
    project.configure(
        base_url=load_settings().base_url + "/api/",
        endpoints__stories__path="/v9/my stories",
        offset_param="page[offset]",
        limit_param="page[size]",
        page_size=2,
    )
    assert len(project.read()) == 5
    assert asked(sandbox) == [
        ("/api/v9/my stories", DAY | {"page[offset]": offset, "page[size]": "2"}) for offset in ("0", "2", "4")
    ]
    assert project.reports["stories"].requests == 3


def test_another_cursor_and_id_field(project: Project) -> None:
    """An endpoint's cursor and id field are settings too: the window is kept on one, rows are merged on the other."""
    rows = [
        {"uid": f"u{day}{hour}", "posted": f"2025-03-0{day}T{hour:02d}:00:00Z"} for day in (1, 2) for hour in (0, 23)
    ]
    project.serve(rows={"stories": rows}, shape=Shape(key=KEY, cursors={"stories": "ignored"}))
    project.configure(endpoints__stories__cursor="posted", endpoints__stories__id="uid")
    project.load()
    project.load()
    assert [row["uid"] for row in project.table(order="uid")] == ["u10", "u123"]


def test_rows_and_total_may_stand_deep_in_the_answer(project: Project) -> None:
    """`data_selector` and `total_selector` are JSONPaths."""
    shape = Shape(key=KEY, data_path="result.page.items", total_path="result.meta.count")
    sandbox = project.serve(rows={"stories": stories(150)}, shape=shape)
    project.configure(data_selector="result.page.items", total_selector="$.result.meta.count")
    assert len(project.read()) == 150
    assert [params["offset"] for _, params in asked(sandbox)] == ["0", "100"]


@pytest.mark.parametrize("said", ["by the setting", "by nobody"])
def test_without_a_total_pages_overlap_by_a_row_until_one_brings_nothing_new(project: Project, said: str) -> None:
    """Without a total a page begins with the last row of the page before; the end has an empty page behind it."""
    sandbox = project.serve(rows={"stories": stories(250)}, shape=Shape(key=KEY, total_path=None))
    if said == "by the setting":
        project.configure(total_selector="")
    rows = project.read()
    assert [params["offset"] for _, params in asked(sandbox)] == ["0", "99", "198", "249", "250"]
    assert sorted({row["id"] for row in rows}) == [row["id"] for row in stories(250)]


def test_an_empty_window_without_a_total_is_one_request(project: Project) -> None:
    """Without a total an empty first page is the end."""
    sandbox = project.serve(rows={}, shape=Shape(key=KEY, total_path=None))
    assert project.read() == []
    assert len(sandbox.requests) == 1


def test_four_endpoints_are_asked_one_after_the_other(project: Project) -> None:
    """One source may hold all endpoints; each is asked at its own path."""
    sandbox = project.serve(now=lambda: dt.datetime(2026, 1, 1, tzinfo=dt.UTC))
    project.load(WINDOW, *(endpoint.name for endpoint in ENDPOINTS))
    assert {path for path, _ in asked(sandbox)} == {endpoint.path for endpoint in ENDPOINTS}


def test_the_config_is_the_seeds(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """What `rest_api_source` is given is recognisably the seed's config: `client`, `resource_defaults`, `resources`."""
    seen: list[RESTAPIConfig] = []

    def spy(config: RESTAPIConfig, **options: Any) -> Any:  # noqa: ANN401
        seen.append(config)
        return dlt.sources.rest_api.rest_api_source(config, **options)

    monkeypatch.setattr(source_module, "rest_api_source", spy)
    project.serve()
    for endpoint in ENDPOINTS:
        build_source(endpoint, load_settings(), WINDOW)
    for config in seen:
        assert config["client"]["auth"] == {"type": "api_key", "name": "api_key", "api_key": KEY, "location": "query"}
        assert config["resource_defaults"]["write_disposition"] == "merge"
    assert [
        (resource["name"], resource["endpoint"]["path"], resource["primary_key"])
        for config in seen
        for resource in config["resources"]
    ] == [(name, f"/v1/{name}", "id") for name in ("media_insights", "user_insights", "stories", "story_insights")]


def test_resources_merge_on_the_id(project: Project) -> None:
    """Each resource has `id` as primary key, merges, and has the declared columns, typed."""
    project.serve()
    for name in ("media_insights", "user_insights", "stories", "story_insights"):
        source, _ = build_source(endpoint_of(name), load_settings(), WINDOW)
        resource = source.resources[name]
        table = resource.compute_table_schema()
        assert table["write_disposition"] == "merge"
        assert [column for column, hints in table["columns"].items() if hints.get("primary_key")] == ["id"]
        assert {column: hints["data_type"] for column, hints in table["columns"].items()} == {
            **{column.name: column.data_type for column in endpoint_of(name).columns},
            "_analytics_read_at": "timestamp",
            "_dlt_id": "text",
            "_dlt_load_id": "text",
        }
        assert table["columns"]["id"]["nullable"] is False


def test_building_a_source_asks_nothing(project: Project) -> None:
    """No request is made before rows are wanted."""
    sandbox = project.serve()
    build_source(ENDPOINTS[0], load_settings(), WINDOW)
    assert sandbox.requests == []
