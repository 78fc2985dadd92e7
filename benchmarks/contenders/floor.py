"""A floor: what the same load takes written by hand for nothing but speed. No dlt, no retries, no proof, no ledger.

What it keeps is the result: typed columns, and a merge on ``id`` in one transaction.
"""

import http.client
import threading
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any
from urllib.parse import urlencode, urlsplit

import duckdb
import orjson
import pyarrow as pa

from analytics_assets.ingest.endpoint import Endpoint
from analytics_assets.ingest.endpoints import ENDPOINTS
from analytics_assets.ingest.table.values import ARROW_TYPES
from benchmarks.pages import PAGE_SIZE
from benchmarks.task import KEY, Counted, Task
from benchmarks.warehouse import count_tables

_DATASET = "hand_written"


class _Reader:
    """Reads pages on one connection per thread."""

    def __init__(self, url: str) -> None:
        self._host = urlsplit(url).netloc
        self._of_thread = threading.local()

    def page(self, endpoint: Endpoint, offset: int) -> tuple[pa.RecordBatch, int]:
        """Return the page as a batch, and the total."""
        if not hasattr(self._of_thread, "connection"):
            self._of_thread.connection = http.client.HTTPConnection(self._host, timeout=60)
        connection: http.client.HTTPConnection = self._of_thread.connection
        query = urlencode({"api_key": KEY, "limit": PAGE_SIZE, "offset": offset})
        connection.request("GET", f"{endpoint.path}?{query}")
        answer = connection.getresponse()
        body = answer.read()
        if answer.status != http.client.OK:
            raise RuntimeError(f"{endpoint.path} answered {answer.status}")
        told = orjson.loads(body)
        return _batch(endpoint, told["data"]), told["total"]


def _batch(endpoint: Endpoint, rows: list[dict[str, Any]]) -> pa.RecordBatch:
    arrays = {}
    for column in endpoint.sent_columns:
        values = [row.get(column.name) for row in rows]
        if column.data_type == "json":
            values = [None if value is None else orjson.dumps(value).decode() for value in values]
        if column.data_type == "timestamp":
            arrays[column.name] = pa.array(values, pa.string()).cast(ARROW_TYPES["timestamp"])
        else:
            arrays[column.name] = pa.array(values, ARROW_TYPES[column.data_type])
    return pa.record_batch(arrays)


def load(task: Task) -> Mapping[str, Any]:
    """Read all pages at once, so many in flight, and merge each endpoint when its pages are there."""
    reader = _Reader(task.url)
    with duckdb.connect(str(task.database)) as database, ThreadPoolExecutor(task.in_flight) as pool:
        database.execute(f"CREATE SCHEMA IF NOT EXISTS {_DATASET}")
        firsts = [(endpoint, pool.submit(reader.page, endpoint, 0)) for endpoint in ENDPOINTS[: task.tables]]
        pages: list[tuple[Endpoint, list[Future[tuple[pa.RecordBatch, int]]]]] = []
        for endpoint, first in firsts:
            offsets = range(PAGE_SIZE, first.result()[1], PAGE_SIZE)
            pages.append((endpoint, [first, *(pool.submit(reader.page, endpoint, offset) for offset in offsets)]))
        for endpoint, under_way in pages:
            _merge(database, endpoint.name, pa.Table.from_batches([page.result()[0] for page in under_way]))
    return {}


def _merge(database: duckdb.DuckDBPyConnection, name: str, came: pa.Table) -> None:
    table = f"{_DATASET}.{name}"
    database.register("came", came)
    database.execute("BEGIN")
    database.execute(f"CREATE TABLE IF NOT EXISTS {table} AS FROM came LIMIT 0")
    database.execute(f"DELETE FROM {table} WHERE id IN (SELECT id FROM came)")  # noqa: S608 - names of ours
    database.execute(f"INSERT INTO {table} FROM came QUALIFY row_number() OVER (PARTITION BY id) = 1")
    database.execute("COMMIT")
    database.unregister("came")


def count(task: Task) -> Counted:
    """Return what the warehouse holds."""
    return count_tables(task, _DATASET)
