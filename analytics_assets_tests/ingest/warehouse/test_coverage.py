"""What the ledger says of each day."""

import datetime as dt

import pytest
import time_machine
from dlt.pipeline.exceptions import PipelineStepFailed

from analytics_assets.ingest.configured import load_settings
from analytics_assets.ingest.opening import open_pipeline, read_warehouse
from analytics_assets.ingest.source import build_source
from analytics_assets.ingest.warehouse.coverage import DayOfEndpoint, coverage
from analytics_assets.ingest.window import Window
from analytics_assets.sandbox.faults import Fault
from analytics_assets_tests.project import Project

pytestmark = pytest.mark.usefixtures("warehouse")
DAYS = [dt.date(2025, 3, day) for day in (1, 2, 3, 4)]


def of_stories() -> list[DayOfEndpoint]:
    """Return what is known of the days."""
    with read_warehouse() as client:
        return list(coverage(client, load_settings(), DAYS[0], DAYS[-1])["stories"].values())


def test_nothing_is_known_before_the_first_load() -> None:
    """Every day is missing where there is no ledger."""
    assert [one.state for one in of_stories()] == ["missing"] * 4


def test_each_day_is_as_its_newest_windows_left_it(project: Project) -> None:
    """A window proves its days once they are over; one that failed is counted, and told of, until they are loaded."""
    project.serve()
    project.load(Window.of_day(DAYS[0]))
    with time_machine.travel(dt.datetime(2025, 3, 2, 12, tzinfo=dt.UTC), tick=True):
        project.load(Window.of_day(DAYS[1]))
    project.serve(faults=[Fault("status", status=404)])
    for _ in range(2):
        with pytest.raises(PipelineStepFailed):
            project.load(Window.of_day(DAYS[2]))
    with pytest.raises(PipelineStepFailed):
        project.load(Window.of_day(DAYS[0]))
    found = of_stories()
    assert [(one.state, one.tries) for one in found] == [("proven", 1), ("partial", 0), ("failed", 2), ("missing", 0)]
    assert "404" in str(found[2].reason)
    assert found[2].tried_at
    project.serve()
    project.load(Window(Window.of_day(DAYS[0]).start, Window.of_day(DAYS[2]).end))
    assert [(one.state, one.tries) for one in of_stories()] == [*[("proven", 0)] * 3, ("missing", 0)]


def test_a_run_is_one_try_and_those_of_a_day_that_lasts_are_forgotten(project: Project) -> None:
    """Three attempts of a run count once, another run counts again; with the day's end the count begins anew."""
    project.serve(faults=[Fault("status", status=404)])
    instance = project.instance()
    with time_machine.travel(dt.datetime(2025, 3, 2, 12, tzinfo=dt.UTC), tick=True):
        for _ in range(2):
            project.materialize(day="2025-03-02", instance=instance)
    assert of_stories()[1].tries == 2
    project.materialize(day="2025-03-02", instance=instance)
    assert of_stories()[1].tries == 1
    settings, (endpoint, *_) = (
        load_settings(),
        (one for one in load_settings().resolved_endpoints if one.name == "stories"),
    )
    for run_id, tries in (("a run", 2), ("a run", 2), ("another", 3)):
        source, reading = build_source(endpoint, settings, Window.of_day(DAYS[1]), run_id=run_id)
        with pytest.raises(PipelineStepFailed), open_pipeline(reading) as pipeline:
            pipeline.run(source)
        assert of_stories()[1].tries == tries
    assert of_stories()[1].state == "failed"


def test_an_outage_is_one_try(project: Project) -> None:
    """Where nothing else of the endpoint was loaded meanwhile, it is not the day that fails."""
    down = [Fault("status", status=503)]
    sandbox = project.serve(faults=down)
    project.configure(max_retries=0)
    for tries, loads_another in ((1, False), (1, True), (2, False), (2, False)):
        with pytest.raises(PipelineStepFailed):
            project.load(Window.of_day(DAYS[2]))
        assert of_stories()[2].tries == tries
        if loads_another:
            sandbox.faults.clear()
            project.load(Window.of_day(DAYS[0]))
            sandbox.faults[:] = down


def test_days_are_those_of_the_time_zone(project: Project) -> None:
    """A day from midnight to midnight in UTC is none in Berlin; all history is every day that was over."""
    project.serve()
    project.configure(timezone="Europe/Berlin")
    project.load(Window.of_day(DAYS[1]))
    assert [one.state for one in of_stories()] == ["missing"] * 4
    with time_machine.travel(dt.datetime(2025, 3, 3, 22, 30, tzinfo=dt.UTC), tick=True):
        project.load(None)
    assert [one.state for one in of_stories()] == ["proven", "proven", "partial", "partial"]
