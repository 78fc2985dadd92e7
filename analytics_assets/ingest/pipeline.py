"""The dlt pipeline: one name, the destination that the config names, a working directory that lives as long as the run."""

import contextlib
import logging
import tempfile
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dlt
import filelock
from dlt.common.pipeline import LoadInfo
from dlt.pipeline.exceptions import PipelineStepFailed
from dlt.pipeline.pipeline import Pipeline

from analytics_assets.ingest.errors import WindowMovedError, causes

PIPELINE = "analytics"
DESTINATION = "warehouse"
DATASET = "analytics"
MAX_REREADS = 3

_TELL_EVERY_SECONDS = 5.0
_LOG = logging.getLogger(__name__)


class WarehousePipeline(Pipeline):
    """A dlt pipeline that reads a moved window again, and holds the warehouse's writer lock only while it writes.

    dlt's own ``run`` opens the destination before it fetches, and merges through a staging dataset that all runs share.
    """

    log: logging.Logger = _LOG

    def run(self, data: Any = None, **kwargs: Any) -> LoadInfo:  # noqa: ANN401 (dlt's signature)
        """Restore the schema, extract until the window is proven, normalize, load. Raises dlt's ``PipelineStepFailed``."""
        with self.writer():
            self.sync_destination()
        self._extract_proven(data, **kwargs)
        self.normalize()
        with self.writer():
            return self.load()

    def _extract_proven(self, data: Any, **kwargs: Any) -> None:  # noqa: ANN401
        """Extract; when rows moved meanwhile, drop what was read and extract again, ``MAX_REREADS`` times."""
        for reread in range(MAX_REREADS + 1):
            try:
                self.extract(data, **kwargs)
            except PipelineStepFailed as failed:
                moved = next((cause for cause in causes(failed) if isinstance(cause, WindowMovedError)), None)
                if moved is None or reread == MAX_REREADS:
                    raise
                self.log.warning("reading the window again, %d of %d: %s", reread + 1, MAX_REREADS, moved)
                self.drop_pending_packages()
            else:
                return

    @property
    def destination_kind(self) -> str:
        """The destination's type: ``duckdb``, ``postgres``, …"""
        return self.destination.destination_type.rpartition(".")[2]

    @property
    def database(self) -> str:
        """The database that the dataset is in: a DuckDB file's path, a PostgreSQL database's name."""
        credentials = getattr(self.destination_client().config, "credentials", None)
        return str(getattr(credentials, "database", None) or self.destination_kind)

    @property
    def location(self) -> str:
        """Where the tables are, in words without a password: ``duckdb analytics.duckdb``."""
        return f"{self.destination_kind} {self.database}"

    def table_name(self, table: str) -> str:
        """Return the table's full name, ``database.dataset.table``."""
        return f"{Path(self.database).stem}.{self.dataset_name}.{table}"

    @contextlib.contextmanager
    def writer(self) -> Iterator[None]:
        """Wait to be the one writer of a DuckDB file; other destinations take many.

        The kernel frees the lock when its holder dies, so nothing has to clean up after a ``kill -9``.
        """
        if self.destination_kind != "duckdb":
            yield
            return
        path = Path(self.database).resolve()
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = filelock.FileLock(f"{path}.lock")
        asked_at = time.monotonic()
        while True:
            try:
                lock.acquire(timeout=_TELL_EVERY_SECONDS)
                break
            except filelock.Timeout:
                self.log.info("waiting %.0f s for another run to finish writing %s", time.monotonic() - asked_at, path)
        try:
            yield
        finally:
            lock.release()


@contextlib.contextmanager
def open_pipeline(log: logging.Logger = _LOG) -> Iterator[WarehousePipeline]:
    """Give a pipeline on ``[destination.warehouse]`` with a working directory and a staging dataset of its own.

    dlt lets runs that share either overwrite each other's rows. Both are gone when the block ends.
    """
    with tempfile.TemporaryDirectory(prefix="analytics-dlt-") as directory:
        pipeline = dlt.pipeline(
            PIPELINE,
            pipelines_dir=directory,
            destination=dlt.destination(DESTINATION, staging_dataset_name_layout=f"%s_staging_{uuid.uuid4().hex[:8]}"),
            dataset_name=DATASET,
            _impl_cls=WarehousePipeline,
        )
        pipeline.log = log
        try:
            yield pipeline
        finally:
            # else dlt keeps it as the process's current pipeline, directory gone and all
            pipeline.deactivate()
