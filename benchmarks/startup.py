"""``python -m benchmarks.startup``: what a run of Dagster imports before it does anything, as seconds in JSON."""

import importlib
import json
import time


def main() -> None:
    """Import one after the other, so that each has only its own share."""
    seconds = {}
    for module in ("dlt", "dagster", "analytics_assets.definitions"):
        began = time.perf_counter()
        importlib.import_module(module)
        seconds[module] = time.perf_counter() - began
    print(json.dumps(seconds))


if __name__ == "__main__":
    main()
