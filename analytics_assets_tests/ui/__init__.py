"""Dagster's UI on this project, through a browser."""
