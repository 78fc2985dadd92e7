"""Runs on many machines: what Dagster's own parts need beside them. Nothing here is imported without them.

What belongs here: how a run is sent to a worker, how it is known that the worker lives, and the worker itself. What is
loaded knows nothing of it.
"""
