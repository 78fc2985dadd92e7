"""Endpoints as data: what may be declared, and that a fifth one is an entry and nothing more."""

from typing import Any

import dagster as dg
import pytest

from analytics_assets.assets import build_asset
from analytics_assets.ingest.configured import load_settings
from analytics_assets.ingest.endpoint import Column, Endpoint
from analytics_assets.ingest.endpoints import ENDPOINTS
from analytics_assets.ingest.opening import open_pipeline
from analytics_assets.ingest.source import build_source
from analytics_assets.partitions import daily_partitions
from analytics_assets.resources import AnalyticsApi
from analytics_assets.sandbox.shape import Shape
from analytics_assets.translator import DltLoader
from analytics_assets_tests.project import DAY, KEY, NO_RETRIES, WINDOW, Project, asked

ID = Column(name="id", data_type="text", nullable=False, description="Identifier")
AT = Column(name="created_at", data_type="timestamp", description="When it was written")
COMMENTS = Endpoint(
    name="comments",
    path="/v1/comments",
    cursor="created_at",
    description="One row per comment.",
    columns=(ID, AT, Column(name="likes", data_type="bigint", description="Likes of the comment")),
)
ROWS = [
    {"id": "c1", "created_at": "2025-03-01T08:00:00Z", "likes": 3},
    {"id": "c2", "created_at": "2025-03-01T09:00:00Z", "likes": None},
]


def _serve(project: Project) -> Any:  # noqa: ANN401
    shape = Shape(key=KEY, paths={"comments": "/v1/comments"}, cursors={"comments": "created_at"})
    return project.serve(rows={"comments": ROWS}, shape=shape)


def test_a_fifth_endpoint_loads(project: Project) -> None:
    """Declared, it is loaded with `build_source` and `open_pipeline` like the four."""
    sandbox = _serve(project)
    source, reading = build_source(COMMENTS, load_settings(), WINDOW)
    with open_pipeline(reading) as pipeline:
        pipeline.run(source)
    assert pipeline.report.rows_loaded == 2
    assert [(row["id"], row["likes"]) for row in project.table("comments")] == [("c1", 3), ("c2", None)]
    assert [path for path, _ in asked(sandbox)] == ["/v1/comments"]


def test_a_fifth_endpoint_is_an_asset(project: Project) -> None:
    """`build_asset` makes it an asset with partitions and metadata like the four."""
    _serve(project)
    result = dg.materialize(
        [build_asset(COMMENTS, load_settings(), daily_partitions(load_settings()), NO_RETRIES)],
        partition_key=DAY,
        instance=project.instance(),
        resources={"analytics_api": AnalyticsApi(), "dlt_loader": DltLoader()},
    )
    (made,) = result.asset_materializations_for_node("comments")
    assert made.metadata["rows"].value == 2
    assert [row["id"] for row in project.table("comments")] == ["c1", "c2"]


def test_the_four_are_the_seeds() -> None:
    """Names, paths and merge key are those of the seed."""
    assert [(endpoint.name, endpoint.path, endpoint.id) for endpoint in ENDPOINTS] == [
        (name, f"/v1/{name}", "id") for name in ("media_insights", "user_insights", "stories", "story_insights")
    ]


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda endpoint: endpoint.name)
def test_every_column_is_described(endpoint: Endpoint) -> None:
    """The catalogue shows a description for each endpoint and column, and only the id is never null."""
    assert endpoint.description
    assert all(column.description for column in endpoint.columns)
    assert [column.name for column in endpoint.columns if not column.nullable] == ["id"]


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"name": "Comments"}, "lower case"),
        ({"name": "my__comments"}, "single underscores"),
        ({"path": "v1/comments"}, "start with '/'"),
        ({"columns": (ID, AT, AT)}, "declared twice"),
        ({"id": "uid"}, "id 'uid'"),
        ({"id": "created_at"}, "not nullable"),
        ({"id": ()}, "id ''"),
        ({"id": ("id", "id")}, "named once"),
        ({"cursor": "id"}, "declared timestamp"),
        ({"cursor": "when"}, "declared timestamp"),
    ],
)
def test_an_impossible_endpoint_is_refused(change: dict[str, Any], what: str) -> None:
    """What cannot be loaded cannot be declared."""
    declared: dict[str, Any] = {
        "name": "comments",
        "path": "/v1/comments",
        "cursor": "created_at",
        "columns": (ID, AT),
        "description": "Comments.",
    }
    with pytest.raises(ValueError, match=what):
        Endpoint(**(declared | change))
