"""What can be launched: the load of all endpoints, and the connection check."""

import dagster as dg

from analytics_assets.resources import AnalyticsApi
from analytics_assets.translator import GROUP

load_all = dg.define_asset_job(
    "load_all",
    selection=dg.AssetSelection.groups(GROUP),
    description="Load every endpoint for one day, or for a range of days in one run.",
)


@dg.op
def ask_every_endpoint(context: dg.OpExecutionContext, analytics_api: AnalyticsApi) -> None:
    """Ask each endpoint for one row and log a verdict; fails when one is not fine."""
    verdicts = analytics_api.check_connection()
    for verdict in verdicts:
        (context.log.info if verdict.is_fine else context.log.error)(str(verdict))
    bad = [str(verdict) for verdict in verdicts if not verdict.is_fine]
    if bad:
        raise dg.Failure("\n".join(bad), allow_retries=False)


@dg.job(description="Ask each endpoint for one row: unreachable, key refused, path not found, wrong shape, or fine.")
def check_connection() -> None:
    """Check that the API can be reached as it is configured."""
    ask_every_endpoint()
