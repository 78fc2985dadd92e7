"""A capture is made of what was recorded: without the key, without the data, and written to be read."""

import datetime as dt
import importlib.metadata
import re
from collections.abc import Mapping
from dataclasses import asdict
from urllib.parse import parse_qsl, unquote, urlsplit

from analytics_assets.ingest import exact_json
from analytics_assets.ingest.capture.anonymous import Anonymiser
from analytics_assets.ingest.capture.format import FORMAT, SANDBOX, Ending, Json
from analytics_assets.ingest.capture.recorder import Exchange, Recorder
from analytics_assets.ingest.settings import Settings

_BOM = b"\xef\xbb\xbf"
_MOST_TEXT = 300
_LOOKED_AT = 2**16
_WIDTH, _WIDTH_OF_ROWS, _LEVEL_OF_ROWS = 110, 1000, 4
_BAD_STATUS = 400
_SECRET = re.compile(r"key|token|secret|password|credential|client", re.IGNORECASE)
_NO_SECRET = frozenset({"key_location", "key_name"})


class KeyLeftError(Exception):
    """The key would stand in the file."""


def capture_of(recorder: Recorder, settings: Settings, day: dt.date, endings: Mapping[str, Ending]) -> tuple[str, int]:
    """Return the capture as text, and how many values in it are made up; raises ``KeyLeftError`` rather than leak."""
    anonymiser = Anonymiser(settings, day, recorder.redact)
    bodies = [_json(exchange) for exchange in recorder.exchanges]
    for exchange, body in zip(recorder.exchanges, bodies, strict=True):
        anonymiser.names.learn(body, (exchange.endpoint,))
    capture: dict[str, Json] = {
        "format": FORMAT,
        "version": importlib.metadata.version("analytics-assets"),
        "day": day.isoformat(),
        "settings": (kept := _without_secrets(settings, anonymiser)),
        "set": [
            name for name, value in Settings().model_dump(mode="json").items() if kept.get(name) not in (value, None)
        ],
        "endings": {name: dict(asdict(ending)) for name, ending in endings.items()},
        "exchanges": [
            _exchange(exchange, body, anonymiser) for exchange, body in zip(recorder.exchanges, bodies, strict=True)
        ],
    }
    text = "\n".join(_lines(capture, 0)) + "\n"
    if recorder.holds_key(text.encode()):
        raise KeyLeftError("the key would stand in the file, so nothing was written. This is a fault of this program")
    return text, anonymiser.made_up.replaced


def _json(exchange: Exchange) -> Json:
    """Return the body as JSON, in a list of one; ``None`` where it is none, or nested too deeply to be written."""
    try:
        body = exact_json.read(exchange.content.removeprefix(_BOM))
        exact_json.write([[[[body]]]])
    except ValueError:
        return None
    return [body]


def _exchange(exchange: Exchange, body: Json, anonymiser: Anonymiser) -> dict[str, Json]:
    parts = urlsplit(exchange.url)
    pairs = parse_qsl(parts.query, keep_blank_values=True)
    told: dict[str, Json] = {
        "endpoint": exchange.endpoint,
        "method": exchange.method,
        "path": unquote(anonymiser.names.path(parts.path)),
        "params": [[name, value] for name, value in anonymiser.params(pairs)],
    }
    if exchange.broken:
        return told | {"broken": exchange.broken}
    told |= {"status": exchange.status, "headers": _headers(exchange, anonymiser)}
    is_error = (exchange.status or 0) >= _BAD_STATUS
    if isinstance(body, list):
        return told | {"json": anonymiser.body(body[0], exchange.endpoint, is_error=is_error)}
    return told | {"text": _text(exchange, anonymiser)}


def _text(exchange: Exchange, anonymiser: Anonymiser) -> str:
    """Return the beginning of a body that is no JSON, as one that is none either."""
    text = anonymiser.redact(exchange.content[:_LOOKED_AT].decode("utf-8", "replace"))[:_MOST_TEXT]
    made = anonymiser.words(text)
    try:
        exact_json.read(made.encode())
    except ValueError:
        return made
    return made if "\ufffd" in made else f"{made}…"


def _headers(exchange: Exchange, anonymiser: Anonymiser) -> dict[str, Json]:
    headers: dict[str, Json] = {}
    for name, value in exchange.headers.items():
        if name == "Link":
            headers[name] = re.sub("<([^>]*)>", lambda found: f"<{anonymiser.link(found[1])}>", value)
        elif name == "Location":
            is_here = anonymiser.is_link(value) or not urlsplit(value).netloc
            headers[name] = anonymiser.link(value) if is_here else anonymiser.made_up.text(anonymiser.redact(value))
        else:
            headers[name] = anonymiser.redact(value)
    return headers


def _without_secrets(settings: Settings, anonymiser: Anonymiser) -> dict[str, Json]:
    """Return all settings in force; what may be a secret, and addresses of others than the API, are left out."""
    kept: dict[str, Json] = {
        name: value
        for name, value in settings.model_dump(mode="json", exclude_none=True, exclude={"endpoints"}).items()
        if name in _NO_SECRET or not (_SECRET.search(name) or (isinstance(value, str) and "://" in value))
    }
    own = {
        name: _undescribed(one.model_dump(mode="json", exclude_unset=True, by_alias=True))
        for name, one in settings.endpoints.items()
    }
    kept["endpoints"] = dict[str, Json](own)
    kept["base_url"] = SANDBOX + anonymiser.names.path(urlsplit(settings.base_url).path)
    for lists in (kept, *own.values()):
        if isinstance(path := lists.get("path"), str):
            lists["path"] = unquote(anonymiser.names.path(path))
        if isinstance(extra := lists.get("extra_params"), dict):
            lists["extra_params"] = {name: anonymiser.param(name, str(value)) for name, value in extra.items()}
    return kept


def _undescribed(own: dict[str, Json]) -> dict[str, Json]:
    """Return an endpoint's settings without what somebody says of it, or of a column, in words of their own."""
    kept = {name: value for name, value in own.items() if name != "description" or isinstance(value, dict)}
    return {name: _undescribed(value) if isinstance(value, dict) else value for name, value in kept.items()}


def _lines(value: Json, level: int) -> list[str]:
    """Return a value as JSON in lines: in one where it fits, so that a row is one as a rule."""
    written = exact_json.write(value)
    if (
        len(written) <= (_WIDTH_OF_ROWS if level >= _LEVEL_OF_ROWS else _WIDTH)
        or not isinstance(value, dict | list)
        or not value
    ):
        return [" " * level + written]
    items = value.items() if isinstance(value, dict) else ((None, item) for item in value)
    lines = ["{" if isinstance(value, dict) else "["]
    for name, item in items:
        inner = _lines(item, level + 1)
        if name is not None:
            inner[0] = f"{' ' * (level + 1)}{exact_json.write(name)}: {inner[0].lstrip()}"
        inner[-1] += ","
        lines += inner
    lines[-1] = lines[-1].removesuffix(",")
    lines[0] = " " * level + lines[0]
    return [*lines, " " * level + ("}" if isinstance(value, dict) else "]")]
