"""Where settings and key come from: one way in for each.

Precedence, weakest first: the defaults of ``Settings``, ``[analytics_api]`` in ``.dlt/config.toml``, the environment
(``ANALYTICS_API__PAGE_SIZE=50``). dlt's own providers do the looking up.
"""

import datetime as dt
import os
import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import unquote

import dlt
from pydantic import BaseModel, ValidationError

from analytics_assets.ingest.endpoints import ENDPOINTS
from analytics_assets.ingest.settings import EndpointOverrides, Settings

SECTION = "analytics_api"
KEY_NAME = "api_key"
_SHORTEST_KEY = 8


class SettingError(ValueError):
    """A setting is missing or wrong. The message names it, its value (never a secret's) and what is allowed."""


def load_settings(overrides: Mapping[str, Any] | None = None) -> Settings:
    """Read the settings from defaults, ``.dlt/config.toml`` and the environment, with ``overrides`` on top.

    Raises ``SettingError`` naming each wrong or unknown setting, its value, and what is allowed.
    """
    values = _configured(Settings, (SECTION,)) | {k: v for k, v in (overrides or {}).items() if v is not None}
    values["endpoints"] = {
        name: leaves
        for name in {*(endpoint.name for endpoint in ENDPOINTS), *values.get("endpoints", {})}
        if (leaves := _configured(EndpointOverrides, (SECTION, "endpoints", name)))
    }
    _refuse_unknown_environment()
    try:
        return Settings.model_validate(values)
    except ValidationError as error:
        raise SettingError(_in_words(error)) from None


def origin_of(name: str) -> str:
    """Say in words where the value of a setting comes from: its variable, the configuration file, or the default."""
    variable = _variable(SECTION, name)
    # those of an endpoint are variables of their own
    found = sorted(one for one in os.environ if one == variable or one.startswith(f"{variable}__"))
    if found:
        return f"from {', '.join(found)}"
    return "from .dlt/config.toml" if dlt.config.get(f"{SECTION}.{name}") is not None else "default"


def load_key(settings: Settings) -> str:
    """Read the API key, at run time, from ``dlt.secrets["api_key"]``: ``API_KEY`` or ``.dlt/secrets.toml``.

    Raises ``SettingError`` when there is none or it is blank, and when it is no secret: too short, a date, or a part of
    the settings or of the data's names. To keep such a key out of everything would take these out as well.
    """
    # `.get(…, str)`, for `dlt.secrets[...]` guesses types: a key `0012` would become the number 12
    key = dlt.secrets.get(KEY_NAME, str)
    if not key or not key.strip():
        msg = 'no API key: set the environment variable API_KEY, or api_key = "…" in .dlt/secrets.toml'
        raise SettingError(msg)
    key = key.strip()
    if not (key.isascii() and key.isprintable()):
        # http.client would quote the whole key in its error
        msg = "the API key has a line break or a non-ASCII character: copy it anew into API_KEY or .dlt/secrets.toml"
        raise SettingError(msg)
    if reason := _why_no_secret(key, settings):
        raise SettingError(f"the API key {reason}")
    return key


def _why_no_secret(key: str, settings: Settings) -> str | None:
    """Say why a key is none that could be kept secret, without a word of it; ``None`` where it could be."""
    advice = (
        "It could not be told from the data, and so not be kept out of tables and logs: have the API issue another one"
    )
    if len(key) < _SHORTEST_KEY:
        return f"has fewer than {_SHORTEST_KEY} characters. {advice}"
    if _is_date(key):
        return f"is a date. {advice}"
    for endpoint in settings.resolved_endpoints:
        if any(key in text for text in (endpoint.name, endpoint.path, *(column.name for column in endpoint.columns))):
            return f"is the name of an endpoint, a path or a column, or a part of one. {advice}"
    for name, value in settings.model_dump().items():
        if any(key in text or key in unquote(text) for text in _texts(value)):
            return f"stands in the setting {name} too, which logs and tables show: take it out there"
    return None


def _is_date(text: str) -> bool:
    try:
        dt.datetime.fromisoformat(text)
    except ValueError:
        return False
    return True


def _texts(value: object) -> Iterator[str]:
    """Yield all that stands in a setting's value."""
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield str(name)
            yield from _texts(inner)
    else:
        yield str(value)


def _configured(model: type[BaseModel], sections: tuple[str, ...]) -> dict[str, Any]:
    """Collect what dlt's providers hold for the model's fields, and what else the TOML table holds, to refuse it."""
    table: Any = dlt.config.get(".".join(sections))
    found: dict[str, Any] = dict(table) if isinstance(table, Mapping) else {}
    for name in model.model_fields:
        value: Any = dlt.config.get(".".join((*sections, name)))
        if value is not None:
            found[name] = value
    return found


def _variable(*sections: str) -> str:
    """Name the environment variable that dlt looks up for a setting."""
    return "__".join(sections).upper()


def _refuse_unknown_environment() -> None:
    """Refuse a mistyped ``ANALYTICS_API__…`` variable, which dlt would pass over in silence."""
    prefix = _variable(SECTION, "")
    known = {_variable(SECTION, name) for name in Settings.model_fields}
    for endpoint in ENDPOINTS:
        known |= {_variable(SECTION, "endpoints", endpoint.name, name) for name in EndpointOverrides.model_fields}
    for variable in sorted(os.environ):
        if variable.startswith(prefix) and variable not in known:
            msg = f"environment variable {variable}: no such setting; known are {', '.join(sorted(known))}"
            raise SettingError(msg)


def _in_words(error: ValidationError) -> str:
    """Turn pydantic's list into one line per wrong setting: name, value, what is allowed."""
    lines = []
    for problem in error.errors(include_url=False, include_context=False):
        name = ".".join([SECTION, *(str(part) for part in problem["loc"])])
        allowed = problem["msg"].removeprefix("Value error, ")
        shown = "" if not problem["loc"] else f" = {_harmless(problem['input'])!r}"
        if problem["type"] == "extra_forbidden":
            # without its value: an `api_key` that strayed here is one
            shown = ""
            allowed = f"no such setting; known are {', '.join(Settings.model_fields)}"
        lines.append(f"{name}{shown}: {allowed}")
    return "\n".join(lines)


def _harmless(value: object) -> object:
    """Return a wrong setting's value, without what may be a password or a key in an address."""
    return re.sub(r"//[^/@]*@|[?#].*", "…", value) if isinstance(value, str) else value
