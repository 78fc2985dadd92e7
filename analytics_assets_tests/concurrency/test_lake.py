"""A process that is killed while it changes a Delta table leaves the table whole, and its next one finds its way."""

import multiprocessing
import random
import time
from ctypes import c_long
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet
import pytest
from deltalake import DeltaTable

from analytics_assets.ingest.warehouse.delta import merge_files
from analytics_assets.ingest.warehouse.merge import Newest
from analytics_assets_tests.concurrency.test_cancel import test_between_any_two_steps
from analytics_assets_tests.concurrency.test_kill import test_kills_between_the_steps
from analytics_assets_tests.warehouses import Lake

# what holds of databases, held here by the fixture `warehouse` below
__all__ = ["test_between_any_two_steps", "test_kills_between_the_steps"]
KILLS = 12
ROWS = 300
_FORK = multiprocessing.get_context("forkserver")
_SECONDS = 60


@pytest.fixture
def warehouse(lake: Lake) -> Lake:
    """Return the lake, where a test is one of databases too."""
    return lake


def _merge_for_ever(folder: Path, number: c_long) -> None:
    """Merge one state of all rows after the other; ``number`` is the one that is being merged."""
    newest = Newest(key=["id"], restated_by="updated")
    while True:
        number.value += 1
        version = number.value
        columns = {
            "id": [f"r{row:04d}" for row in range(ROWS)],
            "updated": [version] * ROWS,
            "value": [version] * ROWS,
            "_dlt_id": [f"{version}-{row}" for row in range(ROWS)],
            "_analytics_read_at": [version] * ROWS,
        }
        pyarrow.parquet.write_table(pa.table(columns), folder / "came")
        with duckdb.connect() as connection:
            merge_files(connection, str(folder / "table"), {}, [str(folder / "came")], newest)


def test_a_table_is_of_one_state_when_its_writer_is_killed(tmp_path: Path) -> None:
    """All rows are of the state before the one that was merged, or all are of that one; merging goes on after it."""
    moments = random.Random(7)  # noqa: S311 - not for secrets
    number = _FORK.RawValue(c_long, 0)
    before = 0
    for _ in range(KILLS):
        process = _FORK.Process(target=_merge_for_ever, args=(tmp_path, number), daemon=True)
        process.start()
        # it has begun its third, so how long one takes is known
        _, second, third = [_until(number, number.value + 1) for _ in range(3)]
        time.sleep(moments.uniform(0, third - second))
        process.kill()
        process.join()
        rows = DeltaTable(tmp_path / "table").to_pyarrow_table()
        [state] = {*rows["value"].to_pylist(), *rows["updated"].to_pylist()}
        assert len(rows) == len(set(rows["id"].to_pylist())) == ROWS
        assert state in {number.value - 1, number.value}
        before += state < number.value
    # some had not got as far as their commit
    assert before


def _until(number: c_long, at_least: int) -> float:
    """Wait until that one is being merged, and return when it was so."""
    end = time.monotonic() + _SECONDS
    while number.value < at_least:
        assert time.monotonic() < end
        time.sleep(0.001)
    return time.monotonic()
