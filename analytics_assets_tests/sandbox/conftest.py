"""A running sandbox on request, and the shortest way to ask it for a page."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
import requests

from analytics_assets.sandbox.app import Sandbox
from analytics_assets.sandbox.server import SandboxServer


@pytest.fixture
def start() -> Iterator[Callable[..., SandboxServer]]:
    """Return a function that starts a sandbox with the given options; all are stopped after the test."""
    with ExitStack() as running:
        yield lambda **options: running.enter_context(SandboxServer(Sandbox(**options)))


@pytest.fixture
def ask() -> Callable[..., requests.Response]:
    """Return a function that asks a running sandbox for one page of stories; ``None`` leaves a parameter out."""

    def get(server: SandboxServer, path: str = "/v1/stories", **params: Any) -> requests.Response:  # noqa: ANN401
        sent = {"api_key": server.sandbox.shape.key, "limit": 100, "offset": 0, **params}
        return requests.get(server.url + path, params=sent, timeout=10, allow_redirects=False)

    return get


def stories(count: int) -> list[dict[str, Any]]:
    """Return that many stories, one an hour from the start of 2025-03-01."""
    return [
        {"id": f"s{number:03d}", "timestamp": f"2025-03-{1 + number // 24:02d}T{number % 24:02d}:00:00Z"}
        for number in range(count)
    ]
