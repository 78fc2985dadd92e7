"""How an endpoint appears in Dagster's catalogue, before anything has run."""

import importlib.util
import sys
from pathlib import Path

import dagster as dg
import pytest
from dagster_dlt import DagsterDltResource, DagsterDltTranslator

from analytics_assets import translator
from analytics_assets.build import build_definitions
from analytics_assets.ingest.endpoint import READ_AT, Column, Endpoint
from analytics_assets.ingest.endpoint_settings import EndpointSettings
from analytics_assets.ingest.endpoints import ENDPOINTS
from analytics_assets.ingest.resolving import resolved
from analytics_assets.translator import EndpointTranslator

MENTIONS = Endpoint(
    name="mentions",
    path="/v3/mentions",
    id="mention",
    cursor="posted_at",
    description="One row per post of somebody else that names the account.",
    columns=(
        Column(name="id", data_type="text", description="Number of the row; not the merge key here"),
        Column(name="mention", data_type="bigint", nullable=False, description="Identifier"),
        Column(name="account", data_type="json", nullable=False, description="Who wrote the post"),
        Column(name="timestamp", data_type="timestamp", description="When it was read; not the cursor here"),
        Column(name="posted_at", data_type="timestamp", description="When it was posted"),
    ),
)


def test_dagster_dlt_does_where_dagster_embedded_elt_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a Dagster that it has no release for: the loader and the translator are of the same two classes."""
    for name in ("dagster_embedded_elt", "dagster_embedded_elt.dlt"):
        # what an import finds so is as if it were not there
        monkeypatch.setitem(sys.modules, name, None)
    spec = importlib.util.spec_from_file_location("analytics_assets.without", translator.__file__)
    assert spec
    assert spec.loader
    without = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, spec.name, without)
    spec.loader.exec_module(without)
    assert issubclass(without.DltLoader, DagsterDltResource)
    assert issubclass(without.EndpointTranslator, DagsterDltTranslator)
    assert without.EndpointTranslator(MENTIONS).get_asset_spec().key == dg.AssetKey("mentions")


def test_an_endpoint_of_other_names_is_described_as_it_is() -> None:
    """Key, description and metadata are the endpoint's own; group, owner and source are those of all."""
    spec = EndpointTranslator(MENTIONS).get_asset_spec()
    assert spec.key == dg.AssetKey("mentions")
    assert spec.description == MENTIONS.description
    assert (spec.group_name, spec.owners) == ("social_analytics", ["team:analytics"])
    assert spec.tags["source"] == "social_analytics_api"
    assert {name: spec.metadata[name] for name in ("path", "merge_key", "cursor", "table")} == {
        "path": "/v3/mentions",
        "merge_key": "mention",
        "cursor": "posted_at",
        "table": "analytics.mentions",
    }


def test_the_column_schema_says_what_is_unique_and_what_may_be_null() -> None:
    """The merge key alone is unique, whatever it is called; columns may be null as they are declared."""
    columns = EndpointTranslator(MENTIONS).get_asset_spec().metadata["dagster/column_schema"].columns
    assert [
        (column.name, column.type, column.constraints.unique, column.constraints.nullable) for column in columns
    ] == [
        ("id", "text", False, True),
        ("mention", "bigint", True, False),
        ("account", "json", False, False),
        ("timestamp", "timestamp", False, True),
        ("posted_at", "timestamp", False, True),
        ("_analytics_read_at", "timestamp", False, True),
    ]
    assert [column.description for column in columns][:-1] == [column.description for column in MENTIONS.columns]


def test_an_id_of_several_fields_is_unique_as_a_whole() -> None:
    """No column alone is unique; the table's constraint names them together, and the metadata in a row."""
    mentions = resolved("mentions", MENTIONS, EndpointSettings(id=("account", "posted_at")), has_window=True)
    spec = EndpointTranslator(mentions).get_asset_spec()
    schema = spec.metadata["dagster/column_schema"]
    assert schema.constraints.other == ["unique together: account, posted_at"]
    assert not any(column.constraints.unique for column in schema.columns)
    assert spec.metadata["merge_key"] == "account, posted_at"


@pytest.mark.parametrize(
    ("configured", "kind"),
    [("duckdb", "duckdb"), ("postgres", "postgres"), ("dlt.destinations.snowflake", "snowflake")],
)
def test_the_kind_follows_the_configured_destination(
    monkeypatch: pytest.MonkeyPatch, configured: str, kind: str
) -> None:
    """The type is a name or the path of a class; the kind is the last part, which Dagster has a badge for."""
    monkeypatch.setenv("DESTINATION__WAREHOUSE__DESTINATION_TYPE", configured)
    assert EndpointTranslator(MENTIONS).get_asset_spec().kinds == {"dlt", kind}


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda endpoint: endpoint.name)
def test_each_endpoint_is_an_asset_of_the_catalogue(endpoint: Endpoint) -> None:
    """Group, kinds, owner, tags, description and columns stand in the catalogue before anything has run."""
    asset = build_definitions().resolve_assets_def(endpoint.name)
    spec = asset.get_asset_spec(dg.AssetKey(endpoint.name))
    assert spec.group_name == "social_analytics"
    assert spec.kinds == {"dlt", "duckdb"}
    assert spec.owners == ["team:analytics"]
    assert spec.tags["source"] == "social_analytics_api"
    assert spec.description == endpoint.description
    declared = Path(__file__).parents[1] / spec.metadata["declared_in"]
    assert f'name="{endpoint.name}"' in declared.read_text()
    columns = spec.metadata["dagster/column_schema"].columns
    assert [(column.name, column.type, column.description, column.constraints.nullable) for column in columns] == [
        (column.name, column.data_type, column.description, column.nullable) for column in (*endpoint.columns, READ_AT)
    ]


def test_the_kind_is_the_destinations(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another destination in the config is another badge in the catalogue."""
    monkeypatch.setenv("DESTINATION__WAREHOUSE__DESTINATION_TYPE", "postgres")
    asset = build_definitions().resolve_assets_def("stories")
    assert asset.get_asset_spec(dg.AssetKey("stories")).kinds == {"dlt", "postgres"}
