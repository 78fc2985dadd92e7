"""How an endpoint appears in Dagster: key, group, kinds, owners, tags, description, column schema, links."""

import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import dagster as dg
from dagster_dlt.translator import DltResourceTranslatorData

from analytics_assets.ingest.endpoint import READ_AT, Column, Endpoint
from analytics_assets.ingest.settings import DECLARED
from analytics_assets.ingest.warehouse.destination import DATASET, destination_kind

with warnings.catch_warnings():
    # dagster-embedded-elt is on the project's card, and says at import that dagster-dlt has taken over; for a newer
    # Dagster it has no release, and dagster-dlt has the same two
    warnings.simplefilter("ignore")
    try:
        from dagster_embedded_elt.dlt import DagsterDltResource, DagsterDltTranslator
    except ModuleNotFoundError:
        from dagster_dlt import DagsterDltResource, DagsterDltTranslator

__all__ = ["GROUP", "OWNER", "DltLoader", "EndpointTranslator", "column_schema"]

GROUP = "social_analytics"
# of what an endpoint is; settings may change it. Dagster's own references to code are a beta, and paths of a machine
_HERE = "analytics_assets/ingest/endpoints.py"
OWNER = "team:analytics"
_DOCS = "https://dlthub.com/docs/dlt-ecosystem/verified-sources/rest_api/basic"


class DltLoader(DagsterDltResource):
    """dagster-dlt's resource, which runs a pipeline and says nothing of its own about the load.

    Its own metadata would name a table that does not exist and files of this machine, and would need dlt's trace, which
    is a file with the configuration in it. The metadata comes from the window's report instead (``catalogue.py``).
    """

    def extract_resource_metadata(self, *_: object, **__: object) -> Mapping[str, object]:
        """Return nothing."""
        return {}


@dataclass
class EndpointTranslator(DagsterDltTranslator):
    """Turns an endpoint into its asset spec; dlt's resource of the same name adds nothing to it."""

    endpoint: Endpoint

    def get_asset_spec(self, data: DltResourceTranslatorData | None = None) -> dg.AssetSpec:  # noqa: ARG002 (dagster-dlt's signature)
        """Return the spec. It needs no source and no pipeline, for these need the key and write files."""
        endpoint = self.endpoint
        return dg.AssetSpec(
            key=dg.AssetKey(endpoint.name),
            description=endpoint.description,
            group_name=GROUP,
            owners=[OWNER],
            kinds={"dlt", destination_kind()},
            tags={"source": "social_analytics_api"},
            metadata={
                "dagster/column_schema": column_schema(endpoint.columns, endpoint.merge_key),
                "path": endpoint.path,
                "merge_key": ", ".join(endpoint.merge_key),
                "cursor": endpoint.cursor or "none: the list is read whole each time",
                "table": f"{DATASET}.{endpoint.name}",
                "docs": dg.MetadataValue.url(_DOCS),
                "declared_in": _HERE if endpoint.name in DECLARED else f"[analytics_api.endpoints.{endpoint.name}]",
            },
        )


def column_schema(columns: Iterable[Column], merge_key: tuple[str, ...]) -> dg.TableSchema:
    """Return the catalogue's view of the columns; those of ``merge_key`` are unique, if need be together."""
    together = [f"unique together: {', '.join(merge_key)}"] if len(merge_key) > 1 else []
    return dg.TableSchema(
        constraints=dg.TableConstraints(other=together),
        columns=[
            dg.TableColumn(
                name=column.name,
                type=column.data_type,
                description=column.description,
                constraints=dg.TableColumnConstraints(nullable=column.nullable, unique=(column.name,) == merge_key),
            )
            for column in (*columns, READ_AT)
        ],
    )
