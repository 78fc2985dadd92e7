"""Where everything meets: endpoints, calendar, resources, jobs and schedules become one set of definitions."""

import atexit
import gc

from analytics_assets.build import build_definitions

defs = build_definitions()

# What is imported by now stays: else the garbage collector walks through it all again and again, a seventh of a run.
gc.freeze()
# DuckDB's binding complains at exit of what the collector was not shown
atexit.register(gc.unfreeze)
