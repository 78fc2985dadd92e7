"""Reads the settings; nothing else does. The key is read by ``key.py``.

Precedence, weakest first: the defaults of ``Settings``, ``[analytics_api]`` in ``.dlt/config.toml``, the environment
(``ANALYTICS_API__PAGE_SIZE=50``). dlt's own providers do the looking up.
"""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import dlt
from dlt.common.runtime import run_context
from pydantic import BaseModel, ValidationError

from analytics_assets.ingest.endpoint_settings import EndpointSettings
from analytics_assets.ingest.misspelt import given_names, given_variables, misplaced_names
from analytics_assets.ingest.setting_names import (
    SECTION,
    endpoint_names,
    no_such_setting,
    setting_names,
)
from analytics_assets.ingest.settings import Settings


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
