"""The address of a PostgreSQL that somebody has given, password included: refused without a word of it."""

from urllib.parse import urlsplit

import psycopg2

from analytics_assets.ingest.configured import SettingError

EXAMPLE = "postgresql://user:password@host:5432/database"
ENCODED = "an @, :, /, ? or # in user or password is written %40, %3A, %2F, %3F or %23"
_SCHEMES = {"postgresql", "postgres"}


def checked_address(name: str, address: str) -> str:
    """Return the address that the variable ``name`` has; raises ``SettingError`` where it is none.

    The driver would repeat it: all of one that it cannot read, and of a password with an ``@`` what stands behind that,
    which it takes for the host.
    """
    if not _is_address(address):
        raise SettingError(f"{name} is not the address of a PostgreSQL, such as {EXAMPLE}: {ENCODED}")
    return address


def is_readable(address: str) -> bool:
    """Say whether user and password stand where a driver looks for them, so that no error of its own has one in it.

    A ``/``, ``?`` or ``#`` in a password ends what is before the path: the driver takes the password's beginning for
    the port, and its end for a name.
    """
    try:
        parts = urlsplit(address)
        # asked for, since only that refuses one that is no number
        _ = parts.port
    except ValueError:
        return False
    return parts.netloc.count("@") <= 1 and "@" not in parts.path + parts.query + parts.fragment


def _is_address(address: str) -> bool:
    if not is_readable(address):
        return False
    parts = urlsplit(address)
    try:
        psycopg2.extensions.parse_dsn(address)
    except psycopg2.Error:
        return False
    return parts.scheme in _SCHEMES and bool(parts.hostname)
