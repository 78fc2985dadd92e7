"""The data dictionary is what the endpoint table says."""

import re

from analytics_assets.commands.dictionary import DOCUMENT, document
from analytics_assets.ingest.configured import load_settings
from analytics_assets.ingest.endpoints import ENDPOINTS
from analytics_assets.ingest.settings import Settings
from analytics_assets_tests.project import WINDOW, Project, stories


def test_it_is_up_to_date() -> None:
    """``make docs`` would write what is there."""
    assert DOCUMENT.read_text() == document(Settings())


def test_it_says_each_column() -> None:
    """With its type, and whether it can be null; what refers to another table does so in the diagram too."""
    page = DOCUMENT.read_text()
    for endpoint in ENDPOINTS:
        section = page.split(f"\n## {endpoint.name}\n")[1].split("\n## ")[0]
        rows = re.findall(r"^\| `(\w+)` \| (\w+) \| (\w*) +\| ", section, re.MULTILINE)
        assert rows == [(one.name, one.data_type, "" if one.nullable else "never") for one in endpoint.columns]
    assert '    stories ||--o{ story_insights : "story_id"' in page
    assert re.search(r"text story_id FK$", page, re.MULTILINE)


def test_it_names_every_table_and_view_of_a_warehouse(project: Project) -> None:
    """Nothing that a load makes is left out, apart from dlt's own tables."""
    project.serve(rows={"stories": [*stories(2), {"id": None}]})
    project.load(WINDOW, "stories", "media_insights", "user_insights", "story_insights")
    page = document(load_settings())
    found = project.table("stories, information_schema.tables", order="table_name")
    names = {row["table_name"] for row in found if row["table_schema"] == "analytics"}
    said = {re.sub(".*__rejected", "&lt;endpoint&gt;__rejected", name) for name in names if not name.startswith("_dlt")}
    assert {"&lt;endpoint&gt;__rejected", "insights_daily", "insight_restatements", "_analytics_windows"} <= said
    assert {name for name in said if f"\n## {name}\n" not in page and f"\n| `{name}` |" not in page} == set()
