"""Links to the next page: followed on the API's own host alone, with the key once, which nobody gets to read."""

import logging
from collections.abc import Iterator
from typing import Any

import pytest
from requests import PreparedRequest, Response
from starlette.requests import Request

from analytics_assets.ingest.api.references import References, with_parameter_of, without_parameter
from analytics_assets.ingest.configured import load_settings
from analytics_assets.ingest.connection import check_endpoint
from analytics_assets.ingest.errors import ApiError, explain
from analytics_assets.ingest.estimate import estimate_window
from analytics_assets.ingest.settings import Settings
from analytics_assets.sandbox.app import Sandbox
from analytics_assets.sandbox.faults import Fault
from analytics_assets.sandbox.server import SandboxServer
from analytics_assets.sandbox.shape import Shape
from analytics_assets_tests.project import KEY, KEY_FORMS, WINDOW, Project, endpoint_of, stories


def serve(project: Project, *faults: Fault, **shape: Any) -> Sandbox:  # noqa: ANN401
    """Serve 25 stories in pages of ten."""
    sandbox = project.serve(
        rows={"stories": stories(25)}, shape=Shape(key=KEY, pagination="link", **shape), faults=faults
    )
    project.configure(pagination="link", page_size=10)
    return sandbox


@pytest.fixture(params=["query", "bearer"])
def elsewhere(request: pytest.FixtureRequest) -> Iterator[tuple[Sandbox, str]]:
    """Return another host, and where the key is sent."""
    with SandboxServer(Sandbox(shape=Shape(key=KEY, key_location=request.param), rows={})) as server:
        yield server.sandbox, request.param


@pytest.mark.parametrize("in_flight", [1, 4])
def test_a_link_to_another_host_is_refused(
    project: Project, elsewhere: tuple[Sandbox, str], in_flight: int, caplog: pytest.LogCaptureFixture
) -> None:
    """In words that name the host; nobody else is sent the key, and no log has it or what stands behind the host."""
    other, location = elsewhere
    caplog.set_level(logging.DEBUG)
    with SandboxServer(other) as server:
        link = f"{server.url}/v1/stories?api_key={KEY}&secret=theirs"
        serve(project, Fault("next_link", value=link), key_location=location)
        project.configure(key_location=location, max_concurrent_requests=in_flight)
        with pytest.raises(Exception, match="next page") as caught:
            project.load()
        problem = explain(caught.value)
        assert problem is not None
        assert problem.kind == "request refused"
        assert f"names another host, {server.url}; the key was not sent there" in problem.message
    assert other.requests == []
    project.assert_nowhere([*KEY_FORMS, "theirs"], problem.message, caplog.text)


@pytest.mark.parametrize("has_key", [True, False])
@pytest.mark.parametrize("is_absolute", [True, False])
@pytest.mark.parametrize("path", ["paging.next", "header:Link", "header:X-Next-Page"])
def test_the_key_is_sent_once(project: Project, has_key: bool, is_absolute: bool, path: str) -> None:  # noqa: FBT001
    """Whether the link has it or not, is relative or not, and wherever it stands; its cursor arrives as it was sent."""
    sandbox = serve(project, link_has_key=has_key, link_is_absolute=is_absolute, link_path=path)
    project.configure(next_link_selector=path)
    asked: list[str] = []
    original = sandbox._choose  # noqa: SLF001 - the whole address is nowhere else

    async def choose(request: Request, *rest: Any) -> Any:  # noqa: ANN401
        asked.append(request.url.query)
        return await original(request, *rest)

    sandbox._choose = choose  # type: ignore[method-assign]  # noqa: SLF001 - as above
    assert len(project.read()) == 25
    assert [query.count("api_key=") for query in asked] == [1, 1, 1]


@pytest.mark.parametrize("location", ["query", "header"])
def test_no_failure_of_a_linked_page_tells_the_key(
    project: Project, location: str, caplog: pytest.LogCaptureFixture
) -> None:
    """The API repeats the address that was asked, which is the link with the key."""
    caplog.set_level(logging.DEBUG)
    serve(project, Fault("echo_url", offset=10), key_location=location, key_name="key")
    project.configure(key_location=location, key_name="key")
    with pytest.raises(Exception, match="400") as caught:
        project.load()
    problem = explain(caught.value)
    assert problem is not None
    project.assert_nowhere(KEY_FORMS, problem.message, caplog.text)


def following(link: object, url: str = f"https://api.example/v1/s?api_key={KEY}&a=1") -> str | None:
    """Return what becomes of a link."""
    response = Response()
    response.request, response.url = PreparedRequest(), url
    response.request.url = url
    response.status_code = 200
    response.json = lambda **_: {"next": link}  # type: ignore[method-assign]
    settings = Settings(base_url="https://api.example", pagination="link", next_link_selector="next")
    return References(settings).following(response)


@pytest.mark.parametrize(
    ("link", "becomes"),
    [
        ("?page=2", "https://api.example/v1/s?page=2"),
        ("/v2/s?c=a%2Bb%3D&api_key=***", "https://api.example/v2/s?c=a%2Bb%3D"),
        ("https://API.example:443/s?c=a+b=/&x[0]=1", "https://API.example:443/s?c=a+b=/&x[0]=1"),
        ("https://api.example/s?api%5Fkey=x&c=1#top", "https://api.example/s?c=1"),
        (" https://api.example/a b ", "https://api.example/a%20b"),
        ("", None),
        (None, None),
        (False, None),
    ],
)
def test_what_a_link_becomes(link: object, becomes: str | None) -> None:
    """Resolved against the request, without the key, and otherwise as it was written."""
    assert following(link) == becomes


@pytest.mark.parametrize(
    "link",
    [
        "http://api.example/s",
        "https://api.example:444/s",
        "//other.example/s",
        "https://user@api.example/s",
        "https://api.example@other.example/s",
        "https://api.example.other/s",
        "ftp://api.example/s",
        "https://[::1/s",
        "https://api.example:x/s",
        "javascript:alert(1)",
    ],
)
def test_links_that_lead_elsewhere_are_refused(link: str) -> None:
    """Another scheme, host, port or user, and what is no address."""
    with pytest.raises(ApiError, match=r"request refused: .*next_link_selector"):
        following(link)


@pytest.mark.parametrize("link", [5, {"href": "/s"}, ["/s"], True])
def test_a_link_that_is_no_text_is_the_wrong_shape(link: object) -> None:
    """An object in its place is most likely the parent of the address."""
    with pytest.raises(ApiError, match=r"'next' is not an address \(setting next_link_selector\)"):
        following(link)


def test_a_parameter_moves_as_it_is_written() -> None:
    """Neither what it is called nor what it says is decoded and encoded again."""
    url = "https://a.example/s?x=%7E&k%65y=a%2Bb&key=c&y"
    assert without_parameter(url, "key") == "https://a.example/s?x=%7E&y"
    assert with_parameter_of("https://a.example/t", url, "key") == "https://a.example/t?k%65y=a%2Bb&key=c"


@pytest.mark.parametrize("pagination", ["page", "cursor", "link"])
@pytest.mark.parametrize("total", ["total", ""])
def test_check_and_estimate_ask_as_a_load_does(project: Project, pagination: Any, total: str) -> None:  # noqa: ANN401
    """A few requests show that the endpoint can be read, and what it will cost where there is a total."""
    shape = Shape(key=KEY, pagination=pagination, total_path=total or None)
    sandbox = project.serve(rows={"stories": stories(25)}, shape=shape)
    project.configure(pagination=pagination, total_selector=total)
    settings = load_settings()
    verdict = check_endpoint(endpoint_of("stories"), settings)
    assert str(verdict).startswith(f"stories: fine: {'25 rows in all' if total else 'rows come, and no total'}")
    assert len(sandbox.requests) < 20
    estimate = estimate_window(endpoint_of("stories"), settings.model_copy(update={"page_size": 10}), WINDOW)
    assert (estimate.rows, estimate.requests) == ((25, 3) if total else (None, None))


@pytest.mark.parametrize("pagination", ["page", "cursor", "link"])
def test_an_empty_window_is_doubted(project: Project, pagination: str) -> None:
    """One false empty answer is found out, as with offsets."""
    project.serve(
        rows={"stories": stories(25)},
        shape=Shape(key=KEY, pagination=pagination, total_path=None),
        faults=[Fault("body", content=b'{"data": []}', times=1)],
    )
    project.configure(pagination=pagination, page_size=10)
    report = project.load()
    assert (report.rows_loaded, report.rereads) == (25, 1)
