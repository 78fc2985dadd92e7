"""Where everything meets: endpoints, calendar, resources, jobs and schedules become one set of definitions."""

from analytics_assets.build import build_definitions

defs = build_definitions()
