"""What an answer says of the next page is what the request for it says: in a link, in a header, as a cursor."""

import datetime as dt
import json
import logging
import time
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
import requests
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from analytics_assets.ingest.api.adapter import WireCounts
from analytics_assets.ingest.api.budget import RateBudget
from analytics_assets.ingest.api.redaction import redactor_of
from analytics_assets.ingest.api.session import ADAPTER
from analytics_assets.ingest.capture.capture import capture_of
from analytics_assets.ingest.capture.format import Ending, read_capture
from analytics_assets.ingest.capture.recorder import Recorder
from analytics_assets.ingest.settings import Settings
from analytics_assets.sandbox.play import Player
from analytics_assets.sandbox.server import SandboxServer
from analytics_assets_tests.project import DAY, KEY, KEY_FORMS

CURSORS = ["QVFIUmphbmVfZG9l==", "jane_doe_1987", "2025-03-01T10:11:12Z", "17841400000000042"]
PATH = "/v18/17841400000000042/media"


async def _page(request: Request) -> JSONResponse:
    """Answer with one row, a cursor, and the whole address of the next page, in three places."""
    params = dict(request.query_params)
    number = 1 + (CURSORS.index(params["after"]) if "after" in params else -1)
    paging: dict[str, Any] = {"cursors": {"before": "x"}}
    headers = {}
    if number < len(CURSORS):
        paging["cursors"]["after"] = CURSORS[number] if number < 3 else int(CURSORS[number])
        url = request.url.include_query_params(after=CURSORS[number], limit=1)
        paging["next"], headers["Link"] = str(url), f'<{url}>; rel="next"'
    rows = [{"id": f"jane_doe_1987_{number}", "name": "Jane", "shares": {"jane_doe_1987": number}}]
    return JSONResponse({"data": rows, "paging": paging}, headers=headers)


def walk(adapter: requests.adapters.HTTPAdapter, url: str, how: str) -> list[str]:
    """Follow the pages and return the ids of their rows."""
    session = requests.Session()
    session.mount("http://", adapter)
    found: list[str] = []
    following = url
    params = {"limit": "1"} if how == "link without a key" else {"access_token": KEY, "limit": "1"}
    while following and len(found) <= len(CURSORS):
        answer = session.get(following, params=params, timeout=5)
        answer.raise_for_status()
        body = answer.json()
        found += [row["id"] for row in body["data"]]
        after = body["paging"]["cursors"].get("after")
        if how == "cursor":
            following = following if after else ""
            params = {**params, "after": str(after)}
        else:
            following = (
                body["paging"].get("next", "")
                if how.startswith("link")
                else answer.links.get("next", {}).get("url", "")
            )
            params = {}
    return found


@pytest.mark.parametrize("how", ["cursor", "link", "link without a key", "header"])
def test_a_played_walk_is_the_vendors(how: str) -> None:
    """As many pages, by names that nobody has; no token, account or cursor of the vendor's in the file."""
    with SandboxServer(player=Starlette(routes=[Route(PATH, _page)])) as server:
        settings = Settings(base_url=f"{server.url}/v18", key_name="access_token")
        budget = RateBudget(settings, time.sleep, logging.getLogger())
        recorder = Recorder(1)
        with recorder.of("stories"):
            adapter = ADAPTER.get()(settings, redactor_of(KEY), WireCounts(), budget)
        found = walk(adapter, server.url + PATH, how)
    assert len(found) == len(CURSORS) + 1
    text, _ = capture_of(recorder, settings, dt.date.fromisoformat(DAY), {"stories": Ending()})
    private = [*KEY_FORMS, *(one for one in CURSORS if "T" not in one[:12]), "17841400000000042", "Jane", "jane_doe"]
    assert [one for one in private if one in text] == []
    assert "QVFIU" not in text
    capture = read_capture(text.encode())
    path = capture["exchanges"][0]["path"]
    with SandboxServer(player=Player(capture, KEY)) as server:
        again = walk(requests.adapters.HTTPAdapter(), server.url + path, how)
    assert len(again) == len(found) == len(set(again))
    assert again != found


def test_the_key_in_a_played_link_is_the_players() -> None:
    """A vendor that writes the key into the address of the next page is played with the key of whoever plays it."""
    link = "{sandbox}/v1/stories?access_token={key}&after=x"
    exchange = {
        "method": "GET",
        "path": "/v1/stories",
        "params": [],
        "status": 200,
        "headers": {"Link": f"<{link}>"},
        "json": {"next": link, "caption": "see {key}"},
    }
    settings = Settings().model_dump(mode="json") | {"key_name": "access_token"}
    with SandboxServer(player=Player({"settings": settings, "exchanges": [exchange]}, 'a"&=key')) as server:
        answer = requests.get(f"{server.url}/v1/stories", params={"access_token": 'a"&=key'}, timeout=5)
        here = urlsplit(server.url).netloc
    for url in (answer.json()["next"], answer.links[answer.headers["Link"][1:-1]]["url"]):
        assert urlsplit(url).netloc == here
        assert parse_qsl(urlsplit(url).query) == [("access_token", 'a"&=key'), ("after", "x")]
    assert answer.json()["caption"] == 'see a"&=key'
    assert json.loads(answer.text)
