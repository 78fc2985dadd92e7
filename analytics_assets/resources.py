"""The one resource: the API, as assets, jobs and sensors reach it."""

import contextlib
import json
import logging
from collections.abc import Iterator
from typing import Any, Self

import dagster as dg
from dlt.extract.source import DltSource
from pydantic import Field, create_model

from analytics_assets.ingest.collector import collector_at_rest
from analytics_assets.ingest.configured import SettingError, load_settings, origin_of
from analytics_assets.ingest.connection import Verdict, check_endpoint, check_key, check_warehouse
from analytics_assets.ingest.endpoint import Endpoint
from analytics_assets.ingest.estimate import Estimate, estimate_window
from analytics_assets.ingest.key import key_end
from analytics_assets.ingest.report import Reading
from analytics_assets.ingest.settings import Settings
from analytics_assets.ingest.source import build_source
from analytics_assets.ingest.warehouse.destination import settings_to_doubt
from analytics_assets.ingest.window import Window
from analytics_assets.timeline import put_on_timeline

_PAGE = (
    "The social analytics API, and the settings as they were when the definitions were loaded. Each run reads them "
    "anew when it begins, and a field that is filled in for a single run overrides them. The key is none of them: it "
    "comes from `API_KEY`, `.dlt/secrets.toml` or the file that `key_file` names.\n\n"
)


class AnalyticsApi(dg.ConfigurableResource):  # type: ignore[type-arg] # it is handed on as itself
    """The social analytics API.

    A field that is left empty (null) is what the settings say when a run begins; one that is filled in for a single run
    goes before them. The key is no field: run config is stored in clear in Dagster's database, so it comes from
    ``dlt.secrets["api_key"]`` alone.
    """

    base_url: str | None = Field(default=None, description=Settings.model_fields["base_url"].description)
    page_size: int | None = Field(default=None, description=Settings.model_fields["page_size"].description)
    max_retries: int | None = Field(default=None, description=Settings.model_fields["max_retries"].description)
    backoff_factor: float | None = Field(default=None, description=Settings.model_fields["backoff_factor"].description)
    read_timeout: float | None = Field(default=None, description=Settings.model_fields["read_timeout"].description)

    @contextlib.contextmanager
    def yield_for_execution(self, context: dg.InitResourceContext) -> Iterator[Self]:
        """Give the resource to a run and put that on the timeline; the garbage collector rests until the run ends.

        The run's log begins with names that look like settings but are not, and says of the key if it is about to end.
        """
        if context.run and context.instance:
            put_on_timeline(context.run, context.instance)
        if context.log:
            # what is wrong altogether, the step says in words
            with contextlib.suppress(SettingError):
                for sentence in settings_to_doubt():
                    context.log.warning(sentence)
                if end := key_end(self.settings()):
                    context.log.warning(str(end))
        with collector_at_rest():
            yield self

    def settings(self) -> Settings:
        """Return the settings in force; raises ``SettingError`` when one is wrong."""
        return load_settings({name: getattr(self, name) for name in type(self).model_fields})

    def source(
        self, endpoint: Endpoint, window: Window | None, run_id: str, log: logging.Logger
    ) -> tuple[DltSource, Reading]:
        """Return the dlt source of one endpoint and window, and its figures; without a window it is a full refresh."""
        return build_source(endpoint, self.settings().of(endpoint), window, run_id=run_id, log=log)

    def check_connection(self) -> list[Verdict]:
        """Ask each endpoint a few questions, and open the warehouse; return a worded verdict for each.

        There is one of the key too, where it has ended or is about to. What API and warehouse do raises nothing.
        """
        settings = self.settings()
        return [
            *(check_endpoint(endpoint, settings.of(endpoint)) for endpoint in settings.resolved_endpoints),
            check_warehouse(settings),
            *check_key(settings),
        ]

    def estimate(self, window: Window) -> list[Estimate]:
        """Ask each endpoint for its total in the window and return what loading it takes."""
        settings = self.settings()
        return [estimate_window(endpoint, settings.of(endpoint), window) for endpoint in settings.resolved_endpoints]


def described_api(settings: Settings) -> AnalyticsApi:
    """Return the resource with the effective settings in its description and in its fields', for its page in the UI.

    They are shown, not set: a default or a bound value would become part of each run's config, and go before what is
    configured when the run begins.
    """
    values = settings.model_dump(mode="json", exclude_none=True)
    own = {name: one.model_dump(mode="json", exclude_unset=True) for name, one in settings.endpoints.items()}
    values["endpoints"] = own
    # one of them may be a token
    values["token_params"] = dict.fromkeys(values["token_params"], "***")
    for lists in (values, *(one for one in own.values() if "extra_params" in one)):
        lists["extra_params"] = dict.fromkeys(lists["extra_params"], "***")
    told = {name: (json.dumps(value), origin_of(name)) for name, value in values.items()}
    lines = "\n".join(f"- {name}: `{value}` ({origin})" for name, (value, origin) in told.items())
    fields: dict[str, Any] = {}
    for name, field in AnalyticsApi.model_fields.items():
        value, origin = told[name]
        description = f"{field.description}. In force: {value} ({origin}), unless a run fills it in"
        fields[name] = (field.annotation, Field(default=None, description=description))
    described = create_model(
        AnalyticsApi.__name__,
        __base__=AnalyticsApi,
        __module__=AnalyticsApi.__module__,
        __doc__=_PAGE + lines,
        **fields,
    )
    return described()
