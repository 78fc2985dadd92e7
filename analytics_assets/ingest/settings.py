"""Everything a vendor may do differently, as one frozen model. ``configured.py`` says where its values come from."""

import datetime as dt
import zoneinfo
from functools import cached_property
from typing import Self
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator

from analytics_assets.ingest.api_settings import ApiSettings
from analytics_assets.ingest.endpoint import Endpoint
from analytics_assets.ingest.endpoint_settings import EndpointSettings
from analytics_assets.ingest.endpoints import ENDPOINTS
from analytics_assets.ingest.list_settings import ListSettings
from analytics_assets.ingest.misspelt import alike, did_you_mean, looks_like
from analytics_assets.ingest.resolving import resolved
from analytics_assets.ingest.upkeep_settings import UpkeepSettings

DECLARED = {endpoint.name: endpoint for endpoint in ENDPOINTS}
# storys is stories; story_views, or insights, is a name of its own
_MISSPELT, _LETTERS = 0.75, 2
_OF_LISTS = ListSettings.model_fields.keys()
LOOPBACK = {"localhost", "127.0.0.1", "::1"}


def no_such_endpoint(name: str) -> str:
    """Say that there is no endpoint of a name, which there are, and how one is added."""
    known = [endpoint.name for endpoint in ENDPOINTS]
    meant = did_you_mean(alike(name, known)) or f" The endpoints are {', '.join(known)}; one that has a path is added."
    return f"there is no endpoint {name!r}.{meant}"


def is_added(name: str, path: object) -> bool:
    """Say whether the settings of a name add an endpoint: it has a path, and is not one of ours misspelt."""
    others = (one for one in DECLARED if not name.startswith(f"{one}_"))
    return bool(path) and not any(looks_like(name, one, _MISSPELT, at_most=_LETTERS) for one in others)


class Settings(UpkeepSettings, ListSettings, ApiSettings):
    """How the API is asked, and what happens by itself: the descriptions are the settings table of the README."""

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
        for name, own in value.items():
            if name not in DECLARED and not is_added(name, own.path):
                raise ValueError(no_such_endpoint(name))
        if all(name in value and not value[name].enabled for name in DECLARED | value.keys()):
            msg = "no endpoint is enabled"
            raise ValueError(msg)
        return value

    @model_validator(mode="after")
    def _sends_no_key_in_clear(self) -> Self:
        for name, url in {"base_url": self.base_url, "token_url": self.token_url}.items():
            parts = urlsplit(url)
            if parts.scheme == "http" and parts.hostname not in LOOPBACK and not self.allow_http:
                msg = f"{name}: plain http would send the key in clear; use https, or set allow_http = true"
                raise ValueError(msg)
        return self

    @model_validator(mode="after")
    def _makes_endpoints(self) -> Self:
        """Refuse, before anything is asked, an override that makes no endpoint: a cursor that is no time, say."""
        for endpoint in self.resolved_endpoints:
            where = f"endpoints.{endpoint.name}: " if endpoint.name in self.endpoints else ""
            lists = self.of(endpoint)
            if bool(lists.window_start_param) != bool(lists.window_end_param):
                msg = f"{where}window_start_param and window_end_param are both given or both empty"
                raise ValueError(msg)
            for column in endpoint.columns:
                if column.references and column.references not in DECLARED | self.endpoints.keys():
                    msg = f"{where}columns.{column.name}.references: {no_such_endpoint(column.references)}"
                    raise ValueError(msg)
            if twice := sorted({name for name in lists.parameters if lists.parameters.count(name) > 1}):
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
        """The endpoints as this vendor has them, and those that the settings add; without those that are disabled."""
        none = EndpointSettings()
        own = {name: self.endpoints.get(name, none) for name in {**DECLARED, **self.endpoints}}
        return tuple(
            resolved(name, DECLARED.get(name), one, has_window=self._of(one).has_window)
            for name, one in own.items()
            if one.enabled
        )

    def of(self, endpoint: Endpoint) -> Self:
        """Return the settings with the endpoint's own in the place of those that stand for all.

        ``extra_params`` are its own beside those of all. What is changed in the copy stays so when it is asked again.
        """
        own = self.endpoints.get(endpoint.name)
        if own is None:
            return self
        given = {name: getattr(own, name) for name in own.model_fields_set - _OF_LISTS}
        rest = EndpointSettings.model_construct(**given)
        return self._of(own).model_copy(update={"endpoints": {**self.endpoints, endpoint.name: rest}})

    def _of(self, own: EndpointSettings) -> Self:
        given = {name: getattr(own, name) for name in own.model_fields_set & _OF_LISTS}
        if "extra_params" in given:
            given["extra_params"] = {**self.extra_params, **own.extra_params}
        return self.model_copy(update=given) if given else self
