"""How the API is reached: its address, the key's place in a request, and how often and how patiently it is asked."""

import datetime as dt
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from analytics_assets.ingest.list_settings import read_json

# the secret has a place of its own, and the id a setting
_NOT_PARAMS = {"client_secret", "client_id"}
_Seconds = Annotated[float, Field(gt=0, le=3600)]


class ApiSettings(BaseModel):
    """What all endpoints of the API have in common."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    base_url: str = Field(
        default="https://api.example.com", description="Where the API stands, without the endpoint paths"
    )
    allow_http: bool = Field(default=False, description="Allow plain http to other hosts than loopback")
    key_location: Literal["query", "header", "bearer", "oauth2"] = Field(
        default="query",
        description="Where the key goes in a request; `oauth2`: it is the client secret that tokens are asked for with",
    )
    key_name: Annotated[str, Field(min_length=1)] = Field(
        default="api_key", description="Name of the query parameter or header that carries the key"
    )
    key_file: str = Field(
        default="",
        description="File that holds the key, such as `/run/secrets/api_key`, in the place of `API_KEY`",
    )
    key_expires_on: dt.date | Literal[""] = Field(
        default="", description="Day on which the key ends; from 14 days before it is warned of"
    )
    token_url: str = Field(default="", description="Where `oauth2` asks for a token")
    client_id: str = Field(default="", description="The client id of `oauth2`")
    client_auth: Literal["form", "basic"] = Field(
        default="form", description="How `oauth2` sends client id and secret: as form fields, or by HTTP Basic"
    )
    token_params: dict[str, str] = Field(
        default_factory=dict, description="Further form fields that `oauth2` asks with, such as `scope` or `audience`"
    )
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
    max_concurrent_requests: int = Field(
        default=16, ge=1, le=64, description="Requests in flight at once, per run; 1 reads page by page"
    )
    max_requests_per_second: float = Field(
        default=0,
        ge=0,
        le=10_000,
        description="Requests a second of all runs on a machine; 0: no limit but what the API's `429` answers teach",
    )
    rate_budget: Literal["machine", "postgres"] = Field(
        default="machine",
        description="`postgres`: one budget for the runs of all machines, in the PostgreSQL of `RATE_BUDGET_URL`",
    )

    @field_validator("base_url")
    @classmethod
    def _has_no_slash_behind(cls, value: str) -> str:
        return cls._is_url(value or "nowhere").rstrip("/")

    @field_validator("token_url")
    @classmethod
    def _is_url(cls, value: str) -> str:
        if not value:
            return value
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
        return value

    @field_validator("key_expires_on", mode="before")
    @classmethod
    def _is_day(cls, value: object) -> object:
        if not isinstance(value, str) or not value:
            return value
        try:
            return dt.date.fromisoformat(value)
        except ValueError:
            msg = "must be a day such as 2026-03-31, or empty"
            raise ValueError(msg) from None

    @field_validator("token_params", mode="before")
    @classmethod
    def _from_variable(cls, value: object) -> object:
        """Accept the JSON object that an environment variable has to be."""
        what = 'a JSON object, such as {"scope": "insights.read"}'
        return read_json(value, dict, what) if isinstance(value, str) else value

    @field_validator("token_params")
    @classmethod
    def _are_no_secret(cls, value: dict[str, str]) -> dict[str, str]:
        if found := sorted(_NOT_PARAMS & set(value)):
            msg = f"{found} has another place: the client secret is the key, and client_id is a setting"
            raise ValueError(msg)
        return value

    @model_validator(mode="after")
    def _has_what_oauth2_takes(self) -> Self:
        """Refuse half of it: without ``oauth2``, the client secret would be sent to the API as if it was a key."""
        given = {name for name in ("token_url", "client_id", "token_params") if getattr(self, name)}
        if self.key_location == "oauth2":
            if missing := sorted({"token_url", "client_id"} - given):
                raise ValueError(f'key_location = "oauth2" needs {" and ".join(missing)} as well')
        elif given:
            what = f'{" and ".join(sorted(given))} has a meaning only with key_location = "oauth2"'
            raise ValueError(f"{what}: the key would be sent as it is (key_location = {self.key_location!r})")
        return self
