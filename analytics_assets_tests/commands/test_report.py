"""``make report``: the report, from what is there."""

from analytics_assets_tests.commands.conftest import Make
from analytics_assets_tests.project import Project


def test_it_writes_what_is_there_without_a_run(project: Project, make: Make) -> None:
    """Whether all is there, in a sentence, and where the file is; without a key, and without an API."""
    done = make("report", "API_KEY=")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "Nothing is loaded yet\nThe report: insights_report.html\n"
    assert "Nothing is loaded yet" in (project.path / "insights_report.html").read_text()
    assert not (project.path / ".dagster").exists()
