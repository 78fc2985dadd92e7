"""What can be launched: the load of all endpoints, the connection check, and the estimate of a backfill."""

import dagster as dg
from pydantic import Field

from analytics_assets.ingest.configured import SettingError
from analytics_assets.ingest.estimate import window_of_days
from analytics_assets.resources import AnalyticsApi
from analytics_assets.translator import GROUP

load_all = dg.define_asset_job(
    "load_all",
    selection=dg.AssetSelection.groups(GROUP),
    description="Load every endpoint for one day, or for a range of days in one run, and write the report.",
)


@dg.op
def ask_every_endpoint(context: dg.OpExecutionContext, analytics_api: AnalyticsApi) -> None:
    """Ask each endpoint a few questions and log a verdict; fails when one is not fine."""
    verdicts = analytics_api.check_connection()
    for verdict in verdicts:
        (context.log.info if verdict.is_fine else context.log.error)(str(verdict))
    bad = [str(verdict) for verdict in verdicts if not verdict.is_fine]
    if bad:
        raise dg.Failure("\n".join(bad), allow_retries=False)


@dg.job(
    description="Ask each endpoint a few questions, and the warehouse: fine, or what is wrong and which setting to see."
)
def check_connection() -> None:
    """Check that the API can be reached as it is configured."""
    ask_every_endpoint()


class EstimateConfig(dg.Config):
    """First and last day of the backfill that is to be estimated, both included."""

    start: str = Field(default="", description="First day, such as 2025-01-01; empty: the first partition")
    end: str = Field(default="", description="Last day; empty: yesterday")


@dg.op
def estimate_every_endpoint(
    context: dg.OpExecutionContext, config: EstimateConfig, analytics_api: AnalyticsApi
) -> None:
    """Ask each endpoint for its total in the range, and log rows, requests and minutes."""
    try:
        window = window_of_days(config.start, config.end, analytics_api.settings())
    except SettingError as error:
        raise dg.Failure(str(error), allow_retries=False) from None
    for estimate in analytics_api.estimate(window):
        context.log.info(str(estimate))


@dg.job(description="Before a backfill: rows, requests and minutes for a range of days, from one request per endpoint.")
def estimate() -> None:
    """Say what a backfill would cost."""
    estimate_every_endpoint()
