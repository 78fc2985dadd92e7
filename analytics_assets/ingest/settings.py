"""Everything a vendor may do differently, as one frozen model. ``configured.py`` says where its values come from."""

import datetime as dt
import zoneinfo
from functools import cached_property
from typing import Self
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator

from analytics_assets.ingest.api_settings import ApiSettings
from analytics_assets.ingest.endpoint_settings import EndpointSettings
from analytics_assets.ingest.endpoints import ENDPOINTS, Endpoint
from analytics_assets.ingest.list_settings import ListSettings
from analytics_assets.ingest.misspelt import alike, did_you_mean

_LOOPBACK = {"localhost", "127.0.0.1", "::1"}


def no_such_endpoint(name: str) -> str:
    """Say that there is no endpoint of a name, and which there are."""
    known = [endpoint.name for endpoint in ENDPOINTS]
    meant = did_you_mean(alike(name, known)) or f" The endpoints are {', '.join(known)}."
    return f"there is no endpoint {name!r}.{meant}"


class Settings(ListSettings, ApiSettings):
    """How the API is asked. The description of each field is the settings table of the README."""

    start_date: dt.date = Field(default=dt.date(2025, 1, 1), description="First daily partition")
    timezone: str = Field(default="UTC", description="Time zone in which a partition's day begins and ends")
    endpoints: dict[str, EndpointSettings] = Field(
        default_factory=dict, description="What an endpoint does differently: [docs/vendors](docs/vendors/README.md)"
    )

    @field_validator("timezone")
    @classmethod
    def _is_timezone(cls, value: str) -> str:
        if value not in zoneinfo.available_timezones():
            msg = "must be an IANA time zone such as UTC or Europe/Berlin"
            raise ValueError(msg)
        return value

    @field_validator("endpoints")
    @classmethod
    def _are_known(cls, value: dict[str, EndpointSettings]) -> dict[str, EndpointSettings]:
        for name in value:
            if name not in {endpoint.name for endpoint in ENDPOINTS}:
                raise ValueError(no_such_endpoint(name))
        return value

    @model_validator(mode="after")
    def _sends_no_key_in_clear(self) -> Self:
        parts = urlsplit(self.base_url)
        if parts.scheme == "http" and parts.hostname not in _LOOPBACK and not self.allow_http:
            msg = "base_url: plain http would send the key in clear; use https, or set allow_http = true"
            raise ValueError(msg)
        return self

    @model_validator(mode="after")
    def _makes_endpoints(self) -> Self:
        """Refuse, before anything is asked, an override that makes no endpoint: a cursor that is no time, say."""
        for endpoint in self.resolved_endpoints:
            params = self.of(endpoint).parameters
            if twice := sorted({name for name in params if params.count(name) > 1}):
                where = f"endpoints.{endpoint.name}: " if endpoint.name in self.endpoints else ""
                msg = f"{where}two settings use the query parameter {twice}; each needs a name of its own"
                raise ValueError(msg)
        return self

    @property
    def parameters(self) -> list[str]:
        """The names of all query parameters that a request has."""
        key = [self.key_name] if self.key_location == "query" else []
        return [*self.list_parameters, *key]

    @cached_property
    def resolved_endpoints(self) -> tuple[Endpoint, ...]:
        """The endpoints as this vendor has them: path, cursor and id field replaced where a setting says so."""
        none = EndpointSettings()
        own = set(EndpointSettings.model_fields) - set(ListSettings.model_fields)
        return tuple(
            endpoint.renamed(**self.endpoints.get(endpoint.name, none).model_dump(exclude_none=True, include=own))
            for endpoint in ENDPOINTS
        )

    def of(self, endpoint: Endpoint) -> Self:
        """Return the settings with the endpoint's own in the place of those that stand for all.

        ``extra_params`` are its own beside those of all. What is changed in the copy stays so when it is asked again.
        """
        own = self.endpoints.get(endpoint.name)
        given = own.model_fields_set & set(ListSettings.model_fields) if own else set()
        if own is None or not given:
            return self
        changed = {name: getattr(own, name) for name in given}
        if "extra_params" in changed:
            changed["extra_params"] = {**self.extra_params, **own.extra_params}
        rest = EndpointSettings.model_construct(**{name: getattr(own, name) for name in own.model_fields_set - given})
        return self.model_copy(update={**changed, "endpoints": {**self.endpoints, endpoint.name: rest}})
