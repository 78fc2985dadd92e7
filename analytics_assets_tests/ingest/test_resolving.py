"""Endpoints as the settings make them: columns that are declared, renamed, hidden, and endpoints that are added."""

from typing import Any

import pytest
from pydantic import ValidationError

from analytics_assets.ingest.configured import SettingError, load_settings
from analytics_assets.ingest.endpoint import Endpoint
from analytics_assets.ingest.endpoint_settings import EndpointSettings
from analytics_assets.ingest.resolving import resolved
from analytics_assets.ingest.settings import Settings
from analytics_assets_tests.ingest.test_endpoints import COMMENTS, ID
from analytics_assets_tests.project import Project, endpoint_of, settings_of


def _resolved(*, has_window: bool = True, **own: Any) -> Endpoint:  # noqa: ANN401
    return resolved("comments", COMMENTS, EndpointSettings.model_validate(own), has_window=has_window)


def _columns(endpoint: Endpoint) -> dict[str, str]:
    return {column.name: column.data_type for column in endpoint.columns}


def test_renamed_fields_take_over_their_columns() -> None:
    """A vendor's other id or cursor field stands where ours stood, with type and description."""
    renamed = _resolved(path="/c", id="uid", cursor="posted")
    assert (renamed.path, renamed.id, renamed.cursor) == ("/c", "uid", "posted")
    assert _columns(renamed) == {"uid": "text", "posted": "timestamp", "likes": "bigint"}
    assert renamed.column("uid").nullable is False


def test_an_id_of_several_fields() -> None:
    """Fields that are not declared become text columns in the place of ours; none of them may be null."""
    renamed = _resolved(id=("post", "created_at"))
    assert (renamed.id, renamed.merge_key) == (("post", "created_at"), ("post", "created_at"))
    assert [(column.name, column.data_type, column.nullable) for column in renamed.columns] == [
        ("created_at", "timestamp", False),
        ("likes", "bigint", True),
        ("post", "text", False),
    ]
    assert _resolved(id=("id", "likes")).column("id") == ID


def test_the_cursor_can_be_the_id() -> None:
    """Rows that are known by their time, or by it and a metric, have it as a timestamp."""
    assert _columns(_resolved(id="posted", cursor="posted")) == {"likes": "bigint", "posted": "timestamp"}
    mine = _resolved(id=("metric", "created_at"), declared_columns="only mine")
    assert _columns(mine) == {"created_at": "timestamp", "metric": "text"}


def test_columns_are_declared_retyped_renamed_described_and_left_out() -> None:
    """What is not said of a column of ours stays as it is."""
    endpoint = _resolved(
        columns={
            "id": "bigint",
            "likes": {"from": "likeCount", "description": "Hearts"},
            "reach": {"from": "insights.reach.value", "data_type": "bigint"},
            "text": "text",
            "debug": {"ignore": True},
        }
    )
    assert _columns(endpoint) == {
        "id": "bigint",
        "created_at": "timestamp",
        "likes": "bigint",
        "reach": "bigint",
        "text": "text",
    }
    likes, reach = endpoint.column("likes"), endpoint.column("reach")
    assert (likes.field, likes.description) == ("likeCount", "Hearts")
    assert (reach.field, reach.description) == ("insights.reach.value", "The API's insights.reach.value")
    assert endpoint.column("id").nullable is False
    assert endpoint.ignored == {"debug"}


def test_only_my_columns_are_declared() -> None:
    """Of ours none is left, so none can be missing; id and cursor are declared where nobody does."""
    endpoint = _resolved(declared_columns="only mine", columns={"text": "text"})
    assert _columns(endpoint) == {"id": "text", "created_at": "timestamp", "text": "text"}
    whole = _resolved(declared_columns="only mine", columns={"text": "text"}, has_window=False)
    assert (_columns(whole), whole.cursor) == ({"id": "text", "text": "text"}, None)
    assert _resolved(has_window=False).cursor == "created_at"


def test_a_computed_column_goes_with_its_source() -> None:
    """Where the value is not loaded, or only a hash of it, no number can be computed from it."""
    assert "value_number" in _columns(Settings().resolved_endpoints[0])
    for value in ({"ignore": True}, {"hash": True}):
        settings = Settings.model_validate({"endpoints": {"media_insights": {"columns": {"value": value}}}})
        assert "value_number" not in _columns(settings.resolved_endpoints[0])


@pytest.mark.parametrize(
    ("own", "reason"),
    [
        ({"columns": {"mood": {"from": "feeling"}}}, "columns.mood has no data_type"),
        ({"columns": {"id": {"ignore": True}}}, "id 'id' must be a declared column"),
        ({"columns": {"created_at": "text"}}, "cursor 'created_at' must be a declared timestamp"),
        ({"columns": {"created_at": {"hash": True}}}, "cursor 'created_at' must be a declared timestamp"),
        (
            {"columns": {"mail": {"from": "user.mail", "hash": True}, "user": "json"}},
            "'user' would hold in clear what another column hashes",
        ),
        (
            {
                "columns": {
                    "mail": {"from": "user.contact.mail", "hash": True},
                    "contact": {"from": "user.contact", "data_type": "json"},
                }
            },
            "'contact' would hold in clear what another column hashes",
        ),
        (
            {"columns": {"mail": {"from": "likes", "hash": True}}},
            "'likes' would hold in clear what another column hashes",
        ),
    ],
)
def test_what_makes_no_endpoint_is_refused(own: dict[str, Any], reason: str) -> None:
    """One sentence says which column, and why."""
    with pytest.raises(ValueError, match=reason):
        _resolved(**own)


@pytest.mark.parametrize(
    ("own", "reason"),
    [
        ({"columns": {"a": {"from": "b["}}}, "must be a field, a path"),
        ({"columns": {"a": "number"}}, "Input should be 'text'"),
        ({"columns": {"a": {"ignore": True, "data_type": "text"}}}, "goes with nothing else"),
        ({"columns": {"a.b": {"ignore": True}}}, "not a part of one"),
        ({"columns": {"a": {"hash": True, "data_type": "json"}}}, "data_type cannot be another one"),
        ({"columns": {"a": {"from": "$.user.mail", "hash": True}}}, "begins with a field"),
        ({"columns": {"a": {"from": "*.mail", "hash": True}}}, "begins with a field"),
        ({"columns": {"mediaId": "text"}}, "from says what the API calls it"),
        ({"columns": {"_analytics_read_at": "text"}}, "a column is lower case"),
        ({"columns": "a, b"}, "must be a JSON object"),
        ({"columns": {"a": {"tpye": "text"}}}, "Extra inputs"),
        ({"declared_columns": "mine"}, "only mine"),
    ],
)
def test_a_wrong_column_setting_is_refused(own: dict[str, Any], reason: str) -> None:
    """Each says what is allowed."""
    with pytest.raises(ValidationError, match=reason):
        EndpointSettings.model_validate(own)


def test_a_hash_hides_the_object_that_it_is_in() -> None:
    """The object around a hashed value becomes no column, and is kept out of what is set aside."""
    endpoint = _resolved(
        columns={
            "mail": {"from": "user.mail", "hash": True},
            "city": {"from": "user.city", "data_type": "text"},
            "name": {"hash": True},
        }
    )
    assert endpoint.hidden == {"user", "user.mail", "name"}
    assert _resolved(unnest="values", columns={"mail": {"hash": True}}).hidden == {"mail", "values"}


def test_an_endpoint_is_added_by_file_and_by_environment(project: Project) -> None:
    """A name that is none of ours and has a path is an endpoint more, with settings of its own."""
    project.write(
        "config.toml",
        """
[analytics_api.endpoints.comments]
path = "/v1/comments"
cursor = "created_at"
page_size = 20
columns = { likes = "bigint", text = { from = "body.text", data_type = "text" } }
""",
    )
    project.configure(
        endpoints__accounts__path="/v1/accounts",
        endpoints__accounts__window_start_param="",
        endpoints__accounts__window_end_param="",
        endpoints__accounts__columns='{"name": "text"}',
    )
    names = [endpoint.name for endpoint in load_settings().resolved_endpoints]
    assert names == ["media_insights", "user_insights", "stories", "story_insights", "accounts", "comments"]
    assert _columns(endpoint_of("comments")) == {
        "id": "text",
        "created_at": "timestamp",
        "likes": "bigint",
        "text": "text",
    }
    assert settings_of("comments").page_size == 20
    assert (endpoint_of("accounts").cursor, settings_of("accounts").has_window) == (None, False)


@pytest.mark.parametrize("name", ["story_views", "insights", "media_comments", "media_insights_eu", "users"])
def test_a_name_that_only_resembles_ours_is_added(name: str) -> None:
    """Only what is one of ours but for a letter or two is taken for a mistake."""
    settings = Settings.model_validate({"endpoints": {name: {"path": "/x", "cursor": "at"}}})
    assert settings.resolved_endpoints[-1].name == name


def test_endpoints_can_be_left_out(project: Project) -> None:
    """One that is not enabled is no endpoint; where none is left there is nothing to do, which is a mistake."""
    for name in ("media_insights", "user_insights", "story_insights"):
        project.configure(**{f"endpoints__{name}__enabled": "false"})
    assert [endpoint.name for endpoint in load_settings().resolved_endpoints] == ["stories"]
    project.configure(endpoints__stories__enabled="false")
    with pytest.raises(SettingError, match="no endpoint is enabled"):
        load_settings()


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"comments__cursor": "at"}, "there is no endpoint 'comments'"),
        ({"storys__path": "/v1/storys"}, "Did you mean stories"),
        ({"comments__path": "/v1/comments"}, "endpoint 'comments' has no cursor"),
        ({"comments__path": "/c", "comments__cursor": "at", "comments__curser": "at"}, "endpoints__comments__cursor"),
        ({"my__comments__path": "/c"}, "there is no endpoint 'my'"),
        ({"stories__window_end_param": ""}, "both given or both empty"),
    ],
)
def test_what_adds_no_endpoint_is_refused(project: Project, settings: dict[str, str], reason: str) -> None:
    """A typo of one of ours adds none, and one without a window has to say so."""
    project.configure(**{f"endpoints__{name}": value for name, value in settings.items()})
    with pytest.raises(SettingError) as caught:
        load_settings()
    assert reason.lower() in str(caught.value).lower()


def test_a_salt_is_needed_for_hashes_and_is_no_short_one(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without it everybody could try which mail address a hash is of."""
    project.serve(rows={"stories": []})
    project.configure(endpoints__stories__columns={"caption": {"hash": True}})
    for salt in ("", "short"):
        monkeypatch.setenv("HASH_SALT", salt)
        with pytest.raises(SettingError, match="HASH_SALT"):
            project.load()
    monkeypatch.setenv("HASH_SALT", "a long enough salt for it")
    project.load()
