"""A vendor played from a capture, which ``make record`` writes: what it answered, in the order in which it did."""

import shlex
import threading
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from analytics_assets.ingest import exact_json
from analytics_assets.ingest.capture.format import KEY, SANDBOX, Json, settings_at
from analytics_assets.sandbox.wire import Closed, Truncated

Question = tuple[str, str, tuple[tuple[str, str], ...]]
"""Method, path, and the parameters in order, without the key's."""

_MEBIBYTE = 2**20
# No API has it, and no reading takes it for the end of the pages, as it takes a 404.
_NOT_RECORDED = 501
_INVALID = b"\xff"


class Player:
    """The ASGI application that plays a capture; ``server.py`` serves it.

    The nth time that a request comes it gets what came the nth time, and from then on the last of it. A request is told
    by its method, its path and its parameters; where the key stands does not matter, nor which one it is. What was not
    recorded is answered with 501, and with what was. Nothing waits: a slow answer comes at once, and where none came in
    time, the connection is closed.
    """

    def __init__(self, capture: Mapping[str, Json], key: str = "sandbox-key") -> None:
        """Take a capture from ``read_capture``; ``key`` stands where it had the vendor's."""
        self._key = key
        settings: Any = capture["settings"]
        self._key_name = settings["key_name"]
        self._most_mebibytes = settings["max_response_mb"]
        self._answers: dict[Question, list[dict[str, Any]]] = defaultdict(list)
        exchanges: Any = capture["exchanges"]
        for exchange in exchanges:
            asked = sorted((name, value) for name, value in exchange["params"])
            self._answers[exchange["method"], exchange["path"], tuple(asked)].append(exchange)
        self.asked: Counter[Question] = Counter()
        """How often each request came."""
        self._lock = threading.Lock()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request (ASGI)."""
        request = Request(scope, receive)
        question = self._question(request)
        with self._lock:
            nth = self.asked[question]
            self.asked[question] += 1
        answers = self._answers.get(question)
        if answers:
            response = self._response(answers[min(nth, len(answers) - 1)], f"http://{request.headers['host']}")
        else:
            response = self._not_recorded(question)
        await response(scope, receive, send)

    def _question(self, request: Request) -> Question:
        pairs = request.query_params.multi_items()
        asked = [(name, value) for name, value in pairs if name != self._key_name and self._key not in value]
        return request.method, request.url.path, tuple(sorted(asked))

    def _response(self, exchange: Mapping[str, Any], here: str) -> Response:
        match exchange.get("broken"):
            case "no answer" | "timeout":
                return Closed(reset=False)
            case "cut":
                return Truncated(b'{"cut": true}', keep=0.5)
            case "undecodable":
                return Response(b"not packed", headers={"content-encoding": "gzip"}, media_type="application/json")
            case "too large":
                return StreamingResponse(_spaces(self._most_mebibytes + 1), media_type="application/json")
        if "json" in exchange:
            body = self._filled_in(exact_json.write(exchange["json"]), here).encode()
        else:
            # what stands for bytes that are no UTF-8 has to be none either
            body = exchange["text"].encode().replace("\ufffd".encode(), _INVALID)
        headers = {name: self._filled_in(value, here) for name, value in exchange["headers"].items()}
        return Response(body, exchange["status"], headers)

    def _filled_in(self, text: str, here: str) -> str:
        """Return a text with our address and key in the places of the vendor's."""
        in_url, in_json = quote(self._key, safe=""), exact_json.write(self._key)[1:-1]
        return text.replace(SANDBOX, here).replace(f"={KEY}", f"={in_url}").replace(KEY, in_json)

    def _not_recorded(self, question: Question) -> Response:
        method, path, params = question
        there = [asked for asked in self._answers if asked[:2] == (method, path)]
        known = [dict(asked) for _, _, asked in there] or sorted({asked[1] for asked in self._answers})
        message = f"not in the capture: {path} {dict(params)}; recorded are {known}"
        body = exact_json.write({"error": {"code": _NOT_RECORDED, "message": message}})
        return Response(body, _NOT_RECORDED, media_type="application/json")


async def _spaces(mebibytes: int) -> AsyncIterator[bytes]:
    for _ in range(mebibytes):
        yield b" " * _MEBIBYTE


def how_to_load(capture: dict[str, Json], url: str, key: str) -> list[str]:
    """Return the commands that load the recorded day from a capture that is played at ``url``.

    They set what is set otherwise than by default; ``.dlt/config.toml`` has to say nothing else.
    """
    lines = [f"export API_KEY={shlex.quote(key)}"]
    for name, value in sorted(_leaves(settings_at(capture, url), capture["set"])):
        text = value if isinstance(value, str) else exact_json.write(value)
        lines.append(f"export ANALYTICS_API__{name.upper()}={shlex.quote(text)}")
    return [*lines, f"make load DAY={capture['day']}"]


def _leaves(settings: dict[str, Json], chosen: Json) -> Iterator[tuple[str, Json]]:
    """Yield the chosen settings, and those of each endpoint, by the names of their variables."""
    for name, value in settings.items():
        if name == "endpoints" and isinstance(value, dict):
            for endpoint, own in value.items():
                if isinstance(own, dict):
                    yield from ((f"endpoints__{endpoint}__{leaf}", item) for leaf, item in own.items())
        elif isinstance(chosen, list) and name in chosen:
            yield name, value
