"""Rows of JSON become columns."""
