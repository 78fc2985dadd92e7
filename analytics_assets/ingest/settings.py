"""Everything a vendor may do differently, as one frozen model. ``configured.py`` says where its values come from."""

import contextlib
import datetime as dt
import json
import zoneinfo
from functools import cached_property
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from analytics_assets.ingest.endpoints import ENDPOINTS, Endpoint
from analytics_assets.ingest.misspelt import alike, did_you_mean

NewColumns = Literal["add", "ignore", "fail"]
_LOOPBACK = {"localhost", "127.0.0.1", "::1"}
_NonEmpty = Annotated[str, Field(min_length=1)]
_Seconds = Annotated[float, Field(gt=0, le=3600)]


def _json(text: str, kind: type, what: str) -> object:
    """Read JSON of a kind; raises ``ValueError`` saying what it has to be."""
    with contextlib.suppress(ValueError):
        value = json.loads(text)
        if isinstance(value, kind):
            return value
    raise ValueError(f"must be {what}")


def no_such_endpoint(name: str) -> str:
    """Say that there is no endpoint of a name, and which there are."""
    known = [endpoint.name for endpoint in ENDPOINTS]
    meant = did_you_mean(alike(name, known)) or f" The endpoints are {', '.join(known)}."
    return f"there is no endpoint {name!r}.{meant}"


class EndpointOverrides(BaseModel):
    """What one endpoint does differently from ``ENDPOINTS``: ``[analytics_api.endpoints.<name>]``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    path: Annotated[str | None, Field(pattern="^/")] = None
    cursor: _NonEmpty | None = None
    id: _NonEmpty | tuple[_NonEmpty, ...] | None = None

    @field_validator("id", mode="before")
    @classmethod
    def _from_environment(cls, value: object) -> object:
        """Accept the JSON list that an environment variable has to be where the id is several fields."""
        if not (isinstance(value, str) and value.strip().startswith("[")):
            return value
        return _json(value, list, 'a field, or a JSON list of fields, such as ["account", "day"]')


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
        default="total", description="JSONPath of the number of rows in the window; empty: the API gives none"
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
    max_retry_after: float = Field(
        default=3600,
        gt=0,
        le=86_400,
        description="Longest `Retry-After` that is waited for, in seconds; the run fails at once where more is asked",
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
        description="Requests a second of all runs on a machine; 0: no limit but what the API's `429` answers teach",
    )
    max_window_days: int = Field(
        default=31,
        ge=1,
        le=3660,
        description="Longest window asked for; a longer range is loaded in slices, and each that has arrived stays",
    )
    start_date: dt.date = Field(default=dt.date(2025, 1, 1), description="First daily partition")
    timezone: str = Field(default="UTC", description="Time zone in which a partition's day begins and ends")
    endpoints: dict[str, EndpointOverrides] = Field(
        default_factory=dict,
        description="`path`, `cursor` and `id` (a field, or a list of fields) of an endpoint, where they differ",
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
        what = 'a JSON object, such as {"fields": "all", "version": "2"}'
        return _json(value, dict, what) if isinstance(value, str) else value

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
        for name in value:
            if name not in {endpoint.name for endpoint in ENDPOINTS}:
                raise ValueError(no_such_endpoint(name))
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

    @model_validator(mode="after")
    def _makes_endpoints(self) -> Self:
        """Refuse, before anything is asked, an override that makes no endpoint: a cursor that is no time, say."""
        list(self.resolved_endpoints)
        return self

    @cached_property
    def resolved_endpoints(self) -> tuple[Endpoint, ...]:
        """The endpoints as this vendor has them: path, cursor and id field replaced where a setting says so."""
        none = EndpointOverrides()
        return tuple(
            endpoint.renamed(**self.endpoints.get(endpoint.name, none).model_dump(exclude_none=True))
            for endpoint in ENDPOINTS
        )
