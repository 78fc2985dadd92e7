"""The one resource: the API, as assets, jobs and sensors reach it."""

import contextlib
import logging
from collections.abc import Iterator
from typing import Self

import dagster as dg
from dlt.extract.source import DltSource
from pydantic import Field

from analytics_assets.ingest.collector import collector_at_rest
from analytics_assets.ingest.configured import load_settings
from analytics_assets.ingest.connection import Verdict, check_endpoint, check_warehouse
from analytics_assets.ingest.endpoints import Endpoint
from analytics_assets.ingest.estimate import Estimate, estimate_window
from analytics_assets.ingest.report import Reading
from analytics_assets.ingest.settings import Settings
from analytics_assets.ingest.source import build_source
from analytics_assets.ingest.window import Window
from analytics_assets.timeline import put_on_timeline


class AnalyticsApi(dg.ConfigurableResource):  # type: ignore[type-arg] # it is handed on as itself
    """The social analytics API.

    A field that is left empty is read from ``.dlt/config.toml`` and the environment when a run begins. The key is no
    field: run config is stored in clear in Dagster's database, so it comes from ``dlt.secrets["api_key"]`` alone.
    """

    base_url: str | None = Field(
        default=None, description=f"Overrides the setting. {Settings.model_fields['base_url'].description}"
    )
    page_size: int | None = Field(
        default=None, description=f"Overrides the setting. {Settings.model_fields['page_size'].description}"
    )
    max_retries: int | None = Field(
        default=None, description=f"Overrides the setting. {Settings.model_fields['max_retries'].description}"
    )
    backoff_factor: float | None = Field(
        default=None, description=f"Overrides the setting. {Settings.model_fields['backoff_factor'].description}"
    )
    read_timeout: float | None = Field(
        default=None, description=f"Overrides the setting. {Settings.model_fields['read_timeout'].description}"
    )

    @contextlib.contextmanager
    def yield_for_execution(self, context: dg.InitResourceContext) -> Iterator[Self]:
        """Give the resource to a run and put that on the timeline; the garbage collector rests until the run ends."""
        if context.run and context.instance:
            put_on_timeline(context.run, context.instance)
        with collector_at_rest():
            yield self

    def settings(self) -> Settings:
        """Return the settings in force; raises ``SettingError`` when one is wrong."""
        return load_settings({name: getattr(self, name) for name in type(self).model_fields})

    def source(
        self, endpoint: Endpoint, window: Window | None, run_id: str, log: logging.Logger
    ) -> tuple[DltSource, Reading]:
        """Return the dlt source of one endpoint and window, and its figures; without a window it is a full refresh."""
        return build_source(endpoint, self.settings(), window, run_id=run_id, log=log)

    def check_connection(self) -> list[Verdict]:
        """Ask each endpoint for a row and its day, and open the warehouse; return a worded verdict for each.

        What API and warehouse do raises nothing.
        """
        settings = self.settings()
        return [
            *(check_endpoint(endpoint, settings) for endpoint in settings.resolved_endpoints),
            check_warehouse(settings),
        ]

    def estimate(self, window: Window) -> list[Estimate]:
        """Ask each endpoint for its total in the window and return what loading it takes."""
        settings = self.settings()
        return [estimate_window(endpoint, settings, window) for endpoint in settings.resolved_endpoints]
