"""The asset ``insights_report``: the page, written anew when all endpoints have been loaded and checked."""

from typing import Any

import dagster as dg

from analytics_assets.ingest.errors import explain
from analytics_assets.ingest.settings import Settings
from analytics_assets.report.place import report_name, report_path
from analytics_assets.resources import AnalyticsApi
from analytics_assets.translator import GROUP, OWNER

NAME = "insights_report"


def build_report(settings: Settings) -> dg.AssetsDefinition:
    """Return the asset. It is of no day, and stands behind all endpoints: a blocking check that fails keeps it back."""
    spec = dg.AssetSpec(
        key=NAME,
        deps=[endpoint.name for endpoint in settings.resolved_endpoints],
        description="One page that opens offline: which days are there, what was measured, what changed.",
        group_name=GROUP,
        kinds={"html"},
        owners=[OWNER],
    )

    # Dagster's command line launches a range of days of assets only where all of them take it in one run
    @dg.multi_asset(name=NAME, specs=[spec], backfill_policy=dg.BackfillPolicy.single_run())
    def insights_report(context: dg.AssetExecutionContext, analytics_api: AnalyticsApi) -> dg.MaterializeResult[Any]:
        try:
            return _write(context, analytics_api.settings())
        except Exception as error:
            problem = explain(error)
            if problem is None:
                raise
            failure = dg.Failure(f"{NAME}: {problem.message}")
        # outside of the `except`, so that the reader sees one message
        raise failure

    return insights_report


def _write(context: dg.AssetExecutionContext, settings: Settings) -> dg.MaterializeResult[Any]:
    # what draws takes a second to import, which every other process of the project does without
    from analytics_assets.report.contents import read_contents
    from analytics_assets.report.headline import headline
    from analytics_assets.report.page import page_of, write_page

    contents = read_contents(settings, context.log)
    size = write_page(page_of(contents), report_path())
    told = headline(contents)
    return dg.MaterializeResult(
        metadata={
            "summary": dg.MetadataValue.md("\n".join([f"**{told.text}**", "", *(f"- {gap}" for gap in told.gaps)])),
            "path": report_name(),
            "rows": contents.rows,
            "days_proven": contents.calendar.proven,
            "days": len(contents.calendar.over),
            "size_bytes": size,
        }
    )
