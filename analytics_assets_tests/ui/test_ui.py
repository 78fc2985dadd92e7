"""What a person does first: look at the history, the API and the graph, load a day, then everything, read what came.

One server and one browser are enough for all of it, in this order; a part is a function.
"""

import datetime as dt
import re
import subprocess
import sys
from typing import Any

import pytest

from analytics_assets.assets import SyncConfig
from analytics_assets.ingest.endpoints import ENDPOINTS
from analytics_assets.sandbox.data import rows
from analytics_assets.sandbox.faults import Fault
from analytics_assets_tests.project import Project
from analytics_assets_tests.ui.conftest import Ui

YESTERDAY = dt.datetime.now(dt.UTC).replace(hour=0, minute=0, second=0, microsecond=0) - dt.timedelta(days=1)
DAY = f"{YESTERDAY:%Y-%m-%d}"
DAY_BEFORE = f"{YESTERDAY - dt.timedelta(days=1):%Y-%m-%d}"
RUN_SECONDS = 120


@pytest.mark.browser
@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_newcomer_finds_everything(ui: Ui, project: Project) -> None:
    """All that is looked for is in sight; no error in a page, and the key in nothing that was sent."""
    the_home_shows_the_demo(ui)
    the_resource_shows_which_api_is_loaded(ui, project)
    each_day_of_a_range_has_its_own_rows(ui)
    a_second_make_dev_is_refused(ui)
    a_day_is_loaded_by_clicking(ui)
    a_full_refresh_warns_before_it_is_launched(ui)
    a_check_says_why(ui)
    what_runs_by_itself_is_switched_on(ui)
    assert ui.leaks() == []
    assert ui.errors == []


def the_home_shows_the_demo(ui: Ui) -> None:
    """Its run is on the timeline, which the UI opens with."""
    ui.open("/")
    ui.sees("analytics_assets.definitions")
    ui.sees("load_all")
    ui.shoot("home")


def the_resource_shows_which_api_is_loaded(ui: Ui, project: Project) -> None:
    """Each setting with its value and where that comes from."""
    ui.open("/locations/analytics_assets.definitions/resources/analytics_api")
    url = project.configured("base_url")
    ui.sees(re.compile(f'In force: "{url}" .from ANALYTICS_API__BASE_URL., unless a run fills it in'))
    ui.sees(re.compile(r"^page_size: 100 \(default\)$"))
    ui.shoot("resource")


def each_day_of_a_range_has_its_own_rows(ui: Ui) -> None:
    """In the plots of an asset, and in the figures of two of the demo's days."""
    ui.open("/assets/media_insights")
    ui.page.get_by_role("button", name="Plots").click()
    ui.sees("rows")
    ui.page.get_by_text("Metadata", exact=True).first.evaluate("one => one.scrollIntoView({block: 'start'})")
    ui.shoot("plots")
    told = []
    for day in (DAY_BEFORE, DAY):
        ui.open(f"/assets/media_insights?view=partitions&partition={day}")
        ui.sees("rows")
        told.append(ui.table()["rows"])
    assert told == [str(len(rows_of("media_insights", day))) for day in (YESTERDAY - dt.timedelta(days=1), YESTERDAY)]
    assert told[0] != told[1]


def a_second_make_dev_is_refused(ui: Ui) -> None:
    """With the address of the first: a second daemon would do things twice."""
    second = subprocess.run(
        [sys.executable, "-m", "analytics_assets.commands.dev"], capture_output=True, text=True, check=False, timeout=99
    )
    assert second.returncode == 1
    assert second.stdout == ""
    assert second.stderr == f"Cannot start: make dev is running already, at {ui.url}; open that, or stop it first\n"


def a_day_is_loaded_by_clicking(ui: Ui) -> None:
    """Graph, asset, Materialize, green run, metadata."""
    expected = rows_of("media_insights", YESTERDAY)

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
    the_run_succeeds(ui)
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
    ui.clicks("[Show Markdown]")
    ui.sees(re.compile(f"^{expected[0]['media_id']}"))


def a_full_refresh_warns_before_it_is_launched(ui: Ui) -> None:
    """In the launchpad `sync_mode` says what it does; the run needs no partition. Some rows of it do not fit."""
    ui.sandbox.faults.append(Fault("mutate_rows", endpoint="stories", change=_odd))
    ui.open("/assets/stories")
    ui.page.get_by_role("button", name="Materialize…").locator("xpath=following::button[1]").click()
    ui.clicks("Open launchpad")
    ui.page.get_by_text("incremental", exact=True).first.dblclick()
    ui.page.keyboard.type("full_refresh")
    ui.sees("No errors")
    for field in ("sync_mode", "accept_empty"):
        words = str(SyncConfig.model_fields[field].description).split()
        ui.sees(re.compile(r"\s+".join(re.escape(word) for word in words)))
    ui.shoot("full_refresh")
    ui.page.get_by_role("button", name=re.compile("Materialize$")).click()
    ui.page.get_by_role("button", name="Confirm").click()
    the_run_succeeds(ui)


def a_check_says_why(ui: Ui) -> None:
    """Why one failed and what one that passed has found, with nothing to click."""
    ui.open("/assets/stories?view=checks&checkDetail=no_rows_rejected")
    ui.sees(re.compile(r"rows went to stories__rejected: like_count is text, not a whole number \(\d+\)\. Look into"))
    ui.shoot("check")
    ui.open("/assets/stories?view=checks&checkDetail=columns_as_expected")
    ui.sees("Every declared column came, and every value has its column's type.")


def what_runs_by_itself_is_switched_on(ui: Ui) -> None:
    """Schedules and sensors tick: there are new stories, and the days of the demo leave no gap."""
    ui.open("/automation")
    for name in ("daily_load", "gap_filler", "new_stories", "alerts"):
        row = ui.page.locator("[data-index]").filter(has_text=name)
        row.locator("label").last.click()
        row.locator("input:checked").last.wait_for(state="attached")
    ui.shoot("automation")
    for name, requested in (("new_stories", "1 run requested"), ("gap_filler", "0 runs requested")):
        ui.open(f"/locations/analytics_assets.definitions/sensors/{name}")
        ui.sees(requested, seconds=RUN_SECONDS)
    ui.shoot("sensor")


def the_run_succeeds(ui: Ui) -> None:
    """Wait for the end of the run whose page is open."""
    ui.sees("Success", seconds=RUN_SECONDS)
    ui.reload()
    ui.sees("RUN_SUCCESS")


def rows_of(endpoint: str, day: dt.datetime) -> list[dict[str, Any]]:
    """Return what the sandbox has of a day."""
    return rows(endpoint, day, day + dt.timedelta(days=1))


def _odd(page: list[Any]) -> list[Any]:
    """Make the first row of a page one that cannot be loaded."""
    return [{**page[0], "like_count": "many"}, *page[1:]] if page else page
