"""Which runs the UI's timeline is told of. That it shows them: `ui/test_ui.py`; by command: `test_command_line.py`."""

import pytest

from analytics_assets import timeline
from analytics_assets.timeline import put_on_timeline
from analytics_assets_tests.project import Project, stories


def test_a_run_that_is_on_the_timeline_stays_where_it_is(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a code server has launched belongs to its code location, whatever that is called."""
    project.serve(rows={"stories": stories(1)})
    instance = project.instance()
    run = project.materialize(instance=instance).dagster_run
    before = instance.get_run_by_id(run.run_id)
    assert before
    assert before.remote_job_origin
    assert before.remote_job_origin.location_name == "analytics_assets.definitions"
    assert before.is_success
    monkeypatch.setattr(timeline, "_LOCATION", "elsewhere")
    put_on_timeline(run, instance)
    assert instance.get_run_by_id(run.run_id) == before
