"""`make demo` and what it promises: everything the sandbox has, once, and one clear line when it fails."""

import datetime as dt
import re
import subprocess
import sys

import pytest

from analytics_assets.commands.demo import DAYS
from analytics_assets.ingest.endpoints import ENDPOINTS
from analytics_assets.sandbox.data import rows
from analytics_assets_tests.project import Project

MIDNIGHT = dt.datetime.now(dt.UTC).replace(hour=0, minute=0, second=0, microsecond=0)
FIRST = MIDNIGHT - dt.timedelta(days=DAYS)
FAILING = """
from analytics_assets.commands.demo import run
from analytics_assets.sandbox.app import Sandbox
from analytics_assets.sandbox.faults import Fault
run(Sandbox(faults=[Fault("status", status=503)]))
"""


def demo(*command: str) -> subprocess.CompletedProcess[str]:
    """Run the demo in the test's folder."""
    return subprocess.run(
        [sys.executable, *(command or ("-m", "analytics_assets.commands.demo"))],
        capture_output=True,
        text=True,
        check=False,
        timeout=150,
    )


@pytest.mark.slow
def test_everything_arrives_and_only_once(project: Project) -> None:
    """Each table is printed with as many rows as the sandbox has in 30 days; a second run says that none is new."""
    first = demo()
    assert (first.returncode, first.stderr) == (0, "")
    there = {endpoint.name: len(rows(endpoint.name, FIRST, MIDNIGHT)) for endpoint in ENDPOINTS}
    days = (f"{FIRST:%Y-%m-%d}", f"{MIDNIGHT - dt.timedelta(days=1):%Y-%m-%d}")
    assert printed_table(first.stdout) == {name: (count, count, *days) for name, count in there.items()}
    assert {name: len(project.ids(name)) for name in there} == there
    assert str(project.path) not in first.stdout
    lines = [line for line in first.stdout.splitlines() if line.strip()]
    assert lines[0] == f"Loading 30 days, {days[0]} to {days[1]}, of the sandbox API"
    assert lines[-1].strip() == "The report: insights_report.html"
    assert "All of it is there" in (project.path / "insights_report.html").read_text()
    # what is loaded, a line for each, the table with its head, where it is, the plot, and what to do next
    assert len(lines) == 2 + len(there) + (2 + len(there)) + 2 + 8 + 6

    second = demo()
    assert (second.returncode, second.stderr) == (0, "")
    assert printed_table(second.stdout) == {name: (count, 0, *days) for name, count in there.items()}
    assert "No new rows" in second.stdout
    assert project.on_timeline() == ["__repository__@analytics_assets.definitions"] * 2


@pytest.mark.slow
def test_a_failing_api_is_one_line_and_a_failure(project: Project) -> None:
    """Exit code 1, and on stderr one line that says what the API answered; no traceback, no key."""
    project.configure(max_retries=0)
    failed = demo("-c", FAILING)
    assert failed.returncode == 1
    assert re.fullmatch(r"The demo failed: .*503 Service Unavailable.*\n", failed.stderr)
    assert "sandbox-key" not in failed.stdout + failed.stderr


def test_it_keeps_away_from_a_real_api(project: Project) -> None:
    """Where a real API is configured, made-up rows would mix with real ones: nothing is loaded."""
    project.configure(base_url="https://analytics.example.org")
    refused = demo()
    assert refused.returncode == 1
    assert re.fullmatch(r"The demo failed: https://analytics\.example\.org is configured.*\n", refused.stderr)
    assert not (project.path / "warehouse.duckdb").exists()


def printed_table(output: str) -> dict[str, tuple[int, int, str, str]]:
    """Return the table that the demo printed: rows, new rows, first and last day by table."""
    found = re.findall(r"^ *(\w+) +([\d,]+) +([\d,]+) +[\d,]+ +(\S+) +(\S+) *$", output, re.MULTILINE)
    return {name: (int(count.replace(",", "")), int(new.replace(",", "")), *days) for name, count, new, *days in found}
