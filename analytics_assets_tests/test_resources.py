"""The resource: what is filled in goes before all settings, the key is no part of it, and the vendor's paths count."""

import itertools
from typing import Any

import dagster as dg
import pytest

from analytics_assets.build import build_definitions
from analytics_assets.ingest.configured import SettingError, load_settings
from analytics_assets.ingest.endpoints import ENDPOINTS
from analytics_assets.ingest.setting_names import KEY_NAME
from analytics_assets.ingest.settings import Settings
from analytics_assets.resources import AnalyticsApi, described_api
from analytics_assets.sandbox.faults import Fault
from analytics_assets.sandbox.shape import Shape
from analytics_assets_tests.project import DAY, KEY, KEY_FORMS, Project, asked, stories

# of each field: in the file, in the environment, filled in
VALUES: dict[str, tuple[Any, Any, Any]] = {
    "base_url": ("https://file.example.com", "https://environment.example.com", "https://launchpad.example.com"),
    "page_size": (11, 12, 13),
    "max_retries": (1, 2, 0),
    "backoff_factor": (0.5, 1.5, 0.0),
    "read_timeout": (11.0, 12.0, 13.0),
}


def test_every_field_is_a_setting_and_none_is_the_key() -> None:
    """Run config is stored in clear; each field is tried below, and is described as the setting is."""
    fields = AnalyticsApi.model_fields
    assert set(fields) == set(VALUES)
    assert KEY_NAME not in fields
    for name, field in fields.items():
        assert Settings.model_fields[name].description in str(field.description)


@pytest.mark.parametrize("name", VALUES)
def test_what_is_filled_in_goes_before_file_and_environment(project: Project, name: str) -> None:
    """An empty field is what the settings say, weakest first: file, environment; a filled one wins, also with 0."""
    in_file, in_environment, filled = VALUES[name]
    path = project.path / ".dlt" / "config.toml"
    path.write_text(path.read_text().replace('base_url = "https://api.example.com"\n', ""))
    text = f'"{in_file}"' if isinstance(in_file, str) else in_file
    path.write_text(path.read_text().replace("[analytics_api]\n", f"[analytics_api]\n{name} = {text}\n"))
    project.write("config.toml", "")
    assert getattr(AnalyticsApi().settings(), name) == in_file
    project.configure(**{name: in_environment})
    assert getattr(AnalyticsApi().settings(), name) == in_environment
    assert getattr(AnalyticsApi(**{name: filled}).settings(), name) == filled
    assert AnalyticsApi(**{name: filled}).settings() == load_settings({name: filled})


@pytest.mark.parametrize(
    "wrong",
    [
        {"base_url": "api.example.com"},
        {"base_url": "http://api.example.com"},
        {"page_size": 0},
        {"max_retries": 11},
        {"backoff_factor": -1.0},
        {"read_timeout": 0.0},
    ],
    ids=str,
)
def test_what_is_filled_in_wrongly_is_refused(wrong: dict[str, Any]) -> None:
    """By the settings' own rules and in their words, which name the setting."""
    with pytest.raises(SettingError, match=next(iter(wrong))):
        AnalyticsApi(**wrong).settings()


def test_settings_are_read_when_they_are_wanted(project: Project) -> None:
    """A resource lives as long as the code server; what is configured meanwhile counts for the next run."""
    api = AnalyticsApi()
    assert api.settings().page_size == 100
    project.configure(page_size=7)
    assert api.settings().page_size == 7


def test_the_effective_settings_are_in_sight_and_no_secret_is(project: Project) -> None:
    """On the resource's page: each setting, its value and where it comes from; of parameters only their names."""
    project.write("config.toml", '\n[analytics_api.extra_params]\ntoken = "tok-123456"\n')
    project.configure(page_size=50, endpoints__stories__path="/v3/stories")
    api = described_api(load_settings())
    page = str(api.get_resource_definition().description)
    assert page.startswith("The social analytics API, and the settings")
    for line in (
        '- base_url: `"https://api.example.com"` (from .dlt/config.toml)',
        "- page_size: `50` (from ANALYTICS_API__PAGE_SIZE)",
        "- max_retries: `3` (default)",
        '- extra_params: `{"token": "***"}` (from .dlt/config.toml)',
        '- endpoints: `{"stories": {"path": "/v3/stories"}}` (from ANALYTICS_API__ENDPOINTS__STORIES__PATH)',
    ):
        assert line in page.splitlines()
    assert [line.partition(":")[0] for line in page.splitlines() if line.startswith("- ")] == [
        f"- {name}" for name in Settings.model_fields
    ]
    description = str(type(api).model_fields["page_size"].description)
    assert description == (
        "Rows asked for per page. In force: 50 (from ANALYTICS_API__PAGE_SIZE), unless a run fills it in"
    )
    assert not any(secret in page for secret in (*KEY_FORMS, "tok-123456"))


def test_what_is_in_sight_does_not_freeze(project: Project) -> None:
    """What is configured after the definitions were loaded counts for the next run, below what that fills in."""
    sandbox = project.serve(rows={"stories": stories(1)})
    project.configure(page_size=50)
    job = build_definitions().resolve_job_def("load_all")
    project.configure(page_size=7)
    instance = project.instance()
    for config in ({}, {"resources": {"analytics_api": {"config": {"page_size": 9}}}}):
        result = job.execute_in_process(
            partition_key=DAY, asset_selection=[dg.AssetKey("stories")], instance=instance, run_config=config
        )
        assert result.success
    assert [params["limit"] for _, params in asked(sandbox)] == ["7", "9"]


def test_each_endpoint_has_a_verdict_at_the_vendors_path(project: Project, waits: list[float]) -> None:
    """Each endpoint is asked as the settings resolve it, one after the other, as long as it answers."""
    paths = {endpoint.name: endpoint.path for endpoint in ENDPOINTS} | {"stories": "/v3/ephemeral"}
    faults = [Fault("status", status=503, endpoint="user_insights")]
    sandbox = project.serve(rows={"stories": stories(3)}, shape=Shape(key=KEY, paths=paths), faults=faults)
    project.configure(endpoints__stories__path="/v3/ephemeral")
    verdicts = AnalyticsApi().check_connection()
    assert [(verdict.endpoint, verdict.kind) for verdict in verdicts] == [
        ("media_insights", None),
        ("user_insights", "API failing"),
        ("stories", None),
        ("story_insights", None),
        ("warehouse", None),
    ]
    assert verdicts[2].message.startswith("3 rows in all")
    assert [path for path, _ in itertools.groupby(path for path, _ in asked(sandbox))] == list(paths.values())
    assert {path for path, params in asked(sandbox) if "since" in params} == {"/v3/ephemeral"}
    assert waits == []


def test_a_missing_path_is_one_endpoints_verdict(project: Project) -> None:
    """Where the vendor's path is not configured, that endpoint alone is not found."""
    paths = {endpoint.name: endpoint.path for endpoint in ENDPOINTS} | {"stories": "/v3/ephemeral"}
    project.serve(rows={"stories": stories(3)}, shape=Shape(key=KEY, paths=paths))
    verdicts = {verdict.endpoint: verdict.kind for verdict in AnalyticsApi().check_connection()}
    assert verdicts == {endpoint.name: None for endpoint in ENDPOINTS} | {
        "stories": "path not found",
        "warehouse": None,
    }
