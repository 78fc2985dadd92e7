"""Where a session follows a redirect, and where not."""

from typing import Any
from urllib.parse import quote, quote_plus

import pytest
from dlt.extract.exceptions import ResourceExtractionError

from analytics_assets.ingest.errors import explain
from analytics_assets.sandbox.app import Sandbox
from analytics_assets.sandbox.faults import Fault
from analytics_assets.sandbox.server import SandboxServer
from analytics_assets.sandbox.shape import Shape
from analytics_assets_tests.project import KEY, Project, stories


@pytest.mark.parametrize("location", ["header", "bearer"])
def test_the_key_does_not_follow_a_redirect_to_another_host(
    project: Project, waits: list[float], location: str
) -> None:
    """A redirect elsewhere is refused in words, and nobody else is sent the key."""
    settings: dict[str, Any] = {"key_location": location, "key_name": "x-key"}
    other = Sandbox(rows={"stories": stories(1)}, shape=Shape(key=KEY, **settings))
    with SandboxServer(other) as elsewhere:
        redirect = Fault("redirect", location=f"{elsewhere.url}/v1/stories?offset=0&limit=100")
        project.serve(shape=Shape(key=KEY, **settings), faults=[redirect])
        project.configure(**settings)
        with pytest.raises(ResourceExtractionError, match="redirects to another host"):
            project.read()
    assert other.requests == []
    assert waits == []


def test_a_redirect_on_the_same_host_is_followed(project: Project) -> None:
    """A moved path on the same host is no failure."""
    settings: dict[str, Any] = {"key_location": "header", "key_name": "x-key"}
    moved = Fault("redirect", location="/v1/stories?offset=0&limit=100", times=1)
    project.serve(rows={"stories": stories(1)}, shape=Shape(key=KEY, **settings), faults=[moved])
    project.configure(**settings)
    assert len(project.read()) == 1


def test_redirects_in_a_circle_end(project: Project, waits: list[float]) -> None:
    """A server that redirects to itself is given up soon."""
    settings: dict[str, Any] = {"key_location": "header", "key_name": "x-key"}
    circle = Fault("redirect", location="/v1/stories?offset=0&limit=100")
    sandbox = project.serve(shape=Shape(key=KEY, **settings), faults=[circle])
    project.configure(**settings)
    with pytest.raises(ResourceExtractionError, match="redirects") as caught:
        project.read()
    problem = explain(caught.value)
    assert problem is not None
    assert f"{project.configured('base_url')}/v1/stories" in problem.message
    assert len(sandbox.requests) <= 10
    assert waits == []


def test_a_redirect_to_no_address_is_told(project: Project) -> None:
    """In words, and without the key that may stand in it."""
    project.serve(faults=[Fault("redirect", location=f"http://[::1/v1?also={quote_plus(KEY)}")])
    with pytest.raises(ResourceExtractionError) as caught:
        project.read()
    problem = explain(caught.value)
    assert problem is not None
    assert problem.kind == "request refused"
    assert "redirects to an address that is not valid: 'http://[::1/v1?also=***'" in problem.message


@pytest.mark.parametrize(
    "location",
    [
        f"https://{quote(KEY, safe='')}.example/v1/stories",
        f"https://{KEY.replace('/', '%2f')}/v1/stories?a=b",
        f"https://{KEY}/v1/stories",
        f"https://user:{quote_plus(KEY)}@api.example/v1/stories",
        f"https://{quote(KEY, safe='').lower()}/",
        f"//{quote(KEY, safe='')}",
    ],
)
def test_a_host_that_is_named_as_the_key_is_not_told(project: Project, location: str) -> None:
    """The message names the host without it, and without half of it where a slash of the key ends the host's name."""
    project.serve(faults=[Fault("redirect", location=location)])
    with pytest.raises(ResourceExtractionError, match="redirects to ") as caught:
        project.read()
    problem = explain(caught.value)
    assert problem is not None
    assert problem.kind == "request refused"
    assert "***" in problem.message.partition("redirects to ")[2]
    assert "sandbox" not in problem.message.partition("redirects to ")[2]


def test_a_redirect_that_is_no_text_is_told(project: Project) -> None:
    """An address in another encoding ends in words too."""
    project.serve(faults=[Fault("status", status=302, headers={"Location": "/caf\xe9"})])
    with pytest.raises(ResourceExtractionError, match="redirects to an address that is not valid"):
        project.read()
