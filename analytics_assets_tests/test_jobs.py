"""The jobs: load everything, and the connection check."""

import itertools
from typing import Any

import dagster as dg
import pytest

from analytics_assets.build import build_definitions
from analytics_assets.ingest.endpoints import ENDPOINTS
from analytics_assets.sandbox.faults import Fault
from analytics_assets_tests.project import KEY_FORMS, Project, asked, failure_of


def _check(project: Project) -> tuple[dg.ExecuteInProcessResult, list[str]]:
    instance = project.instance()
    job = build_definitions().resolve_job_def("check_connection")
    result = job.execute_in_process(instance=instance, raise_on_error=False)
    return result, [entry.user_message for entry in instance.all_logs(result.run_id)]


def test_load_all_is_every_endpoint_and_the_report() -> None:
    """The job selects the whole group."""
    job = build_definitions().resolve_job_def("load_all")
    assert {key.to_user_string() for key in job.asset_layer.executable_asset_keys} == {
        "insights_report",
        *(endpoint.name for endpoint in ENDPOINTS),
    }


def test_the_check_says_fine_of_each_endpoint(project: Project) -> None:
    """Each is asked less than 20 times, one after the other; a verdict each, success."""
    sandbox = project.serve()
    result, messages = _check(project)
    assert result.success
    paths = [(path, len(list(requests))) for path, requests in itertools.groupby(path for path, _ in asked(sandbox))]
    assert [path for path, _ in paths] == [endpoint.path for endpoint in ENDPOINTS]
    assert max(requests for _, requests in paths) < 20
    for endpoint in ENDPOINTS:
        assert any(message.startswith(f"{endpoint.name}: fine: ") for message in messages)


@pytest.mark.parametrize(
    ("settings", "faults", "words"),
    [
        ({}, [Fault("status", status=403, endpoint="stories")], "stories: key refused: "),
        ({"endpoints__stories__path": "/nowhere"}, [], "stories: path not found: "),
        ({}, [Fault("html", endpoint="stories")], "stories: wrong shape: "),
        ({"base_url": "http://127.0.0.1:1"}, [], "stories: unreachable: "),
    ],
    ids=["key refused", "path not found", "wrong shape", "unreachable"],
)
def test_the_check_fails_with_the_verdict(
    project: Project, settings: dict[str, Any], faults: list[Fault], words: str
) -> None:
    """One endpoint that is not fine fails the job, which says what is wrong with it, and not the key."""
    project.serve(faults=faults)
    project.configure(**settings)
    result, messages = _check(project)
    assert not result.success
    assert words in failure_of(result, "ask_every_endpoint")
    assert any(message.startswith(words) for message in messages)
    project.assert_nowhere(KEY_FORMS, *messages)
