"""Alerts: against a real receiver, with real runs."""
