"""How the API is reached: its address, the key's place in a request, and how often and how patiently it is asked."""

from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, field_validator

_Seconds = Annotated[float, Field(gt=0, le=3600)]


class ApiSettings(BaseModel):
    """What all endpoints of the API have in common."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    base_url: str = Field(
        default="https://api.example.com", description="Where the API stands, without the endpoint paths"
    )
    allow_http: bool = Field(default=False, description="Allow plain http to other hosts than loopback")
    key_location: Literal["query", "header", "bearer"] = Field(
        default="query", description="Where the key goes in a request"
    )
    key_name: Annotated[str, Field(min_length=1)] = Field(
        default="api_key", description="Name of the query parameter or header that carries the key"
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
