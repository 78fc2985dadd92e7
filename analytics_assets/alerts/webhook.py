"""One message to a webhook, as JSON that Slack and what understands Slack's takes, or to one of apprise's services.

Whatever happens comes back as an ``Answer``; nothing is raised, and nothing that is said has the address in it.
"""

import contextlib
import html
import importlib
import json
import logging
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import requests

from analytics_assets.alerts.address import WHERE_IT_GOES, is_webhook, refuse_in_clear
from analytics_assets.alerts.state import Message
from analytics_assets.ingest.api.redaction import redactor_of
from analytics_assets.ingest.api.retry_after import retry_after
from analytics_assets.ingest.configured import SettingError
from analytics_assets.ingest.errors import RETRIED_STATUSES
from analytics_assets.ingest.settings import Settings

_CONNECT_SECONDS, _READ_SECONDS = 3.0, 5.0
# All of it: who answers a byte now and then would be waited for as long as the sensor lives.
MOST_SECONDS = 8.0
_SHORTEST_SECRET = 12
_SERVER_ERRORS = 500


@dataclass(frozen=True)
class Answer:
    """What became of a message."""

    said: str
    is_taken: bool = False
    is_wrong: bool = False
    """Whether trying again helps only once the address, or what is installed, has been mended."""
    wait: float = 0.0
    """Seconds that the receiver asks to wait."""


def send(address: str, message: Message, settings: Settings) -> Answer:
    """Send a message, within eight seconds; what takes longer may have arrived all the same."""
    if is_webhook(address):
        return _within(MOST_SECONDS, lambda: _post(address, message))
    return _within(MOST_SECONDS, lambda: _notify(address, message, settings))


def payload(message: Message) -> dict[str, str | bool]:
    """Return the JSON that a webhook gets.

    Slack makes links and mentions of ``&``, ``<`` and ``>``, so these are escaped; and it would ask for the addresses
    in the text, which are the vendor's, to show what is there.
    """
    text = html.escape(message.text, quote=False)
    return {"text": text, "id": message.id, "unfurl_links": False, "unfurl_media": False}


def _within(seconds: float, work: Callable[[], Answer]) -> Answer:
    found: list[Answer] = []

    def attempt() -> None:
        # services raise what they like, with the address in it
        with contextlib.suppress(Exception):
            found.append(work())

    # a daemon, so that no process that ends waits for it
    thread = threading.Thread(target=attempt, daemon=True)
    thread.start()
    thread.join(seconds)
    return (
        found[0] if found else Answer(f"no answer within {seconds:.0f} s" if thread.is_alive() else "it was not sent")
    )


def _post(address: str, message: Message) -> Answer:
    _keep_out_of_logs(address)
    headers = {"Content-Type": "application/json", "Idempotency-Key": message.id}
    timeouts = (_CONNECT_SECONDS, _READ_SECONDS)
    body = json.dumps(payload(message)).encode()
    try:
        # its answer has no word that is needed, and another host is none that the message was meant for
        with requests.post(
            address, body, headers=headers, timeout=timeouts, allow_redirects=False, stream=True
        ) as response:
            return _answer(response)
    except requests.exceptions.SSLError:
        return Answer("its certificate is not to be trusted", is_wrong=True)
    except requests.Timeout:
        return Answer("no answer in time")
    except requests.ConnectionError:
        return Answer("no connection")
    except requests.RequestException as error:
        return Answer(f"it could not be sent ({type(error).__name__})", is_wrong=True)


def _answer(response: requests.Response) -> Answer:
    status = response.status_code
    if response.ok and not response.is_redirect and status < requests.codes.multiple_choices:
        return Answer(f"{status}", is_taken=True)
    if status in RETRIED_STATUSES or status >= _SERVER_ERRORS or status == requests.codes.request_timeout:
        return Answer(f"it answered {status}", wait=retry_after(response))
    return Answer(f"it answered {status}", is_wrong=True)


def _keep_out_of_logs(address: str) -> None:
    """Have the address, its path and each long part of that redacted in what the client library logs.

    It writes paths at its debug level, and as a warning the header of an answer that it cannot read.
    """
    parts = urlsplit(address)
    target = address.partition(parts.netloc)[2] if parts.netloc else ""
    redact = redactor_of(address)
    for secret in (target, parts.password or "", *re.split(r"[/?&=#]", target)):
        if len(secret.strip("/")) >= _SHORTEST_SECRET:
            redact.add(secret)


def _notify(address: str, message: Message, settings: Settings) -> Answer:
    """Send a message by apprise, which says no more than whether it went well."""
    try:
        apprise: Any = importlib.import_module("apprise")
    except ImportError:
        how = 'pip install "analytics-assets[alerts]"'
        return Answer(f"the address is one that apprise knows, and apprise is not installed: {how}", is_wrong=True)
    log = logging.getLogger("apprise")
    was_silent, log.disabled = log.disabled, True
    try:
        service = apprise.Apprise.instantiate(address, suppress_exceptions=True)
        if service is None:
            return Answer(f"the address is neither http nor one that apprise knows: see {WHERE_IT_GOES}", is_wrong=True)
        scheme, in_clear = urlsplit(address).scheme, service.protocol or ()
        if scheme in ((in_clear,) if isinstance(in_clear, str) else in_clear):
            refuse_in_clear(address, settings)
        _keep_out_of_logs(address)
        body = f"{message.text}\n\nid: {message.id}"
        is_taken = bool(service.notify(body=body, title="", notify_type="info"))
        return Answer("" if is_taken else "apprise could not deliver it", is_taken=is_taken)
    except SettingError as error:
        return Answer(str(error), is_wrong=True)
    finally:
        log.disabled = was_silent
