"""The sandbox API itself: checks the key, reads the parameters, cuts the page, keeps the request log."""

import asyncio
import datetime as dt
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from analytics_assets.ingest.endpoint import Endpoint
from analytics_assets.ingest.endpoints import ENDPOINTS
from analytics_assets.sandbox import data
from analytics_assets.sandbox.answer import Answer
from analytics_assets.sandbox.asked import Asked, key_seen, path_without_key, without_key
from analytics_assets.sandbox.days import Row
from analytics_assets.sandbox.faults import Fault
from analytics_assets.sandbox.paging import asked_page
from analytics_assets.sandbox.shape import BadRequestError, Shape
from analytics_assets.sandbox.tokens import Tokens

_UNAUTHORIZED, _NOT_FOUND, _NOT_ALLOWED, _BAD = 401, 404, 405, 400


class Sandbox:
    """The API's state, and the ASGI application that answers for it; ``server.py`` serves it.

    With ``rows`` (endpoint name to list) exactly these are served, in that order, and may be changed between requests;
    a tuple is taken never to change and is faster for windows. An endpoint not named is empty, and a row whose cursor
    is no moment is in every window. Without ``rows`` they are made up from ``seed``, ``scale`` and ``first_day`` until
    ``now()``, with the fields of ``endpoints``; with ``forget_stories`` a story is gone after 24 hours. ``ValueError``
    when ``shape.paths`` then names an endpoint that is none of these.

    ``faults`` may be changed at any time; they apply in order until one answers. ``on_request`` is called on the
    server's thread before a request is answered.
    """

    def __init__(  # noqa: PLR0913 - each option is a plain setting of the stand-in
        self,
        *,
        shape: Shape | None = None,
        rows: dict[str, Any] | None = None,
        faults: Sequence[Fault] = (),
        seed: int = 7,
        scale: int = 1,
        first_day: dt.date = data.FIRST_DAY,
        now: Callable[[], dt.datetime] = lambda: dt.datetime.now(dt.UTC),
        forget_stories: bool = False,
        on_request: Callable[[Asked], None] | None = None,
        endpoints: Sequence[Endpoint] = ENDPOINTS,
    ) -> None:
        """Keep the options; nothing listens yet."""
        self.shape = shape or Shape()
        made_of = {endpoint.name: endpoint for endpoint in endpoints}
        unknown = self.shape.paths.keys() - made_of.keys()
        if rows is None and unknown:
            msg = f"rows can be made up only for known endpoints, not for {', '.join(sorted(unknown))}"
            raise ValueError(msg)
        self.rows = rows if rows is not None else {}
        self.faults = list(faults)
        self.on_request = on_request
        self.requests: list[Asked] = []
        self.max_in_flight = 0
        self.tokens = Tokens()
        self._in_flight = 0
        self._made_up = rows is None
        self._cut: dict[tuple[object, ...], tuple[object, list[Any]]] = {}
        self._now = now
        self._forget_stories = forget_stories

        @lru_cache(maxsize=64)
        def generated(name: str, start: dt.datetime | None, end: dt.datetime | None, second: dt.datetime) -> list[Row]:
            options: Any = {"seed": seed, "scale": scale, "first_day": first_day, "now": second}
            return data.rows(name, start, end, **options, endpoint=made_of.get(name))

        self._generated = generated

    def reset(self) -> None:
        """Forget the requests and the faults; the rows stay."""
        self.faults.clear()
        self.requests.clear()
        self.max_in_flight = self._in_flight

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request (ASGI)."""
        self._in_flight += 1
        self.max_in_flight = max(self.max_in_flight, self._in_flight)
        try:
            response = await self._respond(Request(scope, receive))
            await response(scope, receive, send)
        except asyncio.CancelledError:
            return  # only the stopping server cancels, after it dropped the connection
        finally:
            self._in_flight -= 1

    async def _respond(self, request: Request) -> Response:
        """Choose the response and note the request in the log."""
        params, headers = dict(request.query_params), dict(request.headers)
        endpoint = next((name for name, path in self.shape.paths.items() if path == request.url.path), None)
        asked = Asked(
            endpoint=endpoint,
            path=path_without_key(request.url.path, self.shape),
            params=without_key(params, self.shape),
            headers_lower=without_key(headers, self.shape),
            key_seen=key_seen(params, headers, self.shape),
            status=0,
            at=time.monotonic(),
        )
        place = len(self.requests)
        self.requests.append(asked)
        if self.on_request:
            self.on_request(asked)
        sells_tokens = self.shape.key_location == "oauth2" and request.url.path == self.shape.oauth_path
        answering = self._token(request, headers) if sells_tokens else self._choose(request, endpoint, params, headers)
        response = await answering
        if place < len(self.requests) and self.requests[place] is asked:
            self.requests[place] = replace(asked, status=response.status_code)
        return response

    async def _choose(
        self, request: Request, endpoint: str | None, params: Mapping[str, str], headers: Mapping[str, str]
    ) -> Response:
        if endpoint is None:
            return _refusal(_NOT_FOUND, "no such path")
        if request.method != "GET":
            return _refusal(_NOT_ALLOWED, "only GET is allowed", {"allow": "GET"})
        if refusal := self._not_let_in(self.shape.key_sent(params, headers)):
            return refusal
        shape = self.shape.of(endpoint)
        try:
            shape.check_required(params)
            offset, limit = asked_page(shape, params)
            start, end = shape.window(params)
        except BadRequestError as error:
            return _refusal(_BAD, str(error))
        rows = self._select(endpoint, start, end)
        answer = Answer(endpoint=endpoint, url=str(request.url), shape=shape, rows=rows, offset=offset, limit=limit)
        for fault in list(self.faults):
            response = await fault.apply(answer) if fault.takes(answer) else None
            if response is not None:
                return response
        return Response(answer.body(), headers=answer.headers, media_type="application/json")

    def _not_let_in(self, key: str | None) -> Response | None:
        if self.shape.key_location == "oauth2":
            good = self.tokens.lets_in(key)
            return None if good else _refusal(_UNAUTHORIZED, "no token that is good", {"www-authenticate": "Bearer"})
        if key == self.shape.key:
            return None
        wrong = _refusal(self.shape.wrong_key_status, "wrong API key")
        return wrong if key else _refusal(_UNAUTHORIZED, "no API key")

    async def _token(self, request: Request, headers: Mapping[str, str]) -> Response:
        if request.method != "POST":
            return _refusal(_NOT_ALLOWED, "only POST is allowed", {"allow": "POST"})
        answer = Answer(endpoint="token", url=str(request.url), shape=self.shape, rows=(), offset=0, limit=0)
        for fault in list(self.faults):
            # one without an endpoint is meant for rows
            response = await fault.apply(answer) if fault.endpoint == "token" and fault.takes(answer) else None
            if response is not None:
                return response
        status, body = self.tokens.ask(self.shape, await request.body(), headers)
        return Response(orjson.dumps(body), status, {"cache-control": "no-store"}, media_type="application/json")

    def _select(self, endpoint: str, start: dt.datetime | None, end: dt.datetime | None) -> Sequence[Any]:
        if self._made_up:
            now = self._now().replace(microsecond=0)
            if endpoint == "stories" and self._forget_stories:
                oldest = now - dt.timedelta(days=1)
                start = max(start or oldest, oldest)
            return self._generated(endpoint, start, end, now)
        rows: Sequence[Any] = self.rows.get(endpoint, [])
        if start is None and end is None:
            return rows
        cursor = self.shape.cursors.get(endpoint, "timestamp")
        whole, found = self._cut.get((endpoint, start, end), (None, []))
        if whole is not rows:
            found = [row for row in rows if _inside(row, cursor, start, end)]
            if isinstance(rows, tuple):
                self._cut[endpoint, start, end] = rows, found
        return found


def _inside(row: object, cursor: str, start: dt.datetime | None, end: dt.datetime | None) -> bool:
    moment = _moment(row.get(cursor)) if isinstance(row, dict) else None
    return moment is None or ((start is None or start <= moment) and (end is None or moment < end))


@lru_cache(maxsize=100_000)
def _parsed(text: str) -> dt.datetime | None:
    try:
        moment = dt.datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)


def _moment(value: object) -> dt.datetime | None:
    if type(value) is int:
        return dt.datetime.fromtimestamp(value, dt.UTC)
    return _parsed(value) if isinstance(value, str) else None


def _refusal(status: int, message: str, headers: Mapping[str, str] | None = None) -> Response:
    body = orjson.dumps({"error": {"code": status, "message": message}})
    return Response(body, status, headers, media_type="application/json")
