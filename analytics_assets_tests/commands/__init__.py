"""Tests of what `make` runs, as processes of their own."""
