"""The address of a PostgreSQL that somebody has given, password included: refused without a word of it."""

from urllib.parse import urlsplit

import psycopg2

from analytics_assets.ingest.configured import SettingError

EXAMPLE = "postgresql://user:password@host:5432/database"
_SCHEMES = {"postgresql", "postgres"}


def checked_address(name: str, address: str) -> str:
    """Return the address that the variable ``name`` has; raises ``SettingError`` where it is none.

    The driver would repeat it: all of one that it cannot read, and of a password with an ``@`` what stands behind that,
    which it takes for the host.
    """
    if not _is_address(address):
        how = "an @, : or / in user or password is written %40, %3A or %2F"
        raise SettingError(f"{name} is not the address of a PostgreSQL, such as {EXAMPLE}: {how}")
    return address


def _is_address(address: str) -> bool:
    try:
        parts = urlsplit(address)
        # asked for, since only that refuses one that is no number
        _ = parts.port
        psycopg2.extensions.parse_dsn(address)
    except (ValueError, psycopg2.Error):
        return False
    return parts.scheme in _SCHEMES and bool(parts.hostname) and parts.netloc.count("@") <= 1
