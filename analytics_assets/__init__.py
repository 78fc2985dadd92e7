"""Dagster assets that load a social analytics API through dlt."""
