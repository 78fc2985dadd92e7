"""Alerts: a message for each cause, one when it has ended, and one a day; to a webhook and to the log."""
