"""Delivers messages in order: each stays until it is taken, and what does not take it is asked more and more rarely."""

import logging
import time

from analytics_assets.alerts.address import load_address
from analytics_assets.alerts.state import Delivery, State
from analytics_assets.alerts.webhook import MOST_SECONDS, Answer, send
from analytics_assets.ingest.configured import SettingError
from analytics_assets.ingest.settings import Settings

# Dagster ends a tick after 60 seconds, and would forget what was delivered in it.
_TICK_SECONDS = 25.0
_FIRST_WAIT, _LONGEST_WAIT, _LONGEST_ASKED = 60.0, 3600.0, 86400.0


def deliver(state: State, kept: int, settings: Settings, log: logging.Logger) -> State:
    """Return the state without the messages that were taken, of the first ``kept``: those that the cursor had before.

    A message that is not in the cursor yet would be made anew, and sent a second time, if this process died now.
    Without an address none is kept: they are in the log.
    """
    try:
        address, refused = load_address(settings), None
    except SettingError as error:
        address, refused = "", Answer(str(error), is_wrong=True)
    outbox, delivery = list(state.outbox) if address or refused else [], state.delivery
    until = time.monotonic() + _TICK_SECONDS - MOST_SECONDS
    for _ in range(min(kept, len(outbox))):
        if time.time() < delivery.not_before or time.monotonic() > until:
            break
        answer = refused or send(address, outbox[0], settings)
        if answer.is_taken:
            if delivery.failures:
                log.info("Alerts are delivered again, after %d attempts that failed", delivery.failures)
            outbox, delivery = outbox[1:], Delivery()
        else:
            delivery = _later(delivery, answer, len(outbox), log)
    return state.model_copy(update={"outbox": outbox, "delivery": delivery})


def _later(delivery: Delivery, answer: Answer, waiting: int, log: logging.Logger) -> Delivery:
    """Return when the next attempt is made, and log why: loudly where somebody has to mend something first."""
    backoff = min(_FIRST_WAIT * 2 ** min(delivery.failures, 10), _LONGEST_WAIT)
    wait = _LONGEST_WAIT if answer.is_wrong else min(answer.wait, _LONGEST_ASKED) or backoff
    what = "alert waits" if waiting == 1 else "alerts wait"
    say = log.error if answer.is_wrong else log.warning
    say("%d %s to be delivered: %s. The next attempt is in %.0f s", waiting, what, answer.said, wait)
    return Delivery(failures=delivery.failures + 1, not_before=time.time() + wait)
