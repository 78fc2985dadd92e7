"""Endpoint, settings and window become a dlt source: the seed's ``rest_api`` config, filled in."""

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

from dlt.common import jsonpath
from dlt.common.schema.typing import TColumnSchema, TWriteDispositionConfig
from dlt.common.schema.utils import dlt_id_column, dlt_load_id_column
from dlt.common.typing import TLoaderFileFormat
from dlt.extract.source import DltSource
from dlt.sources.rest_api import rest_api_source
from dlt.sources.rest_api.typing import AuthConfig, RESTAPIConfig
from requests.utils import requote_uri

from analytics_assets.ingest.ahead import ReadAhead
from analytics_assets.ingest.endpoints import Column, Endpoint
from analytics_assets.ingest.ledger import ledger_rows, rejected_rows
from analytics_assets.ingest.pagination import ProvenOffsetPaginator
from analytics_assets.ingest.report import Journal, WindowReport
from analytics_assets.ingest.session import open_session
from analytics_assets.ingest.settings import Settings, load_key
from analytics_assets.ingest.table.rows import PageRows
from analytics_assets.ingest.window import Window

SOURCE = "analytics_api"
# dlt copies it into PostgreSQL in binary form; by CSV, which it takes otherwise, '' would become null
FILE_FORMAT: TLoaderFileFormat = "parquet"
# Deletes and inserts in one transaction. dlt's "replace" truncates first, and keeps two rows with one id.
# Both conditions are always given: one that is left out stays as the last run stored it in the warehouse.
REPLACE: TWriteDispositionConfig = {
    "disposition": "merge",
    "strategy": "delete-insert",
    "source_filter": "1 = 1",
    "destination_scope": "1 = 1",
}


def build_source(
    endpoints: Iterable[Endpoint], settings: Settings, window: Window | None, journal: Journal | None = None
) -> DltSource:
    """Return a dlt source with three resources per endpoint: its rows, the rejected ones, and the ledger's row.

    With a window it merges the rows of that window on the endpoint's id; without one it reads everything and replaces
    the table. Figures, retries and progress go into ``journal``. Raises ``SettingError`` when no key is set.
    """
    journal = journal or Journal()
    asked: dict[str, str | int] = {**settings.extra_params, **(window.params(settings) if window else {})}
    chosen = [settings.endpoint(endpoint) for endpoint in endpoints]
    reports = {endpoint.name: WindowReport(endpoint.name, endpoint.id, window, asked) for endpoint in chosen}
    journal.reports.update(reports)
    # the pages of all endpoints share one bound
    pool = ThreadPoolExecutor(settings.max_concurrent_requests, thread_name_prefix="analytics-page")
    aheads = {name: ReadAhead(pool, settings, report, len(chosen)) for name, report in reports.items()}
    key = load_key()
    by_path = {
        urlsplit(requote_uri(settings.base_url + endpoint.path)).path: aheads[endpoint.name] for endpoint in chosen
    }
    disposition: TWriteDispositionConfig = "merge" if window else REPLACE
    config: RESTAPIConfig = {
        "client": {
            "base_url": settings.base_url,
            "auth": _auth(settings, key),
            "session": open_session(settings, key, by_path, journal.log),
        },
        "resource_defaults": {
            "write_disposition": disposition,
            "file_format": FILE_FORMAT,
            "endpoint": {
                "params": dict(asked),
                # compiled once: dlt compiles a text anew on every page
                "data_selector": jsonpath.compile_path(settings.data_selector),
            },
        },
        "resources": [
            {
                "name": endpoint.name,
                "primary_key": endpoint.id,
                "columns": [
                    *(_column(endpoint, column) for column in endpoint.columns),
                    dlt_id_column(),
                    dlt_load_id_column(),
                ],
                "endpoint": {
                    "path": endpoint.path,
                    "paginator": ProvenOffsetPaginator(endpoint, settings, aheads[endpoint.name]),
                },
            }
            for endpoint in chosen
        ],
    }
    source = rest_api_source(config, name=SOURCE, max_table_nesting=0)
    for endpoint in chosen:
        report = reports[endpoint.name]
        report.key = source.schema.naming.normalize_identifier(endpoint.id)
        rows = PageRows(endpoint, settings, report, journal.log)
        pages = source.resources[endpoint.name].add_step(rows)
        source.resources.add(rejected_rows(pages, rows), ledger_rows(pages, report, journal.run_id))
    return source


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
