"""What the commands ask of the warehouse."""

from typing import Any

from analytics_assets.commands.tables import summed_by_day
from analytics_assets.ingest.configured import load_settings
from analytics_assets_tests.project import DAY, Project, stories
from analytics_assets_tests.warehouses import Warehouse

DAYS = ["2025-02-28", DAY, "2025-03-02"]


def insight(metric: str, value: int, **more: str) -> dict[str, Any]:
    """Return a row of insights, of any endpoint that has some."""
    moment = f"{DAY}T12:00:00Z"
    row = {"id": f"{metric}{value}{more}", "metric": metric, "value": value, "timestamp": moment, "end_time": moment}
    return row | more


def test_the_demo_plots_what_may_be_added_up(project: Project, warehouse: Warehouse) -> None:
    """People are not added up, however many; nor are spans; the largest sum of the first endpoint is shown."""
    assert warehouse
    settings = load_settings()
    assert summed_by_day(settings, DAYS) is None
    rows = [insight("reach", 500), insight("likes", 3), insight("likes", 4), insight("saves", 6)]
    first = [*rows, insight("saves", 5, period="week"), insight("likes", 99, timestamp="2025-03-04T00:00:00Z")]
    first += [insight("views", 5, period=period) for period in ("day", "week")]
    project.serve(rows={"media_insights": first, "user_insights": [insight("impressions", 900)], "stories": stories(1)})
    project.load(None, "stories")
    assert summed_by_day(settings, DAYS) is None
    project.load(None, "user_insights", "media_insights")
    by_day = {"2025-02-28": 0, DAY: 7, "2025-03-02": 0}
    assert summed_by_day(settings, DAYS) == ("likes of media_insights, added up day by day", by_day)
    project.configure(endpoints__media_insights__enabled="false")
    found = summed_by_day(load_settings(), DAYS)
    assert found == ("impressions of user_insights, added up day by day", by_day | {DAY: 900})
