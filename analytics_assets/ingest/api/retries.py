"""When a request is made again, after how long, and what is said of it. dlt does it, by tenacity around ``send``."""

import functools
import logging
import threading
from typing import Any
from urllib.parse import urlsplit

import requests
from tenacity import RetryCallState, stop_any, stop_when_event_set, wait_exponential
from tenacity.stop import stop_base
from tenacity.wait import wait_base

from analytics_assets.ingest.api.adapter import ApiResponse, WireCounts
from analytics_assets.ingest.api.budget import LONGEST_BACKOFF, RateBudget
from analytics_assets.ingest.api.pages import Send
from analytics_assets.ingest.api.retry_after import retry_after
from analytics_assets.ingest.errors import RETRIED_STATUSES, ApiError, RefusedError, quoted, without_address
from analytics_assets.ingest.settings import Settings

_SHOWN = 40


class RetryNotes:
    """Says in the log that a request is made again, and counts it."""

    def __init__(self, settings: Settings, counts: WireCounts, log: logging.Logger) -> None:
        self._max_retries = settings.max_retries
        self._counts = counts
        self._log = log

    def __call__(self, state: RetryCallState) -> None:
        """Note the retry that ``state`` is about to wait for."""
        self._counts.retry()
        self._log.warning(
            "%s: retry %d of %d in %.1f s, for %s",
            urlsplit(state.args[0].url).path,
            state.attempt_number,
            self._max_retries,
            state.next_action.sleep if state.next_action else 0,
            _what_came(state),
        )

    def broken(self, request: requests.PreparedRequest, wait: float, error: ApiError) -> None:
        """Note that a page is asked for once more, because what came is not JSON."""
        self._counts.retry()
        self._log.warning("%s: asked once more in %.1f s, for %s", urlsplit(str(request.url)).path, wait, error)

    def renewed(self, request: requests.PreparedRequest, what: str) -> None:
        """Note that a page is asked for once more, because what it was asked with was refused, with another one."""
        self._counts.retry()
        path = urlsplit(str(request.url)).path
        self._log.warning("%s: asked once more with a new %s, for the old one was refused", path, what)

    def obtained(self, url: str, seconds: float | None) -> None:
        """Note that a token came, and for how many seconds."""
        self._log.info("%s gave a new token%s", url, f", good for {seconds:g} s" if seconds else "")


class OnceMore:
    """Asks once more for a page that came with status 200 and is not JSON: a proxy's HTML, or a body that was cut.

    One such answer among hundreds would have all pages read again. It is seen where the page is taken and parsed
    anyway: parsed as they come, pages that wait for their turn would take many times the memory.
    """

    def __init__(self, settings: Settings, send: Send, notes: RetryNotes, stop: threading.Event) -> None:
        self._settings = settings
        self._send = send
        self._notes = notes
        self._stop = stop

    def __call__(
        self, response: requests.Response, request: requests.PreparedRequest, arguments: dict[str, Any]
    ) -> requests.Response:
        """Return the answer, or the second one where this one is broken."""
        if response.status_code != requests.codes.ok or not self._settings.max_retries:
            return response
        try:
            response.json()
        except ApiError as error:
            self._notes.broken(request, self._settings.backoff_factor, error)
            nap(self._stop, self._settings.backoff_factor)
            return self._send(request, **arguments)
        return response


class GivingUp(stop_base):
    """Decides when asking again is useless, apart from used-up retries, and says why in words."""

    def __init__(self, settings: Settings, budget: RateBudget) -> None:
        self._settings = settings
        self._budget = budget

    def __call__(self, retry_state: RetryCallState) -> bool:
        """Whether the API asks to wait longer than the settings allow, or refuses whoever asks it.

        Each time that it refuses, another page may be the one that tries; so no page uses up its retries, and the run
        has to count them.
        """
        response = _response_of(retry_state)
        if response is None:
            return False
        is_refused = response.status_code == requests.codes.too_many_requests
        return self._asks_too_much(response) or (
            is_refused and self._budget.refused_in_a_row > self._settings.max_retries
        )

    def in_words(self, state: RetryCallState) -> object:
        """Return the last answer, or raise the last error; of a refusal, raise what to do about it."""
        response = _response_of(state)
        if response is not None:
            came = f"API failing: {response.url} answered {response.status_code} {response.reason or ''}".rstrip()
            came += quoted(response)
            if self._asks_too_much(response):
                raise ApiError(
                    "API failing",
                    f"{came} and asks to wait (Retry-After: {response.headers['Retry-After'][:_SHOWN]}), "
                    f"longer than max_retry_after = {self._settings.max_retry_after:g} s. Run it again after that",
                )
            if response.status_code == requests.codes.too_many_requests:
                raise RefusedError(f"{came}. {self._budget.advice()}")
        return state.outcome.result() if state.outcome else None

    def _asks_too_much(self, response: requests.Response) -> bool:
        return response.status_code in RETRIED_STATUSES and retry_after(response) > self._settings.max_retry_after


def with_notes(send: Any, settings: Settings, notes: RetryNotes, giving_up: GivingUp, stop: threading.Event) -> Send:  # noqa: ANN401 (tenacity's decorated function has no public type)
    """Return dlt's retrying ``send``, which also notes its retries and gives up where another page has failed for good.

    It waits ``backoff_factor`` seconds, doubled each time, or what ``Retry-After`` asks (seconds or HTTP date);
    ``Retry-After: 0`` and dates in the past count as not given, so that they do not use up the attempts.
    """
    usual = send.retry
    retrying: Send = send.retry_with(
        before_sleep=notes,
        wait=functools.partial(_wait, wait_exponential(multiplier=settings.backoff_factor, max=LONGEST_BACKOFF)),
        sleep=functools.partial(nap, stop),
        stop=stop_any(usual.stop, stop_when_event_set(stop), giving_up),
        retry_error_callback=giving_up.in_words,
    )
    return retrying


def nap(stop: threading.Event, seconds: float) -> None:
    """Wait before the next attempt, unless the run has failed meanwhile."""
    stop.wait(seconds)


def _wait(usual: wait_base, state: RetryCallState) -> float:
    """Return the seconds before the next attempt: after a ``429`` those that all wait."""
    response = _response_of(state)
    if isinstance(response, ApiResponse) and response.status_code == requests.codes.too_many_requests:
        return response.pause
    return (retry_after(response) if response is not None else 0) or usual(state)


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
        return f"no answer: {without_address(state.outcome.exception() if state.outcome else None)}"
    after = response.headers.get("Retry-After")
    return f"{response.status_code} {response.reason}" + (f" (Retry-After: {after})" if after else "")
