"""Everything a vendor may do differently: one frozen model, one way to fill it, one place for the key.

Precedence, weakest first: the defaults below, ``[analytics_api]`` in ``.dlt/config.toml``, the environment
(``ANALYTICS_API__PAGE_SIZE=50``). dlt's own providers do the looking up.
"""

import datetime as dt
import json
import os
import re
import zoneinfo
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

import dlt
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from analytics_assets.ingest.endpoints import ENDPOINTS, Endpoint

SECTION = "analytics_api"
KEY_NAME = "api_key"

NewColumns = Literal["add", "ignore", "fail"]
_LOOPBACK = {"localhost", "127.0.0.1", "::1"}
_NonEmpty = Annotated[str, Field(min_length=1)]
_Seconds = Annotated[float, Field(gt=0, le=3600)]


class SettingError(ValueError):
    """A setting is missing or wrong. The message names it, its value (never a secret's) and what is allowed."""


class EndpointOverrides(BaseModel):
    """What one endpoint does differently from ``ENDPOINTS``: ``[analytics_api.endpoints.<name>]``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    path: Annotated[str | None, Field(pattern="^/")] = None
    cursor: _NonEmpty | None = None
    id: _NonEmpty | None = None


class Settings(BaseModel):
    """How the API is asked. The description of each field is the settings table of the README."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    base_url: str = Field(
        default="https://api.example.com", description="Where the API stands, without the endpoint paths"
    )
    allow_http: bool = Field(default=False, description="Allow plain http to other hosts than loopback")
    key_location: Literal["query", "header", "bearer"] = Field(
        default="query", description="Where the key goes in a request"
    )
    key_name: _NonEmpty = Field(
        default="api_key", description="Name of the query parameter or header that carries the key"
    )
    data_selector: _NonEmpty = Field(default="data", description="JSONPath of the rows in a response")
    total_selector: str = Field(
        default="total", description="JSONPath of the number of rows in the window; empty: there is none"
    )
    offset_param: _NonEmpty = Field(default="offset", description="Name of the offset parameter")
    limit_param: _NonEmpty = Field(default="limit", description="Name of the page size parameter")
    page_size: int = Field(default=100, ge=1, le=10_000, description="Rows asked for per page")
    window_start_param: _NonEmpty = Field(
        default="since", description="Name of the window's start parameter; `filter[ts][_gte]` works"
    )
    window_end_param: _NonEmpty = Field(default="until", description="Name of the window's end parameter")
    window_format: Literal["datetime", "date", "epoch"] = Field(
        default="datetime", description="`datetime`: 2025-01-03T00:00:00Z; `date`: 2025-01-03; `epoch`: seconds"
    )
    window_end: Literal["exclusive", "inclusive"] = Field(
        default="exclusive", description="Whether the API leaves out or returns rows at the window's end"
    )
    extra_params: dict[str, str] = Field(default_factory=dict, description="Fixed parameters added to every request")
    max_retries: int = Field(
        default=3, ge=0, le=10, description="Retries after 429, 500, 502, 503, 504 and broken connections"
    )
    backoff_factor: float = Field(
        default=2.0, ge=0, le=60, description="Seconds before the first retry, doubled for each further one"
    )
    connect_timeout: _Seconds = Field(default=10.0, description="Seconds to wait for a connection")
    read_timeout: _Seconds = Field(default=60.0, description="Seconds to wait for the next bytes of a response")
    response_timeout: _Seconds = Field(default=300.0, description="Seconds within which a whole response has to arrive")
    max_response_mb: int = Field(default=64, ge=1, le=1024, description="Largest response accepted, in MiB, unpacked")
    rejected_rows: Literal["set_aside", "fail"] = Field(
        default="set_aside",
        description="Rows that cannot be loaded as declared: `<endpoint>__rejected` takes them, or the run fails",
    )
    new_columns: NewColumns = Field(
        default="add",
        description="Fields that are neither declared nor in the table: `add` columns, `ignore` them, `fail` the run",
    )
    max_concurrent_requests: int = Field(
        default=16, ge=1, le=64, description="Requests in flight at once, per run; 1 reads page by page"
    )
    max_requests_per_second: float = Field(
        default=0,
        ge=0,
        le=10_000,
        description="Requests a second of all runs on a machine; 0: as the API's refusals teach",
    )
    max_window_days: int = Field(
        default=31, ge=1, le=3660, description="Longest window asked for; a longer range is loaded in slices, each kept"
    )
    start_date: dt.date = Field(default=dt.date(2025, 1, 1), description="First daily partition")
    timezone: str = Field(default="UTC", description="Time zone in which a partition's day begins and ends")
    endpoints: dict[str, EndpointOverrides] = Field(
        default_factory=dict, description="`path`, `cursor` and `id` of an endpoint, where they differ"
    )

    @field_validator("base_url")
    @classmethod
    def _is_url(cls, value: str) -> str:
        parts = urlsplit(value)
        if (
            parts.scheme not in {"http", "https"}
            or not parts.hostname
            or parts.query
            or parts.fragment
            or "@" in parts.netloc
        ):
            msg = "must be http(s)://host[:port][/path], without a query, fragment or user name"
            raise ValueError(msg)
        return value.rstrip("/")

    @field_validator("extra_params", mode="before")
    @classmethod
    def _from_environment(cls, value: object) -> object:
        """Accept the JSON object that an environment variable has to be."""
        return json.loads(value) if isinstance(value, str) else value

    @field_validator("timezone")
    @classmethod
    def _is_timezone(cls, value: str) -> str:
        if value not in zoneinfo.available_timezones():
            msg = "must be an IANA time zone such as UTC or Europe/Berlin"
            raise ValueError(msg)
        return value

    @field_validator("endpoints")
    @classmethod
    def _are_known(cls, value: dict[str, EndpointOverrides]) -> dict[str, EndpointOverrides]:
        known = [endpoint.name for endpoint in ENDPOINTS]
        if unknown := sorted(set(value) - set(known)):
            msg = f"unknown endpoint {unknown}; known are {known}"
            raise ValueError(msg)
        return value

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        parts = urlsplit(self.base_url)
        if parts.scheme == "http" and parts.hostname not in _LOOPBACK and not self.allow_http:
            msg = "base_url: plain http would send the key in clear; use https, or set allow_http = true"
            raise ValueError(msg)
        params = [
            self.offset_param,
            self.limit_param,
            self.window_start_param,
            self.window_end_param,
            *self.extra_params,
        ]
        if self.key_location == "query":
            params.append(self.key_name)
        if twice := sorted({name for name in params if params.count(name) > 1}):
            msg = f"two settings use the query parameter {twice}; each needs a name of its own"
            raise ValueError(msg)
        return self

    def endpoint(self, endpoint: Endpoint) -> Endpoint:
        """Return the endpoint as this vendor has it: path, cursor and id field replaced where a setting says so."""
        return endpoint.renamed(**self.endpoints.get(endpoint.name, EndpointOverrides()).model_dump(exclude_none=True))


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
