"""Reads the settings and the key; nothing else does.

Precedence, weakest first: the defaults of ``Settings``, ``[analytics_api]`` in ``.dlt/config.toml``, the environment
(``ANALYTICS_API__PAGE_SIZE=50``). dlt's own providers do the looking up.
"""

import datetime as dt
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import dlt
from dlt.common.runtime import run_context
from pydantic import BaseModel, ValidationError

from analytics_assets.ingest.endpoint_settings import EndpointSettings
from analytics_assets.ingest.misspelt import given_names, given_variables, looks_like, misplaced_names
from analytics_assets.ingest.setting_names import (
    KEY_NAME,
    SECTION,
    WHERE_THE_KEY_GOES,
    endpoint_names,
    no_such_setting,
    setting_names,
)
from analytics_assets.ingest.settings import Settings

_SHORTEST_KEY = 8
_SHORTEST_SALT = 16


class SettingError(ValueError):
    """A setting is missing or wrong. The message names it, its value (never a secret's) and what is allowed."""


def load_settings(overrides: Mapping[str, Any] | None = None) -> Settings:
    """Read the settings from defaults, ``.dlt/config.toml`` and the environment, with ``overrides`` on top.

    Raises ``SettingError`` naming each wrong or unknown setting, its value, and what is allowed.
    """
    _refuse_other_folder()
    _refuse_unknown_variables()
    filled_in = {name: value for name, value in (overrides or {}).items() if value is not None}
    values = _configured(Settings, (SECTION,)) | filled_in
    values["endpoints"] = {
        name: {leaf: value for leaf, value in leaves.items() if leaf not in filled_in}
        for name in endpoint_names()
        if (leaves := _configured(EndpointSettings, (SECTION, "endpoints", name)))
    }
    try:
        return Settings.model_validate(values)
    except ValidationError as error:
        raise SettingError(_in_words(error)) from None


def origin_of(name: str) -> str:
    """Say in words where the value of a setting comes from: its variable, the configuration file, or the default."""
    variable = f"{SECTION}__{name}".upper()
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
        raise SettingError(f"no API key: set {WHERE_THE_KEY_GOES}.{_misplaced_key()}")
    key = key.strip()
    if not (key.isascii() and key.isprintable()):
        # http.client would quote the whole key in its error
        msg = "the API key has a line break or a non-ASCII character: copy it again into API_KEY or .dlt/secrets.toml"
        raise SettingError(msg)
    if reason := _why_no_secret(key, settings):
        raise SettingError(f"the API key {reason}")
    return key


def load_salt() -> str:
    """Read what personal data are hashed with, from ``dlt.secrets["hash_salt"]``; raises ``SettingError`` without it.

    With another one, all values get other hashes.
    """
    salt = dlt.secrets.get("hash_salt", str)
    if not salt or len(salt.strip()) < _SHORTEST_SALT:
        where = 'the environment variable HASH_SALT, or hash_salt = "…" at the top of .dlt/secrets.toml'
        what = f"a column has hash = true, and there is no salt of {_SHORTEST_SALT} characters or more for it"
        raise SettingError(f"{what}: set {where}, to something random, and keep it")
    return salt.strip()


def _why_no_secret(key: str, settings: Settings) -> str | None:
    """Say why a key is none that could be kept secret, without a word of it; ``None`` where it could be."""
    advice = "It could not be told apart from the data, and so not be kept out of tables and logs. Get another key"
    if len(key) < _SHORTEST_KEY:
        return f"has fewer than {_SHORTEST_KEY} characters. {advice}"
    if _is_date(key):
        return f"is a date. {advice}"
    for endpoint in settings.resolved_endpoints:
        if any(key in text for text in (endpoint.name, endpoint.path, *(column.name for column in endpoint.columns))):
            return f"is the name of an endpoint, a path or a column, or a part of one. {advice}"
    for name, value in settings.model_dump().items():
        if any(key in text or key in unquote(text) for text in _texts(value)):
            return f"is also part of the setting {name}, which logs and tables show. Remove it there"
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


def _refuse_other_folder() -> None:
    """Refuse to run on defaults where the project is started in a folder that has none of its settings.

    Else it would load from another API into a second warehouse, by dlt's own defaults, and all would be green.
    """
    settings, project = Path(run_context.active().settings_dir), Path(__file__).parents[2]
    if not settings.is_dir() and (project / settings.name).is_dir():
        what = f"there is no folder {settings.absolute()}; the project's settings are in {project}"
        how = "or set DLT_PROJECT_DIR (settings), DLT_LOCAL_DIR (DuckDB file) and DAGSTER_HOME (history of runs) to it"
        raise SettingError(f"{what}. Start Dagster in that folder, {how}.")


def _refuse_unknown_variables() -> None:
    """Refuse a mistyped ``ANALYTICS_API__…`` variable, which dlt would pass over in silence."""
    known = setting_names()
    for given in given_variables():
        name = ".".join(given.below((SECTION,)))
        if name and name not in known:
            raise SettingError(f"{given}: {no_such_setting(name, given.like)}")


def misplaced_settings() -> list[str]:
    """Return a sentence for each name that was probably meant to be a setting, and is none where it stands.

    Where dlt has read nothing from any file, which is so by intention in some deployments, there is a sentence on that.
    """
    sentences = misplaced_names((SECTION,), setting_names())
    if not any(given.file for given in given_names()):
        folder = Path(run_context.active().settings_dir).absolute()
        sentences.append(f"No settings in {folder}: they are the defaults, but for what the environment says.")
    return sentences


def _misplaced_key() -> str:
    """Say which names look as if the key had been put there."""
    found = [
        str(given)
        for given in given_names()
        if any(looks_like("_".join(given.path), name) for name in (KEY_NAME, f"{SECTION}_key", f"{SECTION}_{KEY_NAME}"))
    ]
    return f" What is set is {' and '.join(found)}." if found else ""


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
            allowed = no_such_setting(".".join(str(part) for part in problem["loc"]), str)
        lines.append(f"{name}{shown}: {allowed}")
    return "\n".join(lines)


def _harmless(value: object) -> object:
    """Return a wrong setting's value, without what may be a password or a key in an address."""
    return re.sub(r"//[^/@]*@|[?#].*", "…", value) if isinstance(value, str) else value
