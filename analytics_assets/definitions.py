"""Where everything meets: endpoints, calendar, resources, jobs and schedules become one set of definitions."""

import atexit
import gc

import dagster as dg


def _definitions() -> dg.Definitions:
    """Import and build everything while the garbage collector rests, and have it leave alone what is there by then.

    What is imported stays imported. Walking through it all again and again is a seventh of a run's time or more.
    """
    gc.disable()
    try:
        from analytics_assets.build import build_definitions  # noqa: PLC0415 - here the collector rests

        return build_definitions()
    finally:
        gc.freeze()
        gc.enable()


defs = _definitions()
# DuckDB's binding complains at exit of what the collector was not shown
atexit.register(gc.unfreeze)
