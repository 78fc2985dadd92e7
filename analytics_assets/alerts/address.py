"""Where alerts go: a secret, for whoever has it can write to the channel. It is read here, and nothing repeats it."""

from urllib.parse import urlsplit

from analytics_assets.ingest.configured import SettingError
from analytics_assets.ingest.key import given_secret
from analytics_assets.ingest.settings import LOOPBACK, Settings

_NAME = "alert_webhook"
WHERE_IT_GOES = 'ALERT_WEBHOOK, or alert_webhook = "…" at the top of .dlt/secrets.toml'


def load_address(settings: Settings) -> str:
    """Return the address of the webhook, or of what apprise knows; empty where there is none: alerts are logged then.

    It is read anew each time. Raises ``SettingError``, without a word of it, where it is none or would go in clear.
    """
    address = given_secret(_NAME)
    if not address:
        return ""
    try:
        parts = urlsplit(address)
        host = parts.hostname
    except ValueError:
        parts, host = urlsplit(""), None
    if not parts.scheme or "://" not in address or not address.isascii() or not address.isprintable() or " " in address:
        raise SettingError(f"the address that alerts go to is none: see {WHERE_IT_GOES}")
    if is_webhook(address) and not host:
        raise SettingError(f"the address that alerts go to names no host: see {WHERE_IT_GOES}")
    if parts.scheme == "http":
        refuse_in_clear(address, settings)
    return address


def is_webhook(address: str) -> bool:
    """Say whether an address takes JSON by http, so that apprise is not needed for it."""
    return urlsplit(address).scheme in {"https", "http"}


def refuse_in_clear(address: str, settings: Settings) -> None:
    """Raise ``SettingError`` for an address without TLS, unless it is on this machine or ``allow_http`` is set."""
    if urlsplit(address).hostname not in LOOPBACK and not settings.allow_http:
        what = "plain http would send the address that alerts go to in clear"
        raise SettingError(f"{what}; use https, or set allow_http = true. See {WHERE_IT_GOES}")
