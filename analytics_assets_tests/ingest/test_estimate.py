"""What a backfill will cost: one request per endpoint, then arithmetic."""

import pytest

from analytics_assets.ingest.configured import load_settings
from analytics_assets.ingest.endpoints import ENDPOINTS
from analytics_assets.ingest.estimate import estimate_window
from analytics_assets.sandbox.faults import Fault
from analytics_assets_tests.project import WINDOW, Project, endpoint_of, stories


def test_rows_and_requests_are_what_a_load_then_takes(project: Project) -> None:
    """The estimate's rows and requests are those of the load that follows; itself it makes one request."""
    sandbox = project.serve(rows={"stories": stories(730)})
    estimate = estimate_window(endpoint_of("stories"), load_settings(), WINDOW)
    assert len(sandbox.requests) == 1
    report = project.load()
    assert (estimate.rows, estimate.requests) == (report.rows_read, report.requests) == (730, 8)


def test_the_budget_decides_the_minutes(project: Project) -> None:
    """120 pages at two requests a second take a minute."""
    project.serve(rows={"stories": stories(1200)})
    project.configure(page_size=10, max_requests_per_second=2)
    estimate = estimate_window(endpoint_of("stories"), load_settings(), WINDOW)
    assert estimate.minutes == pytest.approx(1)
    assert str(estimate) == "stories: 1,200 rows, 120 requests, about 1.0 minutes"


def test_a_capped_page_counts_as_what_comes(project: Project) -> None:
    """A server that sends 20 rows where 100 were asked for takes five times the requests."""
    project.serve(rows={"stories": stories(200)}, faults=[Fault("cap", rows=20)])
    assert estimate_window(endpoint_of("stories"), load_settings(), WINDOW).requests == 10


def test_without_a_total_it_says_so(project: Project) -> None:
    """No number is better than a made-up one."""
    project.serve(rows={"stories": stories(5)}, faults=[Fault("total")])
    estimate = estimate_window(endpoint_of("stories"), load_settings(), WINDOW)
    assert (estimate.rows, estimate.requests, estimate.minutes) == (None, None, None)
    assert "no total" in str(estimate)


def test_the_job_says_it_for_every_endpoint(project: Project) -> None:
    """`make estimate` runs a job whose log has a line for each endpoint."""
    project.serve(rows={"stories": stories(5)})
    (project.path / "estimate.yaml").write_text(
        "ops: {estimate_every_endpoint: {config: {start: '2025-03-01', end: '2025-03-02'}}}"
    )
    done = project.dagster(
        "job", "execute", "-m", "analytics_assets.definitions", "-j", "estimate", "-c", "estimate.yaml"
    )
    assert done.returncode == 0, done.stderr
    for endpoint in ENDPOINTS:
        assert f"{endpoint.name}: {5 if endpoint.name == 'stories' else 0} rows" in done.stdout + done.stderr
