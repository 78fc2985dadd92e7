"""Where a setting and the key come from, and how a wrong one is told."""

import datetime as dt
import re
import textwrap
from pathlib import Path

import pytest

from analytics_assets.ingest.configured import SettingError, load_settings, misplaced_settings
from analytics_assets.ingest.endpoint_settings import EndpointSettings
from analytics_assets.ingest.key import load_key
from analytics_assets.ingest.settings import Settings
from analytics_assets.ingest.source import build_source
from analytics_assets.ingest.upkeep_settings import METRICS
from analytics_assets_tests.project import KEY, WINDOW, Project, endpoint_of, reload_settings, stories

# environment text, and what it means
VALUES: dict[str, tuple[str, object]] = {
    "base_url": ("https://eu.example.com/api/", "https://eu.example.com/api"),
    "allow_http": ("true", True),
    "key_location": ("bearer", "bearer"),
    "key_name": ("0012", "0012"),
    "key_file": ("/run/secrets/api_key", "/run/secrets/api_key"),
    "key_expires_on": ("2026-03-31", dt.date(2026, 3, 31)),
    "data_selector": ("result.items", "result.items"),
    "total_selector": ("$.meta.total", "$.meta.total"),
    "pagination": ("cursor", "cursor"),
    "offset_param": ("page[offset]", "page[offset]"),
    "limit_param": ("page[size]", "page[size]"),
    "page_param": ("page[number]", "page[number]"),
    "first_page": ("0", 0),
    "total_pages_selector": ("header:X-WP-TotalPages", "header:X-WP-TotalPages"),
    "cursor_selector": ("meta.next_token", "meta.next_token"),
    "cursor_param": ("pagination_token", "pagination_token"),
    "next_link_selector": ("header:Link", "header:Link"),
    "page_size": ("50", 50),
    "shrink_on": ('["too complex", "too large"]', ("too complex", "too large")),
    "window_start_param": ("filter[ts][_gte]", "filter[ts][_gte]"),
    "window_end_param": ("filter[ts][_lt]", "filter[ts][_lt]"),
    "window_format": ("epoch", "epoch"),
    "window_end": ("inclusive", "inclusive"),
    "extra_params": ('{"v": "2"}', {"v": "2"}),
    "max_retries": ("0", 0),
    "backoff_factor": ("0.5", 0.5),
    "connect_timeout": ("1.5", 1.5),
    "read_timeout": ("90", 90.0),
    "response_timeout": ("120", 120.0),
    "max_response_mb": ("8", 8),
    "max_retry_after": ("60", 60.0),
    "rejected_rows": ("fail", "fail"),
    "new_columns": ("ignore", "ignore"),
    "max_concurrent_requests": ("4", 4),
    "max_requests_per_second": ("2.5", 2.5),
    "rate_budget": ("postgres", "postgres"),
    "lookback_days": ("3", 3),
    "max_window_days": ("7", 7),
    "backfill_days": ("14", 14),
    "start_date": ("2024-02-29", dt.date(2024, 2, 29)),
    "timezone": ("America/New_York", "America/New_York"),
    "daily_cron": ("30 4 * * *", "30 4 * * *"),
    "check_cron": ("5 * * * *", "5 * * * *"),
    "summary_cron": ("0 7 * * 1-5", "0 7 * * 1-5"),
    "stories_minutes": ("20", 20),
    "gap_days": ("31", 31),
    "gap_tries": ("5", 5),
    "insights_after_hours": ("12", 12),
    "restatements_days": ("90", 90),
    "metrics": ('{"reach": "sum", "reposts": "sum"}', {**METRICS, "reach": "sum", "reposts": "sum"}),
    "bounds": ('{"reach": [1, 9.5]}', {"reach": (1.0, 9.5)}),
    "dagster_url": ("https://dagster.example.com", "https://dagster.example.com"),
}

# what has a meaning only with oauth2: what belongs to it, and the value in TOML
OAUTH2: dict[str, tuple[str, object, str]] = {
    "token_url": ("https://login.example.com/oauth/token/", "https://login.example.com/oauth/token/", ""),
    "client_id": ("0012", "0012", ""),
    "client_auth": ("basic", "basic", ""),
    "token_params": ('{"scope": "a b"}', {"scope": "a b"}, '{ scope = "a b" }'),
}

WRONG = {
    "base_url": "example.com",
    "allow_http": "perhaps",
    "key_location": "cookie",
    "key_expires_on": "in spring",
    "token_url": "login.example.com",
    "token_params": "scope=a",
    "client_auth": "digest",
    "page_size": "0",
    "pagination": "scroll",
    "first_page": "2",
    "window_format": "iso",
    "window_end": "open",
    "extra_params": "{v: 2}",
    "shrink_on": "too large",
    "max_retries": "-1",
    "backoff_factor": "fast",
    "read_timeout": "0",
    "new_columns": "perhaps",
    "start_date": "yesterday",
    "timezone": "Mars/Olympus",
    "daily_cron": "every morning",
    "stories_minutes": "0",
    "metrics": "reach",
    "bounds": '{"reach": [9, 1]}',
}


def _set_in_file(project: Project, file: str, line: str) -> None:
    """Put a line into the table `[analytics_api]`, in the place of the one setting that is there."""
    path = project.path / ".dlt" / file
    default = 'base_url = "https://api.example.com"'
    path.write_text(path.read_text().replace(default, line) if path.exists() else f"[analytics_api]\n{line}\n")
    reload_settings()


def test_every_setting_is_tried_here() -> None:
    """A new setting gets a line in the table above."""
    assert {*VALUES, *OAUTH2, "endpoints"} == set(Settings.model_fields)


@pytest.mark.parametrize("name", VALUES)
def test_defaults_yield_to_the_file_and_the_file_to_the_environment(project: Project, name: str) -> None:
    """Precedence: default, then `.dlt/config.toml`, then the environment."""
    text, value = VALUES[name]
    default = Settings().model_dump()[name]
    assert getattr(load_settings(), name) == default != value
    in_toml = value if isinstance(value, bool | int | float) else f'"{text}"'
    tables = {"metrics": '{ reach = "sum", reposts = "sum" }', "bounds": "{ reach = [1, 9.5] }"}
    toml = tables | {"extra_params": '{ v = "2" }', "allow_http": "true", "shrink_on": text}
    _set_in_file(project, "config.toml", f"{name} = {toml.get(name, in_toml)}")
    assert getattr(load_settings(), name) == value
    project.configure(**{name: default})
    assert getattr(load_settings(), name) == default


@pytest.mark.parametrize("name", VALUES)
def test_every_setting_can_be_an_environment_variable(project: Project, name: str) -> None:
    """`ANALYTICS_API__<NAME>` sets it, text as environment variables are."""
    text, value = VALUES[name]
    project.configure(**{name: text})
    assert getattr(load_settings(), name) == value


@pytest.mark.parametrize("place", ["config.toml", "environment"])
def test_what_oauth2_takes_is_set_from_file_and_environment(project: Project, place: str) -> None:
    """Together, for each of them has a meaning only with the others."""
    if place == "environment":
        project.configure(key_location="oauth2", **{name: text for name, (text, *_) in OAUTH2.items()})
    else:
        lines = [f"{name} = {toml or repr(text)}" for name, (text, _, toml) in OAUTH2.items()]
        _set_in_file(project, "config.toml", "\n".join(['key_location = "oauth2"', *lines]))
    settings = load_settings()
    assert {name: getattr(settings, name) for name in OAUTH2} == {name: value for name, (_, value, _) in OAUTH2.items()}


@pytest.mark.parametrize(
    ("given", "refusal"),
    [
        ({"key_location": "oauth2"}, 'key_location = "oauth2" needs client_id and token_url as well'),
        ({"key_location": "oauth2", "client_id": "me"}, 'key_location = "oauth2" needs token_url as well'),
        ({"token_url": "https://x.example/t", "client_id": "me"}, "client_id and token_url has a meaning only with"),
        ({"key_location": "bearer", "token_params": {"scope": "a"}}, "the key would be sent as it is"),
        (
            {"key_location": "oauth2", "client_id": "me", "token_url": "http://login.example.com/t"},
            "token_url: plain http would send the key in clear",
        ),
        ({"token_url": f"https://x.example/t?client_secret={KEY}"}, "without a query, fragment or user name"),
        ({"token_params": {"client_secret": "x"}}, "the client secret is the key"),
        ({"token_params": {"client_id": "x"}}, "client_id is a setting"),
    ],
)
def test_half_of_oauth2_is_refused(project: Project, given: dict[str, object], refusal: str) -> None:
    """Else the client's secret would go to the API as a key, or to nobody; what is refused does not repeat it."""
    project.configure(**given)
    with pytest.raises(SettingError) as caught:
        load_settings()
    assert refusal in str(caught.value)
    assert KEY not in str(caught.value)


def test_the_examples_of_credentials_are_settings(project: Project) -> None:
    """Each block of the page is a configuration that is read as it stands."""
    page = (Path(__file__).parents[2] / "docs" / "vendors" / "credentials.md").read_text()
    blocks = re.findall(r"^    \[analytics_api\]\n((?:    .*\n)+)", page, re.MULTILINE)
    config = project.path / ".dlt" / "config.toml"
    before, seen = config.read_text(), []
    for block in blocks:
        config.write_text(before)
        _set_in_file(project, "config.toml", textwrap.dedent(block))
        settings = load_settings()
        changed = {name for name in Settings.model_fields if getattr(settings, name) != getattr(Settings(), name)}
        seen.append((settings.key_location, sorted(changed - {"key_location"})))
    assert seen == [
        ("query", ["key_name"]),
        ("header", ["key_name"]),
        ("bearer", []),
        ("oauth2", ["client_id", "token_params", "token_url"]),
        ("query", ["key_file"]),
        ("query", ["key_expires_on"]),
    ]


def test_plain_http_for_tokens_goes_to_this_machine(project: Project) -> None:
    """Or to where the settings allow it."""
    project.configure(key_location="oauth2", client_id="me", token_url="http://127.0.0.1:1/t")
    load_settings()
    project.configure(token_url="http://login.example.com/t", allow_http=True)
    load_settings()


def test_no_total_can_be_said_by_the_environment(project: Project) -> None:
    """An empty variable is a value: there is no total."""
    project.configure(total_selector="")
    assert load_settings().total_selector == ""


def test_overrides_stand_above_all(project: Project) -> None:
    """What a resource is given in code or run config wins; what it is not given does not count."""
    project.configure(page_size=10, max_retries=1)
    settings = load_settings({"page_size": 20, "max_retries": None})
    assert (settings.page_size, settings.max_retries) == (20, 1)


def test_an_endpoint_is_overridden_from_file_and_environment(project: Project) -> None:
    """`[analytics_api.endpoints.<name>]` and its variables fill each other up."""
    project.write("config.toml", '\n[analytics_api.endpoints.stories]\npath = "/v2/stories"\ncursor = "posted"\n')
    project.configure(endpoints__stories__cursor="created", endpoints__user_insights__id="uid")
    assert load_settings().endpoints == {
        "stories": EndpointSettings(path="/v2/stories", cursor="created"),
        "user_insights": EndpointSettings(id="uid"),
    }


def test_what_a_run_fills_in_stands_above_an_endpoints_own(project: Project) -> None:
    """A page size in the launchpad is that of the run, whatever the endpoint has of its own."""
    project.configure(endpoints__stories__page_size=7, endpoints__stories__path="/s")
    assert load_settings().endpoints["stories"].page_size == 7
    stories = load_settings({"page_size": 20}).endpoints["stories"]
    assert (stories.model_fields_set, stories.path) == ({"path"}, "/s")


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_value_is_named_with_what_is_allowed(project: Project, name: str) -> None:
    """One line: the setting, its value, what is allowed."""
    project.configure(**{name: WRONG[name]})
    with pytest.raises(SettingError) as caught:
        load_settings()
    (line,) = str(caught.value).splitlines()
    assert line.startswith(f"analytics_api.{name} = ")
    assert WRONG[name] in line


def test_several_wrong_values_are_all_named(project: Project) -> None:
    """Nobody has to run it twice to learn of two mistakes."""
    project.configure(page_size="many", timezone="UTC+1")
    with pytest.raises(SettingError) as caught:
        load_settings()
    assert [line.partition(" = ")[0] for line in str(caught.value).splitlines()] == [
        "analytics_api.page_size",
        "analytics_api.timezone",
    ]


@pytest.mark.parametrize(
    ("lines", "refusal"),
    [
        ("pagesize = 5", "pagesize: there is no such setting. Did you mean analytics_api.page_size?"),
        (
            "backoff = 5",
            "backoff: there is no such setting. Did you mean analytics_api.backoff_factor?",
        ),
        ("colour = 5", "colour: there is no such setting. The table in README.md lists all settings."),
        (
            '[analytics_api.endpoint.stories]\npath = "/x"',
            "endpoint: there is no such setting. Did you mean analytics_api.endpoints?",
        ),
        (
            '[analytics_api.endpoints.stories]\npaht = "/x"',
            "endpoints.stories.paht: there is no such setting. Did you mean analytics_api.endpoints.stories.path?",
        ),
    ],
)
def test_an_unknown_name_in_the_file_is_refused(project: Project, lines: str, refusal: str) -> None:
    """A misspelt setting is told, with what was meant, or where all of them stand; never with all of them."""
    _set_in_file(project, "config.toml", lines)
    with pytest.raises(SettingError) as caught:
        load_settings()
    assert str(caught.value) == f"analytics_api.{refusal}"


@pytest.mark.parametrize(
    ("name", "answer"),
    [
        ("storys", "Did you mean stories or story_insights?"),
        (
            "reels",
            "The endpoints are media_insights, user_insights, stories, story_insights; one that has a path is added.",
        ),
    ],
)
@pytest.mark.parametrize("where", ["config.toml", "environment"])
def test_an_unknown_endpoint_is_refused(project: Project, where: str, name: str, answer: str) -> None:
    """Settings of an endpoint that does not exist, and has no path, are a mistake."""
    if where == "environment":
        project.configure(**{f"endpoints__{name}__cursor": "x"})
    else:
        project.write("config.toml", f"\n[analytics_api.endpoints.{name}]\ncursor = 'x'\n")
    with pytest.raises(SettingError) as caught:
        load_settings()
    assert str(caught.value).endswith(f": there is no endpoint '{name}'. {answer}")


@pytest.mark.parametrize(
    ("variable", "answer"),
    [
        ("PAGESIZE", "there is no such setting. Did you mean ANALYTICS_API__PAGE_SIZE?"),
        ("RETRIES", "there is no such setting. Did you mean ANALYTICS_API__MAX_RETRIES?"),
        ("ENDPOINTS__STORIES__PAHT", "there is no such setting. Did you mean ANALYTICS_API__ENDPOINTS__STORIES__PATH?"),
        (
            "ENDPOINT__STORIES__PATH",
            "there is no such setting. Did you mean ANALYTICS_API__ENDPOINTS__STORIES__PATH?",
        ),
        ("ENDPOINTS", "each field of an endpoint is set by itself, as in ANALYTICS_API__ENDPOINTS__STORIES__PATH."),
        *(
            (
                name,
                "the API key is not a setting. Put it into the environment variable API_KEY, or api_key = ",
            )
            for name in ("API_KEY", "APIKEY", "KEY", "TOKEN", "ACCESS_TOKEN", "ENDPOINTS__STORIES__API_KEY")
        ),
    ],
)
def test_an_unknown_variable_is_refused(project: Project, variable: str, answer: str) -> None:
    """A misspelt variable is told by its name and not its value, with what was meant."""
    project.configure(**{variable: KEY})
    with pytest.raises(SettingError) as caught:
        load_settings()
    assert str(caught.value).startswith(f"the environment variable ANALYTICS_API__{variable}: {answer}")
    assert KEY not in str(caught.value)


@pytest.mark.parametrize(
    ("variable", "meant"),
    [
        ("ANALYTICS_API_PAGE_SIZE", "ANALYTICS_API__PAGE_SIZE"),
        ("ANALYTICS_API_PAGESIZE", "ANALYTICS_API__PAGE_SIZE"),
        ("ANALYTIC_API__PAGE_SIZE", "ANALYTICS_API__PAGE_SIZE"),
        ("ANALYITCS_API__PAGE_SIZE", "ANALYTICS_API__PAGE_SIZE"),
        ("ANALYTICS__API__PAGE_SIZE", "ANALYTICS_API__PAGE_SIZE"),
        ("analytics_api__page_size", "ANALYTICS_API__PAGE_SIZE"),
        ("ANALYTICS_API_ENDPOINTS_STORIES_PATH", "ANALYTICS_API__ENDPOINTS__STORIES__PATH"),
        ("ANALYTICSAPI__ENDPOINTS__STORIES__ID", "ANALYTICS_API__ENDPOINTS__STORIES__ID"),
    ],
)
def test_a_misspelt_prefix_is_warned_of(monkeypatch: pytest.MonkeyPatch, variable: str, meant: str) -> None:
    """It may be another program's, so it stops nothing; but it is told, without its value."""
    monkeypatch.setenv(variable, "5")
    assert misplaced_settings() == [f"Not a setting: the environment variable {variable}. Did you mean {meant}?"]
    assert load_settings() == Settings()


def test_a_misspelt_table_is_warned_of(project: Project) -> None:
    """The same for dlt's files, by the name of the file; one in capital letters is another one for dlt."""
    project.write("config.toml", "\n[analytic_api]\npage_size = 5\n")
    project.write("secrets.toml", "\n[ANALYTICS_API]\nmax_retries = 5\n")
    assert sorted(misplaced_settings()) == [
        "Not a setting: ANALYTICS_API.max_retries in .dlt/secrets.toml. Did you mean analytics_api.max_retries?",
        "Not a setting: analytic_api.page_size in .dlt/config.toml. Did you mean analytics_api.page_size?",
    ]


@pytest.mark.parametrize(
    "variable",
    [
        "ANALYTICS_API_KEY",
        "ANALYTICS_API_URL",
        "ANALYTICS_API_TOKEN",
        "ANALYTICS_API_VERSION",
        "ANALYTICS_API_ENDPOINT",
        "ANALYTICS_API_EU__BASE_URL",
        "ANALYTICS_API_2__BASE_URL",
        "ANALYTICS_API2__BASE_URL",
        "ANALYTICS_BASE_URL",
        "GOOGLE_ANALYTICS_API_BASE_URL",
        "BASE_URL",
        "TIMEZONE",
        "SOURCES__ANALYTICS_API__PAGE_SIZE",
    ],
)
def test_other_names_are_nobody_s_business(monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    """Names of other programs, and those of a second vendor's project on the same machine, are not warned of."""
    monkeypatch.setenv(variable, "5")
    assert misplaced_settings() == []


@pytest.mark.parametrize(
    "url",
    [
        f"https://api.example.com?api_key={KEY}",
        f"https://api.example.com/v1#{KEY}",
        f"https://me:{KEY.replace('/', '')}@api.example.com",
    ],
)
def test_a_secret_in_a_wrong_place_is_not_repeated(project: Project, url: str) -> None:
    """A key that strayed into the base URL is refused without being told."""
    project.configure(base_url=url)
    with pytest.raises(SettingError, match="without a query, fragment or user name") as caught:
        load_settings()
    assert "sandbox+key" not in str(caught.value)


@pytest.mark.parametrize("file", ["config.toml", "secrets.toml"])
def test_a_key_under_the_settings_is_not_repeated(project: Project, file: str) -> None:
    """`api_key` under `[analytics_api]` is no setting; the message names it without its value."""
    _set_in_file(project, file, f'api_key = "{KEY}"')
    with pytest.raises(SettingError, match=r"analytics_api\.api_key: the API key is not a setting\. Put it") as caught:
        load_settings()
    assert KEY not in str(caught.value)


@pytest.mark.parametrize("key", ["00120012", "trueTRUE", "1.0000e+5", '{"a": 1}', '"quoted"', "99999999", KEY])
def test_a_key_stays_text(monkeypatch: pytest.MonkeyPatch, key: str) -> None:
    """A key is not a number, a date or JSON, however it looks."""
    monkeypatch.setenv("API_KEY", key)
    assert load_key(load_settings()) == key


def test_the_key_may_stand_in_the_secrets_file(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """`api_key` in `.dlt/secrets.toml` is found; the environment wins over it."""
    project.write("secrets.toml", 'api_key = "00130013"\n')
    assert load_key(load_settings()) == KEY
    monkeypatch.delenv("API_KEY")
    assert load_key(load_settings()) == "00130013"


@pytest.mark.parametrize("key", [None, "", "   "])
def test_a_missing_key_is_told_with_what_to_do(monkeypatch: pytest.MonkeyPatch, key: str | None) -> None:
    """None, empty and blank are the same: no key, and where to put one."""
    if key is None:
        monkeypatch.delenv("API_KEY")
    else:
        monkeypatch.setenv("API_KEY", key)
    with pytest.raises(SettingError, match=r"API_KEY.*secrets\.toml"):
        load_key(load_settings())


@pytest.mark.parametrize("variable", ["ANALYTICS_API_KEY", "APIKEY", "API_KEYS", "API__KEY"])
def test_a_key_that_stands_under_another_name_is_found(monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    """The message names the variable, and never what it holds."""
    monkeypatch.delenv("API_KEY")
    monkeypatch.setenv(variable, KEY)
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with pytest.raises(SettingError) as caught:
        load_key(load_settings())
    assert str(caught.value).endswith(f"secrets.toml. What is set is the environment variable {variable}.")
    assert KEY not in str(caught.value)


def test_a_key_in_the_wrong_file_is_found(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """Dlt reads no secret from `.dlt/config.toml`."""
    monkeypatch.delenv("API_KEY")
    path = project.path / ".dlt" / "config.toml"
    path.write_text(f'api_key = "{KEY}"\n{path.read_text()}')
    reload_settings()
    with pytest.raises(SettingError, match=r"What is set is api_key in \.dlt/config\.toml\.$"):
        load_key(load_settings())


@pytest.mark.parametrize("made", ["folder", "DLT_PROJECT_DIR"])
def test_without_its_settings_the_project_does_not_load(
    project: Project, monkeypatch: pytest.MonkeyPatch, made: str
) -> None:
    """Started in another folder it would be green on defaults; the message says where its settings are."""
    elsewhere = project.path / "elsewhere"
    elsewhere.mkdir()
    if made == "folder":
        monkeypatch.chdir(elsewhere)
    else:
        monkeypatch.setenv("DLT_PROJECT_DIR", str(elsewhere))
    with pytest.raises(SettingError) as caught:
        load_settings()
    own = Path(__file__).parents[2]
    assert str(caught.value).startswith(
        f"there is no folder {elsewhere / '.dlt'}; the project's settings are in {own}. Start Dagster in that folder, "
        "or set DLT_PROJECT_DIR (settings), DLT_LOCAL_DIR (DuckDB file) and DAGSTER_HOME"
    )


def test_white_space_around_a_key_is_not_of_the_key(monkeypatch: pytest.MonkeyPatch) -> None:
    """A key read from a file ends with a line break."""
    monkeypatch.setenv("API_KEY", f" {KEY}\n")
    assert load_key(load_settings()) == KEY


@pytest.mark.parametrize("key", ["abc\ndefghi", "schl€ssel"])
def test_a_key_that_no_request_can_carry_is_refused_without_being_told(
    monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    """A key with a line break or a curly quote was copied wrongly; http.client would quote it whole."""
    monkeypatch.setenv("API_KEY", key)
    with pytest.raises(SettingError, match="copy it again") as caught:
        load_key(load_settings())
    assert key not in str(caught.value)


@pytest.mark.parametrize(
    ("key", "why"),
    [
        ("abc-123", "has fewer than 8 characters"),
        ("2025-01-03", "is a date"),
        ("20250103", "is a date"),
        ("2025-01-03T00:00:00Z", "is a date"),
        ("timestamp", "is the name of an endpoint, a path or a column, or a part of one"),
        ("posted_at", "is the name of an endpoint, a path or a column, or a part of one"),
        ("stories_of", "is the name of an endpoint, a path or a column, or a part of one"),
        ("media_insights", "is the name of an endpoint, a path or a column, or a part of one"),
        ("insights", "is the name of an endpoint, a path or a column, or a part of one"),
        ("filter[since]", "is also part of the setting window_start_param"),
        ("graph-of-vendor", "is also part of the setting base_url"),
        ("account-of-ours", "is also part of the setting extra_params"),
        ("twelve+three=15", "is also part of the setting extra_params"),
    ],
)
def test_a_key_that_is_no_secret_is_refused_without_being_told(
    project: Project, monkeypatch: pytest.MonkeyPatch, key: str, why: str
) -> None:
    """Taken out of rows it would change them, and where it stands in the settings it is shown on purpose."""
    sandbox = project.serve(rows={"stories": stories(1)})
    project.configure(
        endpoints__stories__cursor="posted_at",
        endpoints__stories__path="/v2/stories_of_users",
        window_start_param="filter[since]",
        extra_params={"of": "account-of-ours", "token": "twelve%2Bthree%3D15"},
    )
    if key == "graph-of-vendor":
        project.configure(base_url="https://graph-of-vendor.invalid")
    monkeypatch.setenv("API_KEY", key)
    with pytest.raises(SettingError) as caught:
        build_source(endpoint_of("stories"), load_settings(), WINDOW)
    assert str(caught.value).startswith(f"the API key {why}")
    assert key not in str(caught.value)
    assert sandbox.requests == []


@pytest.mark.parametrize(
    ("overrides", "reason"),
    [
        ({"cursor": "media_url"}, "cursor 'media_url' must be a declared timestamp column"),
        ({"cursor": "like_count"}, "cursor 'like_count' must be a declared timestamp column"),
    ],
    ids=str,
)
def test_an_override_that_makes_no_endpoint_is_refused(
    project: Project, overrides: dict[str, str], reason: str
) -> None:
    """Before anything is asked, in one line: the endpoint, and why it is none."""
    project.configure(**{f"endpoints__stories__{name}": value for name, value in overrides.items()})
    with pytest.raises(SettingError) as caught:
        load_settings()
    assert str(caught.value) == f"analytics_api: endpoint 'stories': {reason}"


def test_a_field_may_change_its_use(project: Project) -> None:
    """What was the cursor can be the id, where another field is the cursor."""
    project.configure(endpoints__stories__id="timestamp", endpoints__stories__cursor="posted")
    endpoint = endpoint_of("stories")
    assert (endpoint.id, endpoint.cursor) == ("timestamp", "posted")
    assert {column.name for column in endpoint.columns} >= {"timestamp", "posted"}


@pytest.mark.parametrize("where", ["config.toml", "environment"])
def test_an_id_may_be_several_fields(project: Project, where: str) -> None:
    """As a list in the file, and as a JSON list in the environment; one of them alone is a name."""
    if where == "environment":
        project.configure(endpoints__stories__id='["account", "day"]')
    else:
        project.write("config.toml", '\n[analytics_api.endpoints.stories]\nid = ["account", "day"]\n')
    stories = next(one for one in load_settings().resolved_endpoints if one.name == "stories")
    assert stories.merge_key == ("account", "day")
    project.configure(endpoints__stories__id="story")
    assert next(one for one in load_settings().resolved_endpoints if one.name == "stories").merge_key == ("story",)
