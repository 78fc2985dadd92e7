"""What a person does first: look at the graph, open an asset, load a day, read what came."""

import datetime as dt
import re

import pytest

from analytics_assets.ingest.endpoints import ENDPOINTS
from analytics_assets.sandbox.data import rows
from analytics_assets_tests.ui.conftest import Ui

YESTERDAY = dt.datetime.now(dt.UTC).replace(hour=0, minute=0, second=0, microsecond=0) - dt.timedelta(days=1)
DAY = f"{YESTERDAY:%Y-%m-%d}"
RUN_SECONDS = 45


@pytest.mark.browser
@pytest.mark.slow
def test_a_day_is_loaded_by_clicking(ui: Ui) -> None:
    """Graph, asset, Materialize, green run, metadata; no error in the page, and the key in nothing that was sent."""
    expected = rows("media_insights", YESTERDAY, YESTERDAY + dt.timedelta(days=1))

    ui.open("/locations/analytics_assets.definitions/asset-groups/social_analytics/lineage")
    for endpoint in ENDPOINTS:
        ui.sees(endpoint.name)
    ui.shoot("graph")

    ui.open("/assets/media_insights")
    ui.sees(ENDPOINTS[0].description)
    ui.page.get_by_role("button", name="Materialize…").click()
    days = ui.page.get_by_placeholder(re.compile("^ex: "))
    days.fill(DAY)
    days.press("Enter")
    ui.page.get_by_role("button", name=re.compile("^Launch ")).click()
    ui.sees(re.compile("^Launched run"))
    ui.page.get_by_text("View", exact=True).last.click()
    ui.sees("Success", seconds=RUN_SECONDS)
    ui.reload()
    ui.sees("RUN_SUCCESS")
    ui.shoot("run")

    ui.open(f"/assets/media_insights?view=partitions&partition={DAY}")
    ui.sees("Materialized")
    ui.sees("rows")
    ui.shoot("asset")
    told = ui.table()
    assert told["rows"] == str(len(expected))
    assert told["pages"] == str(-(-len(expected) // 100))
    assert told["window"] == f"[{DAY}T00:00:00Z, {YESTERDAY + dt.timedelta(days=1):%Y-%m-%d}T00:00:00Z)"
    assert told["dagster/table_name"] == "warehouse.analytics.media_insights"
    ui.page.get_by_text("[Show Markdown]").click()
    ui.sees(re.compile(f"^{expected[0]['media_id']}"))

    assert ui.leaks() == []
    assert ui.errors == []
