"""Endpoint, settings and window become a dlt source: the seed's ``rest_api`` config, filled in."""

import functools
import logging
from typing import cast

from dlt.common.schema.typing import TColumnSchema
from dlt.common.schema.utils import dlt_id_column, dlt_load_id_column
from dlt.extract.resource import DltResource
from dlt.extract.source import DltSource
from dlt.sources.rest_api import rest_api_source
from dlt.sources.rest_api.typing import AuthConfig, EndpointResource, RESTAPIConfig

from analytics_assets.ingest.api.adapter import WireCounts
from analytics_assets.ingest.api.pagination import WindowPages
from analytics_assets.ingest.api.paginator import ProvenPaginator
from analytics_assets.ingest.api.parts import Cutting
from analytics_assets.ingest.api.session import open_session
from analytics_assets.ingest.departures import read_type_hints_once
from analytics_assets.ingest.endpoint import READ_AT, Column, Endpoint
from analytics_assets.ingest.key import load_key, load_salt
from analytics_assets.ingest.report import Reading
from analytics_assets.ingest.settings import Settings
from analytics_assets.ingest.table.cursor import moments_of
from analytics_assets.ingest.table.extra import COMPUTED_HINT
from analytics_assets.ingest.table.rows import PageRows
from analytics_assets.ingest.warehouse.destination import FILE_FORMAT, SCHEMA
from analytics_assets.ingest.warehouse.ledger import ledger_rows, rejected_rows
from analytics_assets.ingest.window import Window

_LOG = logging.getLogger("analytics_assets")


def build_source(
    endpoint: Endpoint, settings: Settings, window: Window | None, *, run_id: str = "", log: logging.Logger = _LOG
) -> tuple[DltSource, Reading]:
    """Return a dlt source with three resources: the endpoint's rows, the rejected ones, and the ledger's row.

    Without a window it has all rows. ``Reading`` has the figures, as the source is read. ``endpoint`` is one of
    ``settings.resolved_endpoints``. Raises ``SettingError`` when no key is set, or one that is no secret.
    """
    asked: dict[str, str | int] = {**settings.extra_params, **(window.params(settings) if window else {})}
    read_type_hints_once()
    key, counts = load_key(settings), WireCounts()
    pages = WindowPages(endpoint, settings, asked, session := open_session(settings, key, counts, log), log)
    pages.cutting = _cutting(endpoint, settings, window)
    reading = Reading(
        endpoint=endpoint,
        settings=settings,
        window=window,
        asked=asked,
        counts=counts,
        pages=pages,
        rows=PageRows(endpoint, settings, window, salt=load_salt() if endpoint.has_hashes else ""),
        run_id=run_id,
    )
    config: RESTAPIConfig = {
        "client": {"base_url": settings.base_url, "auth": auth_of(settings, key), "session": session},
        "resource_defaults": {
            "write_disposition": "merge",
            "file_format": FILE_FORMAT,
            "endpoint": {
                "params": dict(asked),
                "data_selector": pages.rows_path,
                "paginator": ProvenPaginator(lambda: pages),
            },
        },
        "resources": [_resource(endpoint)],
    }
    source = rest_api_source(config, name=SCHEMA, max_table_nesting=0)
    resource = source.resources[endpoint.name].add_step(reading.rows)
    source.resources.add(rejected_rows(resource, reading.rows), ledger_rows(resource, reading))
    return source, reading


def read_only(
    endpoint: Endpoint,
    settings: Settings,
    window: Window | None,
    *,
    pages: int | None = None,
    log: logging.Logger = _LOG,
) -> Reading:
    """Read a window, or its first ``pages`` one by one, and load nothing; raises what reading raises.

    What the table has for columns is not known, so no field can be called new.
    """
    changed = {"new_columns": "add"} | ({"max_concurrent_requests": 1} if pages else {})
    source, reading = build_source(endpoint, settings.model_copy(update=changed), window, log=log)
    resource = source.resources[endpoint.name]
    try:
        _read_through(resource.add_limit(pages) if pages else resource)
    except Exception:
        # read in parts, it was no whole; read as one chain it may be
        if not reading.pages.was_cut_in_vain:
            raise
        _read_through(resource)
    return reading


def _read_through(resource: DltResource) -> None:
    for _ in resource:
        pass


def _cutting(endpoint: Endpoint, settings: Settings, window: Window | None) -> Cutting | None:
    """Return how the window can be cut into parts, if it can."""
    if window is None or settings.pagination not in {"cursor", "link"} or settings.max_concurrent_requests == 1:
        return None
    # the items of a list that is unnested have no moment of their own
    if endpoint.cursor is None or endpoint.unnest:
        return None
    return Cutting(window, settings, functools.partial(moments_of, endpoint.column(endpoint.cursor).field))


def _resource(endpoint: Endpoint) -> EndpointResource:
    declared = [_column(column) for column in (*endpoint.columns, READ_AT)]
    return {
        "name": endpoint.name,
        "primary_key": endpoint.id if isinstance(endpoint.id, str) else list(endpoint.id),
        "columns": [*declared, dlt_id_column(), dlt_load_id_column()],
        "endpoint": {"path": endpoint.path},
    }


def _column(column: Column) -> TColumnSchema:
    hints = {
        "name": column.name,
        "data_type": column.data_type,
        "nullable": column.nullable,
        "description": column.description,
    }
    computed = {COMPUTED_HINT: column.number_in.field} if column.number_in else {}
    # dlt's TypedDict knows only its own hints
    return cast("TColumnSchema", hints | computed)


def auth_of(settings: Settings, key: str) -> AuthConfig | None:
    """Return how a request carries the key, in dlt's terms; ``None`` where that is decided when it is sent."""
    if settings.key_location == "oauth2":
        # a token goes into each request when it is sent: `api/credentials.py`
        return None
    if settings.key_location == "bearer":
        return {"type": "bearer", "token": key}
    return {"type": "api_key", "name": settings.key_name, "api_key": key, "location": settings.key_location}
