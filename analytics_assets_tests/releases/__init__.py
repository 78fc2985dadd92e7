"""Warehouses that earlier versions have written, and today's version on them."""
