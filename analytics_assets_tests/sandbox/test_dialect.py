"""The sandbox as the vendor that the settings describe: what is configured for a vendor loads from it."""

import re
from pathlib import Path

import pytest
from dlt.common.schema import Schema

from analytics_assets.commands import demo
from analytics_assets.ingest.configured import load_settings
from analytics_assets.ingest.settings import Settings
from analytics_assets.ingest.warehouse.destination import SCHEMA
from analytics_assets.sandbox.dialect import sandbox_of
from analytics_assets.sandbox.server import SandboxServer
from analytics_assets_tests.project import KEY, WINDOW, Project, endpoint_of

_VENDORS = Path(__file__).parents[2] / "docs/vendors"
snake_case = Schema(SCHEMA).naming.normalize_identifier
FILES = sorted(path.stem for path in _VENDORS.glob("*.toml"))


def _configure(project: Project, text: str) -> None:
    config = project.path / ".dlt/config.toml"
    ours = re.compile(r"\[analytics_api\]\n.*?(?=^\[|\Z)", re.MULTILINE | re.DOTALL)
    config.write_text(ours.sub("", config.read_text()))
    project.write("config.toml", f"\n{text}")


@pytest.mark.parametrize("name", FILES)
def test_a_vendors_settings_load_from_it(project: Project, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Every endpoint has rows of the day in every column that stands at a path of names, and none is set aside."""
    monkeypatch.setenv("HASH_SALT", "a salt for the tests, long enough")
    _configure(project, (_VENDORS / f"{name}.toml").read_text())
    sandbox = sandbox_of(load_settings(), KEY)
    with SandboxServer(sandbox) as server:
        project.configure(base_url=server.url)
        for endpoint in load_settings().resolved_endpoints:
            window = WINDOW if load_settings().of(endpoint).has_window else None
            rows = project.read(endpoint.name, window)
            assert len(rows) > 10
            assert project.reports[endpoint.name].rows_rejected == 0
            columns = [one for one in endpoint_of(endpoint.name).sent_columns if "[" not in one.field]
            names = {name for row in rows for name, value in row.items() if value is not None}
            assert {snake_case(column.name) for column in columns} <= names


@pytest.mark.slow
def test_a_fifth_endpoint_is_in_the_demo(project: Project, capfd: pytest.CaptureFixture[str]) -> None:
    """What is added, renamed or left out by settings is so in the demo."""
    project.configure(
        endpoints__comments__path="/v1/comments",
        endpoints__comments__cursor="at",
        endpoints__comments__columns={"text": "text"},
        endpoints__stories__columns={"like_count": {"from": "likes.count"}},
        endpoints__story_insights__enabled="false",
    )
    assert demo.main() == 0
    assert "comments" in capfd.readouterr().out
    assert len(project.table("comments")) == 900
    assert any(row["like_count"] for row in project.table("stories"))
    assert project.table("story_insights") == []


def test_what_it_cannot_play_is_refused() -> None:
    """It says which setting it cannot answer as."""
    with pytest.raises(ValueError, match="data_selector"):
        sandbox_of(Settings(data_selector="a[0].b"))
    with pytest.raises(ValueError, match="token_url"):
        sandbox_of(Settings(key_location="oauth2", token_url="https://a.example/token", client_id="c"))
