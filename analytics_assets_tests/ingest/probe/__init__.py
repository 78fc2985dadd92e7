"""Tests of what a vendor's answers show."""
