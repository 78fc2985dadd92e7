"""Tests of the loading, at the wire: a real HTTP server on loopback, a real DuckDB file."""
