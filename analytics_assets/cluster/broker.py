"""The broker's address, password included: refused without a word of it where it is none."""

from analytics_assets.ingest.configured import SettingError
from analytics_assets.ingest.postgres_address import ENCODED, is_readable

EXAMPLE = "amqp://user:password@host:5672//"


def checked_broker(name: str, address: str) -> str:
    """Return the broker's address that ``name`` has; raises ``SettingError`` where it is none.

    Celery would repeat the beginning of a password that has a ``/`` in it, in an event of the run.
    """
    if "://" not in address or not is_readable(address):
        raise SettingError(f"{name} is not the address of a broker, such as {EXAMPLE}: {ENCODED}")
    return address
