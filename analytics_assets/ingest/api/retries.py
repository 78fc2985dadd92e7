"""When a request is made again, after how long, and what is said of it. dlt does it, by tenacity around ``send``."""

import functools
import logging
import threading
from typing import Any
from urllib.parse import urlsplit

import requests
from tenacity import RetryCallState, stop_any, stop_when_event_set, wait_exponential
from tenacity.wait import wait_base

from analytics_assets.ingest.api.adapter import WireCounts
from analytics_assets.ingest.api.budget import RateBudget
from analytics_assets.ingest.api.pages import Send
from analytics_assets.ingest.settings import Settings


class RetryNotes:
    """Says in the log that a request is made again, counts it, and has a ``429`` hold back all other runs."""

    def __init__(self, settings: Settings, counts: WireCounts, budget: RateBudget, log: logging.Logger) -> None:
        self._max_retries = settings.max_retries
        self._counts = counts
        self._budget = budget
        self._log = log

    def __call__(self, state: RetryCallState) -> None:
        """Note the retry that ``state`` is about to wait for."""
        self._counts.retry()
        wait = state.next_action.sleep if state.next_action else 0
        response = _response_of(state)
        if response is not None and response.status_code == requests.codes.too_many_requests:
            self._budget.refused(wait)
        self._log.warning(
            "%s: retry %d of %d in %.1f s, for %s",
            urlsplit(state.args[0].url).path,
            state.attempt_number,
            self._max_retries,
            wait,
            _what_came(state),
        )


def with_notes(send: Any, settings: Settings, notes: RetryNotes, stop: threading.Event) -> Send:  # noqa: ANN401 (tenacity's decorated function has no public type)
    """Return dlt's retrying ``send``, which also notes its retries and gives up where another page has failed for good.

    It waits ``backoff_factor`` seconds, doubled each time, or what ``Retry-After`` asks (seconds or HTTP date);
    ``Retry-After: 0`` and dates gone by count as not given, so that they do not burn the attempts.
    """
    usual = send.retry
    retrying: Send = send.retry_with(
        before_sleep=notes,
        wait=functools.partial(_wait, usual.wait, wait_exponential(multiplier=settings.backoff_factor)),
        sleep=functools.partial(nap, stop),
        stop=stop_any(usual.stop, stop_when_event_set(stop)),
    )
    return retrying


def nap(stop: threading.Event, seconds: float) -> None:
    """Wait before the next attempt, unless the run has failed meanwhile."""
    stop.wait(seconds)


def _wait(asked: wait_base, usual: wait_base, state: RetryCallState) -> float:
    """Return the seconds before the next attempt; a ``Retry-After`` beyond the calendar counts as not given."""
    try:
        return asked(state)
    except (ValueError, OverflowError):
        return usual(state)


def _response_of(state: RetryCallState) -> requests.Response | None:
    """Return the answer that leads to another attempt; ``None`` where an exception without one does."""
    if state.outcome is None:
        return None
    error = state.outcome.exception()
    response = getattr(error, "response", None) if error else state.outcome.result()
    return response if isinstance(response, requests.Response) else None


def _what_came(state: RetryCallState) -> str:
    """Say why a request is made again: status and reason, or the exception."""
    response = _response_of(state)
    if response is None:
        error = state.outcome.exception() if state.outcome else None
        return f"{type(error).__name__}: {error}"
    after = response.headers.get("Retry-After")
    return f"{response.status_code} {response.reason}" + (f" (Retry-After: {after})" if after else "")
