"""What settings may be, and what fits together of them."""

from typing import Any

import pytest
from pydantic import ValidationError

from analytics_assets.ingest.configured import SettingError, load_settings
from analytics_assets.ingest.settings import Settings
from analytics_assets_tests.project import Project


@pytest.mark.parametrize(
    "settings",
    [
        {"offset_param": "limit"},
        {"window_start_param": "until"},
        {"key_name": "offset"},
        {"extra_params": {"since": "x"}},
    ],
    ids=str,
)
def test_two_settings_with_one_parameter_name_are_refused(project: Project, settings: dict[str, Any]) -> None:
    """One would silently replace the other in the query."""
    project.configure(**settings)
    with pytest.raises(SettingError, match="two settings use the query parameter"):
        load_settings()


def test_the_key_may_share_a_name_with_a_parameter_where_it_is_a_header(project: Project) -> None:
    """A header is not in the query."""
    project.configure(key_name="limit", key_location="header")
    assert load_settings().key_name == "limit"


@pytest.mark.parametrize("url", ["http://api.example.com", "http://10.0.0.1:8080"])
def test_plain_http_is_for_loopback_alone(project: Project, url: str) -> None:
    """The key would be sent in clear; it takes a setting to allow it."""
    project.configure(base_url=url)
    with pytest.raises(SettingError, match="allow_http"):
        load_settings()
    project.configure(allow_http="true")
    assert load_settings().base_url == url


@pytest.mark.parametrize("url", ["http://localhost:1", "http://127.0.0.1:1", "http://[::1]:1", "https://x.example"])
def test_loopback_and_https_need_no_leave(project: Project, url: str) -> None:
    """The sandbox is plain http on this machine."""
    project.configure(base_url=url)
    assert load_settings().base_url == url


def test_every_setting_is_described() -> None:
    """The settings table is made of these descriptions."""
    for name, field in Settings.model_fields.items():
        assert field.description, name
        assert "|" not in field.description, name


@pytest.mark.parametrize("text", ["{v: 2}", "v=2", "[1]", "5", "null", ""])
def test_wrong_json_is_answered_with_an_example(project: Project, text: str) -> None:
    """Not with what the parser says: which kind of JSON it has to be, and one that is right."""
    project.configure(extra_params=text)
    with pytest.raises(SettingError) as caught:
        load_settings()
    refusal = f"analytics_api.extra_params = {text!r}: must be a JSON object, such as "
    assert str(caught.value).startswith(refusal)
    example = str(caught.value).removeprefix(refusal)
    project.configure(extra_params=example)
    assert load_settings().extra_params == {"fields": "all", "version": "2"}


@pytest.mark.parametrize("text", ['["account", "day"', "[account, day]", " [account]"])
def test_a_wrong_list_of_fields_is_answered_with_an_example(project: Project, text: str) -> None:
    """The same for an id of several fields."""
    project.configure(endpoints__stories__id=text)
    with pytest.raises(SettingError) as caught:
        load_settings()
    assert str(caught.value) == (
        f"analytics_api.endpoints.stories.id = {text!r}: must be a field, or a JSON list of fields, such as "
        '["account", "day"]'
    )


def _settings_of(name: str, settings: Settings) -> Settings:
    return settings.of(next(one for one in settings.resolved_endpoints if one.name == name))


def test_an_endpoint_has_its_own_settings_and_what_is_not_given_is_what_stands_for_all() -> None:
    """Its own `extra_params` stand beside those of all."""
    settings = Settings.model_validate(
        {
            "page_size": 50,
            "data_selector": "items",
            "extra_params": {"v": "1", "fields": "all"},
            "endpoints": {"stories": {"path": "/s", "page_size": 100, "extra_params": {"fields": "few"}}},
        }
    )
    stories = _settings_of("stories", settings)
    assert (stories.page_size, stories.data_selector) == (100, "items")
    assert stories.extra_params == {"v": "1", "fields": "few"}
    assert _settings_of("user_insights", settings) == settings


def test_what_is_changed_in_an_endpoints_settings_stays_so() -> None:
    """A check that asks for one row asks for one, and the endpoint is what it was."""
    settings = Settings.model_validate({"endpoints": {"stories": {"path": "/s", "page_size": 7}}})
    stories = _settings_of("stories", settings).model_copy(update={"page_size": 1})
    assert _settings_of("stories", stories).page_size == 1
    assert stories.resolved_endpoints == settings.resolved_endpoints


def test_parameters_of_one_endpoint_that_are_called_alike_are_refused() -> None:
    """The message says of which endpoint."""
    with pytest.raises(ValidationError, match=r"endpoints\.stories: two settings use the query parameter \['since'\]"):
        Settings.model_validate({"endpoints": {"stories": {"offset_param": "since"}}})
