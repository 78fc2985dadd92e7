"""``make report``: the report, from what is there."""

import re

import pytest

from analytics_assets.commands.report import main
from analytics_assets_tests.commands.conftest import Make
from analytics_assets_tests.project import DAY, Project, stories


def test_it_writes_what_is_there_without_a_run(project: Project, make: Make) -> None:
    """Whether all is there, in a sentence, and where the file is; without a key, and without an API."""
    done = make("report", "API_KEY=")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "Nothing is loaded yet\nThe report: insights_report.html\n"
    assert "Nothing is loaded yet" in (project.path / "insights_report.html").read_text()
    assert not (project.path / ".dagster").exists()


@pytest.mark.postgres
@pytest.mark.usefixtures("postgres")
def test_it_reads_postgresql(project: Project, capfd: pytest.CaptureFixture[str]) -> None:
    """And of what is older than a year it does not say that nothing is loaded."""
    project.serve(rows={"stories": stories(3)})
    project.configure(start_date=DAY)
    project.load()
    capfd.readouterr()
    assert main() == 0
    said = capfd.readouterr()
    assert re.fullmatch(r"No day since \d+ \w+ \d{4} is loaded\nThe report: insights_report.html\n", said.out)
    assert said.err == ""
