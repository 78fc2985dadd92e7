"""Which names are settings, those of endpoints among them, and what is said of a name that is none."""

from collections.abc import Callable
from typing import Any

import dlt

from analytics_assets.ingest.endpoint_settings import ColumnSettings, EndpointSettings
from analytics_assets.ingest.misspelt import alike, did_you_mean, given_variables, looks_like
from analytics_assets.ingest.settings import DECLARED, Settings, is_added, no_such_endpoint

SECTION = "analytics_api"
KEY_NAME = "api_key"
WHERE_THE_KEY_GOES = 'the environment variable API_KEY, or api_key = "…" at the top of .dlt/secrets.toml'
# what somebody calls a key who looks for a setting to put it into
_KEY_LIKE = (KEY_NAME, "key", "token", "api_token", "access_token", "secret", "client_secret", "password")
# endpoints.stories.path
_PARTS_OF_A_FIELD = 3


def setting_names() -> list[str]:
    """Return the names of all settings, those of an endpoint with dots: ``endpoints.stories.path``."""
    known = {*DECLARED, *(name for name in endpoint_names() if _is_added(name))}
    fields = [f"endpoints.{endpoint}.{name}" for endpoint in sorted(known) for name in EndpointSettings.model_fields]
    return [*(name for name in Settings.model_fields if name != "endpoints"), *fields]


def endpoint_names() -> list[str]:
    """Return the names of our endpoints, and of those that a section or a variable names."""
    table: Any = dlt.config.get(f"{SECTION}.endpoints")
    given = [one.below((SECTION, "endpoints")) for one in given_variables()]
    return sorted({*DECLARED, *(table or {}), *(path[0] for path in given if len(path) > 1)})


def _is_added(name: str) -> bool:
    return is_added(name, dlt.config.get(f"{SECTION}.endpoints.{name}.path"))


def no_such_setting(name: str, spelt: Callable[[str], str]) -> str:
    """Say what may have been meant by a name that is no setting. ``spelt`` writes one as it would be given there."""
    *_, last = parts = name.split(".")
    if any(looks_like(last, one) for one in _KEY_LIKE):
        return f"the API key is not a setting. Put it into {WHERE_THE_KEY_GOES}."
    if name == "endpoints":
        return f"each field of an endpoint is set by itself, as in {spelt(f'{SECTION}.endpoints.stories.path')}."
    if parts[0] == "endpoints":
        if parts[1] not in DECLARED and not _is_added(parts[1]):
            return no_such_endpoint(parts[1])
        # of a column, or of the endpoint
        fields = (
            EndpointSettings.model_fields if len(parts) == _PARTS_OF_A_FIELD else ("from", *ColumnSettings.model_fields)
        )
        meant = [spelt(".".join((SECTION, *parts[:-1], one))) for one in alike(last, fields)]
        return f"there is no such setting.{did_you_mean(meant) or ' docs/vendors lists what an endpoint can have.'}"
    meant = [spelt(f"{SECTION}.{one}") for one in alike(name, (*Settings.model_fields, *setting_names()))]
    return f"there is no such setting.{did_you_mean(meant) or ' The table in README.md lists all settings.'}"
