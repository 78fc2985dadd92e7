"""Where settings and key come from: one way in for each.

Precedence, weakest first: the defaults of ``Settings``, ``[analytics_api]`` in ``.dlt/config.toml``, the environment
(``ANALYTICS_API__PAGE_SIZE=50``). dlt's own providers do the looking up.
"""

import os
import re
from collections.abc import Mapping
from typing import Any

import dlt
from pydantic import BaseModel, ValidationError

from analytics_assets.ingest.endpoints import ENDPOINTS
from analytics_assets.ingest.settings import EndpointOverrides, Settings

SECTION = "analytics_api"
KEY_NAME = "api_key"


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


def load_key() -> str:
    """Read the API key, at run time, from ``dlt.secrets["api_key"]``: ``API_KEY`` or ``.dlt/secrets.toml``.

    Raises ``SettingError`` when there is none or it is blank.
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
    return key


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
