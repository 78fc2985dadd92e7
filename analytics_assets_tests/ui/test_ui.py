"""What a person does first: look at the history, the API and the graph, load a day, then everything, read what came.

One server and one browser are enough for all of it, in this order; a part is a function.
"""

import datetime as dt
import re
import subprocess
import sys
from typing import Any
from urllib.parse import urlsplit

import duckdb
import pytest

from analytics_assets.assets import SyncConfig
from analytics_assets.commands.demo import DAYS
from analytics_assets.ingest.endpoints import ENDPOINTS
from analytics_assets.sandbox.data import rows
from analytics_assets.sandbox.faults import Fault
from analytics_assets_tests.project import Project
from analytics_assets_tests.ui.conftest import Ui

YESTERDAY = dt.datetime.now(dt.UTC).replace(hour=0, minute=0, second=0, microsecond=0) - dt.timedelta(days=1)
DAY = f"{YESTERDAY:%Y-%m-%d}"
DAY_BEFORE = f"{YESTERDAY - dt.timedelta(days=1):%Y-%m-%d}"
ONE_DAY = dt.timedelta(days=1)
RUN_SECONDS = 120
# where days are typed: an example of two, or, where a newer Dagster has chosen none, that there is none yet
PARTITIONS = re.compile("^ex: |^No matching partitions$")


@pytest.mark.browser
@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_newcomer_finds_everything(ui: Ui, project: Project) -> None:
    """All that is looked for is in sight; no error in a page, and the key in nothing that was sent."""
    the_home_shows_the_demo(ui)
    the_resource_shows_which_api_is_loaded(ui, project)
    each_day_of_a_range_has_its_own_rows(ui)
    backfill = a_range_is_launched_by_clicking(ui, project)
    a_second_make_dev_is_refused(ui)
    a_day_is_loaded_by_clicking(ui)
    a_full_refresh_warns_before_it_is_launched(ui)
    what_runs_by_itself_is_switched_on(ui)
    a_check_says_why(ui)
    the_range_has_arrived(ui, project, backfill)
    a_check_has_a_result_for_each_day(ui)
    the_report_tells_of_all_days(ui, project)
    what_runs_by_itself_has_ticked(ui)
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


def a_range_is_launched_by_clicking(ui: Ui, project: Project) -> str:
    """Two days that somebody has removed from the table are one backfill, whose page this returns.

    It ends while the test looks at other things: Dagster's daemon turns to backfills twice a minute.
    """
    with duckdb.connect(project.path / "warehouse.duckdb") as warehouse:
        warehouse.execute("DELETE FROM analytics.user_insights WHERE end_time >= ?::date", [DAY_BEFORE])
    assert ids_since(project, DAY_BEFORE) == []
    ui.sandbox.faults.append(Fault("mutate_rows", endpoint="user_insights", change=_out_of_bounds))
    ui.open("/assets/user_insights")
    ui.page.get_by_role("button", name="Materialize…").click()
    days = ui.page.get_by_placeholder(PARTITIONS)
    days.fill(f"[{DAY_BEFORE}...{DAY}]")
    days.press("Enter")
    ui.page.get_by_role("button", name="Launch backfill").click()
    ui.sees(re.compile("^Created backfill"))
    ui.page.get_by_text("View", exact=True).last.click()
    ui.sees("Partition selection")
    return urlsplit(ui.page.url).path


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
    days = ui.page.get_by_placeholder(PARTITIONS)
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


def the_range_has_arrived(ui: Ui, project: Project, backfill: str) -> None:
    """Both days are done, says the page of the backfill, and the table has their rows."""
    ui.open(backfill)
    ui.sees("100% completed", seconds=RUN_SECONDS)
    # the other one is the head of the column with the count
    ui.page.get_by_text("Succeeded", exact=True).and_(ui.page.locator("span")).wait_for(timeout=RUN_SECONDS * 1000)
    ui.shoot("backfill")
    expected = [row for day in (YESTERDAY - ONE_DAY, YESTERDAY) for row in rows_of("user_insights", day)]
    assert ids_since(project, DAY_BEFORE) == sorted(row["id"] for row in expected)


def a_check_has_a_result_for_each_day(ui: Ui) -> None:
    """In its calendar: red on the day with a number that cannot be, green on the one after it."""
    ui.open("/assets/user_insights?view=checks&checkDetail=numbers_in_bounds")
    ui.page.get_by_role("tab", name="Partitions").nth(1).click()
    ui.sees(re.compile(r"^Failed\s*\(1\)$"))
    ui.sees(re.compile(r"^Passed\s*\(1\)$"))
    ui.page.get_by_text(DAY, exact=True).first.click()
    ui.sees("Passed")
    ui.page.get_by_text(DAY_BEFORE, exact=True).first.click()
    ui.sees("Failed")
    ui.sees(re.compile("^engagement_rate goes up to 1.5, and 1 is the most that it can be"))
    ui.shoot("check_by_day")


def the_report_tells_of_all_days(ui: Ui, project: Project) -> None:
    """Written anew by clicking, its calendar says of each day of each endpoint that all of it is there."""
    path = project.path / "insights_report.html"
    path.unlink()
    ui.open("/assets/insights_report")
    ui.page.get_by_role("button", name="Materialize").first.click()
    ui.sees(re.compile("^Launched run"))
    ui.page.get_by_text("View", exact=True).last.click()
    the_run_succeeds(ui)
    ui.page.goto(path.as_uri())
    found = calendar(ui)
    days = [YESTERDAY - age * ONE_DAY for age in range(DAYS)]
    for endpoint in ENDPOINTS:
        assert {found[f"{endpoint.name} {day:%Y-%m-%d}"].split(",")[0] for day in days} == {"proven"}
    for day in days:
        rows = len(rows_of("user_insights", day))
        assert found[f"user_insights {day:%Y-%m-%d}"].startswith(f"proven, {rows} rows")
    ui.shoot("report")


def calendar(ui: Ui) -> dict[str, str]:
    """Return what the report's calendar says, by endpoint and day."""
    found = {}
    for month in ui.page.locator("table.month").all():
        first = dt.datetime.strptime(month.locator("caption").inner_text(), "%B %Y").replace(tzinfo=dt.UTC)
        for row in month.locator("tbody tr").all():
            for number, words in enumerate(row.get_by_role("cell").all_inner_texts()):
                if words.strip():
                    found[f"{row.get_by_role('rowheader').inner_text()} {first + number * ONE_DAY:%Y-%m-%d}"] = words
    return found


def what_runs_by_itself_is_switched_on(ui: Ui) -> None:
    """Schedule and sensors, each by its switch."""
    ui.open("/automation")
    for name in ("daily_load", "gap_filler", "new_stories", "alerts"):
        row = ui.page.locator("[data-index]").filter(has_text=name)
        # the first of a row only marks it, and is there before the switch is
        row.locator("label").nth(1).click()
        row.locator("input").nth(1).and_(ui.page.locator(":checked")).wait_for(state="attached")
    ui.shoot("automation")


def what_runs_by_itself_has_ticked(ui: Ui) -> None:
    """There are new stories, and the days of the demo leave no gap."""
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


def ids_since(project: Project, day: str) -> list[str]:
    """Return the ids of the accounts' numbers from a day on."""
    return [row["id"] for row in project.table("user_insights") if f"{row['end_time']:%Y-%m-%d}" >= day]


def _out_of_bounds(page: list[Any]) -> list[Any]:
    """Make a rate of the day before yesterday larger than it can be."""
    return [{**row, "engagement_rate": 1.5} if row["end_time"].startswith(DAY_BEFORE) else row for row in page]


def _odd(page: list[Any]) -> list[Any]:
    """Make the first row of a page one that cannot be loaded."""
    return [{**page[0], "like_count": "many"}, *page[1:]] if page else page
