"""The report in a browser: read by axe, on a desk and on a phone, in light and in dark."""

import os
from pathlib import Path
from typing import Any

import pytest
import time_machine
from dlt.pipeline.exceptions import PipelineStepFailed

from analytics_assets.ingest.configured import load_settings
from analytics_assets.ingest.window import Window
from analytics_assets.report.contents import read_contents
from analytics_assets.report.page import page_of, write_page
from analytics_assets.sandbox.faults import Fault
from analytics_assets_tests.project import WINDOW, Project
from analytics_assets_tests.report.conftest import NOON

AXE = Path(__file__).parent / "axe" / "node_modules" / "axe-core" / "axe.min.js"
SIZES = {"desk": (1400, 900), "phone": (390, 844)}
NAMES = ("media_insights", "user_insights", "stories", "story_insights")


@pytest.fixture
def axe() -> str:
    """Return the checker, or skip the test with a line that says how to get it; ``REQUIRE_ALL=1`` forbids that."""
    if not AXE.is_file():
        (pytest.fail if os.environ.get("REQUIRE_ALL") == "1" else pytest.skip)("axe is not installed: make axe")
    return AXE.read_text()


@pytest.fixture
def written(project: Project) -> Path:
    """Write the report of a warehouse with days of every kind."""
    path = project.path / "insights_report.html"
    with time_machine.travel(NOON, tick=True) as clock:
        project.serve()
        project.load(Window(WINDOW.start, NOON.replace(day=5, hour=0)), *NAMES)
        clock.move_to(NOON.replace(day=6))
        project.load(Window.of_day(NOON.date().replace(day=6)))
        clock.move_to(NOON)
        project.serve(faults=[Fault("status", status=404)])
        with pytest.raises(PipelineStepFailed):
            project.load(Window.of_day(NOON.date().replace(day=7)), "stories")
        write_page(page_of(read_contents(load_settings())), path)
    return path


@pytest.mark.browser
@pytest.mark.slow
def test_everybody_can_read_it(browser: Any, axe: str, written: Path) -> None:  # noqa: ANN401 - playwright may not be there
    """Nothing to complain of for axe, no sideways scrolling, no request, no error; and the calendar can be read."""
    for name, (width, height) in SIZES.items():
        for scheme in ("light", "dark"):
            page = browser.new_page(viewport={"width": width, "height": height}, color_scheme=scheme)
            said: list[str] = []
            asked: list[str] = []
            page.on("console", lambda message, said=said: said.append(message.text))
            page.on("request", lambda request, asked=asked: asked.append(request.url))
            page.goto(written.as_uri())
            assert page.evaluate("document.documentElement.scrollWidth") <= width, name
            row = page.get_by_role("row", name="stories").first
            assert row.get_by_role("cell").nth(0).inner_text().startswith("proven, ")
            assert row.get_by_role("cell").nth(5).inner_text().startswith("partial, ")
            assert row.get_by_role("cell").nth(6).inner_text() == "failed"
            assert row.get_by_role("cell").nth(7).inner_text() == "missing"
            assert asked == [written.as_uri()]
            assert said == []
            page.evaluate(axe)
            found = page.evaluate("axe.run()")
            assert [(one["id"], one["nodes"][0]["html"]) for one in found["violations"]] == [], (name, scheme)
            checked = {one["id"] for one in found["passes"]}
            assert checked >= {"color-contrast", "td-headers-attr", "link-name"}
            if folder := os.environ.get("SCREENSHOTS"):
                page.screenshot(path=Path(folder) / f"report-{name}-{scheme}.png", full_page=True)
            page.close()
