"""What Dagster loads."""

from analytics_assets.build import build_definitions

defs = build_definitions()
