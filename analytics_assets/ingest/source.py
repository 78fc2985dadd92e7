"""Endpoint, settings and window become a dlt source: the seed's ``rest_api`` config, filled in."""

import logging
from collections.abc import Iterable
from urllib.parse import urlsplit

from dlt.common import jsonpath
from dlt.common.schema.typing import TColumnSchema
from dlt.extract.source import DltSource
from dlt.sources.rest_api import rest_api_source
from dlt.sources.rest_api.typing import AuthConfig, EndpointResource, RESTAPIConfig

from analytics_assets.ingest.endpoints import Column, Endpoint
from analytics_assets.ingest.pagination import ProvenOffsetPaginator
from analytics_assets.ingest.report import WindowReport
from analytics_assets.ingest.rows import PageRows
from analytics_assets.ingest.session import open_session
from analytics_assets.ingest.settings import Settings, load_key
from analytics_assets.ingest.window import Window

SOURCE = "analytics_api"
_LOG = logging.getLogger(__name__)


def build_source(
    endpoints: Iterable[Endpoint],
    settings: Settings,
    window: Window | None,
    *,
    reports: dict[str, WindowReport] | None = None,
    log: logging.Logger = _LOG,
) -> DltSource:
    """Return a dlt source with one resource per endpoint.

    With a window it merges the rows of that window on the endpoint's id; without one it reads everything and replaces the table.
    Figures go into ``reports`` under the endpoint's name, retries and progress into ``log``. Raises ``SettingError`` when no key is
    set.
    """
    reports = {} if reports is None else reports
    asked = {**settings.extra_params, **(window.params(settings) if window else {})}
    chosen = [settings.endpoint(endpoint) for endpoint in endpoints]
    for endpoint in chosen:
        reports[endpoint.name] = WindowReport(endpoint.name, str(window or "all history"), asked)
    by_path = {urlsplit(settings.base_url + endpoint.path).path: reports[endpoint.name] for endpoint in chosen}
    key = load_key()
    config: RESTAPIConfig = {
        "client": {
            "base_url": settings.base_url,
            "auth": _auth(settings, key),
            "session": open_session(settings, key, by_path, log),
        },
        "resource_defaults": {
            "write_disposition": "merge" if window else "replace",
            "endpoint": {
                "params": asked,
                # compiled once: dlt compiles a text anew on every page
                "data_selector": jsonpath.compile_path(settings.data_selector),
            },
        },
        "resources": [_resource(endpoint, settings, reports[endpoint.name]) for endpoint in chosen],
    }
    source = rest_api_source(config, name=SOURCE, max_table_nesting=0)
    for endpoint in chosen:
        source.resources[endpoint.name].add_step(PageRows(endpoint, window, reports[endpoint.name], log))
    return source


def _resource(endpoint: Endpoint, settings: Settings, report: WindowReport) -> EndpointResource:
    return {
        "name": endpoint.name,
        "primary_key": endpoint.id,
        "columns": [_column(endpoint, column) for column in endpoint.columns],
        "endpoint": {
            "path": endpoint.path,
            "paginator": ProvenOffsetPaginator(endpoint.name, settings, endpoint.id, report),
        },
    }


def _column(endpoint: Endpoint, column: Column) -> TColumnSchema:
    hint: TColumnSchema = {
        "name": column.name,
        "data_type": column.data_type,
        "nullable": column.nullable,
        "description": column.description,
    }
    if column.name == endpoint.newest_by:
        # two rows with one id in a load: the newer one stays
        hint["dedup_sort"] = "desc"
    return hint


def _auth(settings: Settings, key: str) -> AuthConfig:
    if settings.key_location == "bearer":
        return {"type": "bearer", "token": key}
    return {"type": "api_key", "name": settings.key_name, "api_key": key, "location": settings.key_location}
