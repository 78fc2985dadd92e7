"""Tests of ``ingest/warehouse``."""
