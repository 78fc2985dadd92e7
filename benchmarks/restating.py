"""``python -m benchmarks.restating``: what recording restatements adds to a load, as seconds in JSON.

One day of an endpoint is loaded again and again, in turn with and without the recording: once with no number changed,
and once with all of them. They are changed in the warehouse before each load, for the server always says the same.
"""

import argparse
import contextlib
import json
import statistics
import sys
import time
from collections.abc import Iterator
from typing import Any
from unittest import mock

from analytics_assets.ingest import load as loading
from analytics_assets.ingest.configured import load_settings
from analytics_assets.ingest.opening import open_pipeline, open_warehouse
from analytics_assets.ingest.source import build_source
from analytics_assets.ingest.window import Window
from benchmarks.pages import DAY
from benchmarks.shapes import DECLARED, SHAPES

RESTATED = ("none", "all")
_RECORDING = {"record_restatements": None, "restated_by": 0, "forget_restatements": None}


def main() -> None:
    """Print, by how much is restated, the median seconds of a load with the recording and without."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", required=True)
    parser.add_argument("--rounds", type=int, required=True)
    args = parser.parse_args()
    seconds: dict[str, dict[str, list[float]]] = {restated: {"with": [], "without": []} for restated in RESTATED}
    _load(args.url)
    for number in range(args.rounds + 1):
        for restated, cases in seconds.items():
            # there and back, and the first round only warms up
            for case in list(cases)[:: -1 if number % 2 else 1]:
                _change(all_of_it=restated == "all")
                with _without() if case == "without" else contextlib.nullcontext():
                    took, changed = _load(args.url)
                if case == "with" and bool(changed) != (restated == "all"):
                    sys.exit(f"{changed} numbers were restated, where {restated} should be")
                if number:
                    cases[case].append(took)
    medians = {
        restated: {case: statistics.median(took) for case, took in cases.items()} for restated, cases in seconds.items()
    }
    print(json.dumps(medians))


def _load(url: str) -> tuple[float, int | None]:
    settings = load_settings({"base_url": url, "max_concurrent_requests": 16, **SHAPES[DECLARED].lists})
    [endpoint, *_] = SHAPES[DECLARED].endpoints()
    began = time.perf_counter()
    source, reading = build_source(endpoint, settings, Window.of_day(DAY))
    with open_pipeline(reading) as pipeline:
        pipeline.run(source)
    return time.perf_counter() - began, pipeline.report.restated


def _change(*, all_of_it: bool) -> None:
    """Rewrite all rows, so that what is loaded finds the same table, and with other numbers if so wished."""
    with open_warehouse() as warehouse, warehouse.writer(), warehouse.sql() as client:
        written = {"duckdb": "JSON", "postgres": "jsonb"}[warehouse.kind]
        changes = "value = value, profile_views = profile_views"
        if all_of_it:
            other = "value_number + 1"
            changes = f"value = CAST(CAST({other} AS TEXT) AS {written}), value_number = {other}, profile_views = -1"
        client.execute_sql(f"UPDATE media_insights SET {changes}")  # noqa: S608 - of this file


@contextlib.contextmanager
def _without() -> Iterator[None]:
    with contextlib.ExitStack() as patched:
        for name, returned in _RECORDING.items():
            instead: Any = mock.Mock(return_value=returned)
            patched.enter_context(mock.patch.object(loading, name, instead))
        yield


if __name__ == "__main__":
    main()
