"""The loading itself, in plain dlt. Nothing in here imports Dagster."""
