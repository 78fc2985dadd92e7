"""The project itself, without Dagster: source and pipeline on one day's window, and where time and memory went."""

import os
import time
from collections.abc import Callable, Mapping
from typing import Any

from analytics_assets.ingest.configured import load_settings
from analytics_assets.ingest.load import WindowPipeline
from analytics_assets.ingest.opening import open_pipeline
from analytics_assets.ingest.source import build_source
from analytics_assets.ingest.warehouse.destination import DATASET
from analytics_assets.ingest.window import Window
from benchmarks.pages import DAY
from benchmarks.shapes import SHAPES
from benchmarks.task import Counted, Task, peak_mb
from benchmarks.warehouse import count_tables

_STEPS = ("sync_destination", "extract", "normalize", "load")


def load(task: Task) -> Mapping[str, Any]:
    """Load one day of each endpoint, one after the other as the assets do; returns seconds per step and their peaks."""
    if task.postgres:
        os.environ["DESTINATION__WAREHOUSE__DESTINATION_TYPE"] = "postgres"
    os.environ["DESTINATION__WAREHOUSE__CREDENTIALS"] = task.postgres or str(task.database)
    shape = SHAPES[task.shape]
    settings = load_settings({"base_url": task.url, "max_concurrent_requests": task.in_flight, **shape.lists})
    chosen = shape.endpoints()[: task.tables]
    steps: dict[str, float] = {}
    peaks: dict[str, float] = {}
    for endpoint in chosen:
        began = time.perf_counter()
        source, reading = build_source(endpoint, settings, Window.of_day(DAY))
        with open_pipeline(reading) as pipeline:
            steps["set_up"] = steps.get("set_up", 0) + time.perf_counter() - began
            for name in _STEPS:
                setattr(pipeline, name, _timed(pipeline, name, steps, peaks))
            pipeline.run(source)
    return {"steps": steps, "peaks_mb": peaks}


def count(task: Task) -> Counted:
    """Return what the warehouse holds."""
    return count_tables(task, DATASET)


def _timed(pipeline: WindowPipeline, name: str, steps: dict[str, float], peaks: dict[str, float]) -> Callable[..., Any]:
    step = getattr(pipeline, name)

    def timed(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - any step's signature
        began = time.perf_counter()
        try:
            return step(*args, **kwargs)
        finally:
            steps[name] = steps.get(name, 0) + time.perf_counter() - began
            peaks[name] = peak_mb()

    return timed
