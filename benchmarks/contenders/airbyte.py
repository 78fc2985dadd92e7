"""A peer: Airbyte's declarative connector, in low-code form. It reads and emits records; nothing is loaded.

Its own concurrency is over streams, two at least, and each stream reads page by page.
"""

import logging
from collections.abc import Mapping
from typing import Any

from airbyte_cdk.entrypoint import AirbyteEntrypoint
from airbyte_cdk.models import (
    AirbyteStream,
    ConfiguredAirbyteCatalog,
    ConfiguredAirbyteStream,
    DestinationSyncMode,
    SyncMode,
    Type,
)
from airbyte_cdk.sources.declarative.concurrent_declarative_source import ConcurrentDeclarativeSource

from benchmarks.task import KEY, TABLES, Counted, Task

_SCHEMA = {"type": "object", "additionalProperties": True, "properties": {"id": {"type": "string"}}}
_emitted: list[str] = []


def load(task: Task) -> Mapping[str, Any]:
    """Read every stream and turn each message into the line that a connector writes."""
    tables = TABLES[: task.tables]
    catalog = ConfiguredAirbyteCatalog(
        streams=[
            ConfiguredAirbyteStream(
                stream=AirbyteStream(name=name, json_schema=_SCHEMA, supported_sync_modes=[SyncMode.full_refresh]),
                sync_mode=SyncMode.full_refresh,
                destination_sync_mode=DestinationSyncMode.append,
            )
            for name in tables
        ]
    )
    source = ConcurrentDeclarativeSource(
        catalog=catalog, config={"api_key": KEY}, state=None, source_config=_manifest(task.url, tables)
    )
    _emitted.clear()
    log = logging.getLogger("airbyte")
    log.setLevel(logging.WARNING)
    for message in source.read(log, {"api_key": KEY}, catalog, None):
        AirbyteEntrypoint.airbyte_message_to_string(message)
        if message.type == Type.RECORD and message.record:
            _emitted.append(message.record.data["id"])
    return {}


def count(task: Task) -> Counted:  # noqa: ARG001 - every contender's signature
    """Return what was read; there are no tables."""
    return Counted(len(_emitted), len(set(_emitted)), [])


def _manifest(url: str, tables: tuple[str, ...]) -> dict[str, Any]:
    return {
        "version": "6.0.0",
        "type": "DeclarativeSource",
        "check": {"type": "CheckStream", "stream_names": [tables[0]]},
        "concurrency_level": {"type": "ConcurrencyLevel", "default_concurrency": 4},
        "streams": [
            {
                "type": "DeclarativeStream",
                "name": name,
                "primary_key": ["id"],
                "schema_loader": {"type": "InlineSchemaLoader", "schema": _SCHEMA},
                "retriever": {
                    "type": "SimpleRetriever",
                    "requester": {
                        "type": "HttpRequester",
                        "url_base": url,
                        "path": f"/v1/{name}",
                        "http_method": "GET",
                        "authenticator": {
                            "type": "ApiKeyAuthenticator",
                            "api_token": "{{ config['api_key'] }}",
                            "inject_into": {
                                "type": "RequestOption",
                                "inject_into": "request_parameter",
                                "field_name": "api_key",
                            },
                        },
                    },
                    "record_selector": {
                        "type": "RecordSelector",
                        "extractor": {"type": "DpathExtractor", "field_path": ["data"]},
                    },
                    "paginator": {
                        "type": "DefaultPaginator",
                        "page_token_option": {
                            "type": "RequestOption",
                            "inject_into": "request_parameter",
                            "field_name": "offset",
                        },
                        "page_size_option": {
                            "type": "RequestOption",
                            "inject_into": "request_parameter",
                            "field_name": "limit",
                        },
                        "pagination_strategy": {"type": "OffsetIncrement", "page_size": 100},
                    },
                },
            }
            for name in tables
        ],
    }
