"""A peer: a tap of Meltano's Singer SDK. It reads and writes its messages to nowhere; nothing is loaded."""

import contextlib
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import requests
from singer_sdk import RESTStream, Stream, Tap
from singer_sdk import typing as th
from singer_sdk.authenticators import APIKeyAuthenticator
from singer_sdk.pagination import BaseOffsetPaginator

from benchmarks.task import KEY, TABLES, Counted, Task

_PAGE = 100
_ids: list[str] = []


class _Pages(BaseOffsetPaginator):
    def has_more(self, response: requests.Response) -> bool:
        return bool(self.current_value + _PAGE < response.json()["total"])


class _Rows(RESTStream[int]):
    primary_keys = ("id",)
    records_jsonpath = "$.data[*]"
    schema = th.PropertiesList(th.Property("id", th.StringType, required=True), additional_properties=True).to_dict()

    @property
    def url_base(self) -> str:
        return str(self.config["url"])

    @property
    def path(self) -> str:  # type: ignore[override]
        return f"/v1/{self.name}"

    @property
    def authenticator(self) -> APIKeyAuthenticator:
        return APIKeyAuthenticator(key="api_key", value=KEY, location="params")

    def get_new_paginator(self) -> _Pages:
        return _Pages(start_value=0, page_size=_PAGE)

    def get_url_params(self, context: object, next_page_token: int | None) -> dict[str, Any]:  # noqa: ARG002
        return {"limit": _PAGE, "offset": next_page_token or 0}

    def parse_response(self, response: requests.Response) -> Iterable[dict[str, Any]]:
        for row in super().parse_response(response):
            _ids.append(row["id"])
            yield row


class _Tap(Tap):
    name = "tap-benchmark"
    config_jsonschema = th.PropertiesList(
        th.Property("url", th.StringType), th.Property("tables", th.ArrayType(th.StringType))
    ).to_dict()

    def discover_streams(self) -> list[Stream]:
        return [_Rows(self, name=name) for name in self.config["tables"]]


def load(task: Task) -> Mapping[str, Any]:
    """Sync every stream."""
    _ids.clear()
    tap = _Tap(config={"url": task.url, "tables": list(TABLES[: task.tables])}, setup_mapper=True)
    with Path(os.devnull).open("w", encoding="utf-8") as nowhere, contextlib.redirect_stdout(nowhere):
        tap.sync_all()
    return {}


def count(task: Task) -> Counted:  # noqa: ARG001 - every contender's signature
    """Return what was read; there are no tables."""
    return Counted(len(_ids), len(set(_ids)), [])
