"""What a backfill will cost: one request per endpoint, then arithmetic."""

import datetime as dt
import re

import pytest

from analytics_assets.build import build_definitions
from analytics_assets.ingest.configured import SettingError, load_settings
from analytics_assets.ingest.endpoints import ENDPOINTS
from analytics_assets.ingest.estimate import Estimate, estimate_window, window_of_days
from analytics_assets.ingest.window import Window
from analytics_assets.sandbox.faults import Fault
from analytics_assets_tests.project import WINDOW, Project, endpoint_of, message_of, stories


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
    assert str(estimate) == "stories: 1,200 rows, 120 requests, about 1 minute"


@pytest.mark.parametrize(
    ("minutes", "words"),
    [
        (0.0, "under a minute"),
        (0.49, "under a minute"),
        (0.9, "about 1 minute"),
        (2.4, "about 2 minutes"),
        (89.4, "about 89 minutes"),
        (150, "about 2.5 hours"),
    ],
)
def test_a_duration_is_said_as_people_say_it(minutes: float, words: str) -> None:
    """Never "0.0 minutes", and hours where nobody would count minutes."""
    assert str(Estimate("stories", 1, 1, minutes)) == f"stories: 1 row, 1 request, {words}"


def test_days_are_both_included_and_have_defaults(project: Project) -> None:
    """Midnight to midnight in the configured time zone; without days, from the first partition to yesterday."""
    project.configure(timezone="Europe/Berlin")
    settings = load_settings()
    window = window_of_days("2025-03-01", "2025-03-02", settings)
    assert str(window) == "[2025-02-28T23:00:00Z, 2025-03-02T23:00:00Z)"
    assert window_of_days("2025-03-01", "2025-03-01", settings).end - window.start == dt.timedelta(days=1)
    project.configure(timezone="UTC")
    yesterday = dt.datetime.now(dt.UTC).date() - dt.timedelta(days=1)
    begin = Window.of_day(dt.date(2025, 1, 1)).start
    assert window_of_days("", "", load_settings()) == Window(begin, Window.of_day(yesterday).end)


@pytest.mark.parametrize(
    ("start", "end", "sentence"),
    [
        ("2025-13-01", "", "START 2025-13-01 is not a date; write it as in START=2025-01-31"),
        ("2025-01-01", "yesterday", "END yesterday is not a date; write it as in END=2025-01-31"),
        ("", "9999-12-31", "END 9999-12-31 is not a date; write it as in END=2025-01-31"),
        ("2025-03-02", "2025-03-01", "END 2025-03-01 is before START 2025-03-02"),
        ("", "2024-12-31", "END 2024-12-31 is before the first partition, 2025-01-01 (the setting start_date)"),
        ("2999-01-01", "", "yesterday, YYYY-MM-DD, is before START 2999-01-01"),
    ],
)
def test_days_that_are_wrong_are_refused_in_a_sentence(start: str, end: str, sentence: str) -> None:
    """The sentence says which one is wrong and how it is written, or which two contradict each other."""
    with pytest.raises(SettingError) as refused:
        window_of_days(start, end, load_settings())
    assert re.sub(r"(?<=yesterday, )[\d-]{10}", "YYYY-MM-DD", str(refused.value)) == sentence


def test_the_job_says_which_day_is_wrong(project: Project) -> None:
    """The run fails with that sentence alone, and asks the API for nothing."""
    sandbox = project.serve()
    days = {"start": "2025-03-02", "end": "2025-03-01"}
    result = (
        build_definitions()
        .resolve_job_def("estimate")
        .execute_in_process(
            instance=project.instance(),
            raise_on_error=False,
            run_config={"ops": {"estimate_every_endpoint": {"config": days}}},
        )
    )
    assert message_of(result, "estimate_every_endpoint") == "END 2025-03-01 is before START 2025-03-02"
    assert sandbox.requests == []


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
