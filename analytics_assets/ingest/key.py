"""Where the key comes from, whether it can be kept secret, and when it ends; and the salt, the other secret.

What belongs here: all that is known of the key without asking the API. ``api/credentials.py`` puts it into requests.
"""

import datetime as dt
import os
import zoneinfo
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

import dlt
from dlt.common.configuration.container import Container
from dlt.common.configuration.providers.toml import SecretsTomlProvider
from dlt.common.configuration.specs import PluggableRunContext

from analytics_assets.ingest.configured import SettingError
from analytics_assets.ingest.misspelt import given_names, looks_like
from analytics_assets.ingest.postgres_address import checked_address
from analytics_assets.ingest.setting_names import KEY_NAME, SECTION, WHERE_THE_KEY_GOES
from analytics_assets.ingest.settings import Settings

BUDGET_ADDRESS = "rate_budget_url"
_SHORTEST_KEY = 8
_LONGEST_KEY = 2**16
_SHORTEST_SALT = 16
_DAYS_AHEAD = 14


def load_key(settings: Settings) -> str:
    """Read the API key: from ``key_file``, or from ``dlt.secrets["api_key"]``, ``API_KEY`` or ``.dlt/secrets.toml``.

    Files are read anew each time, so that a long backfill takes up a key that was replaced.

    Raises ``SettingError`` when there is none or it is blank, when it is in two places, and when it is no secret: too
    short, a date, or a part of the settings or of the data's names. To keep such a key out of everything would take
    these out as well.
    """
    key = given_secret(KEY_NAME)
    where = "API_KEY or .dlt/secrets.toml"
    if settings.key_file:
        if key:
            place = "API_KEY" if os.environ.get(KEY_NAME.upper(), "").strip() else f"{KEY_NAME} in .dlt/secrets.toml"
            what = f"the API key is given twice: by key_file ({settings.key_file}) and by {place}"
            raise SettingError(f"{what}. Nobody could say which of them is meant; remove one")
        key, where = _read_key(Path(settings.key_file)).strip(), settings.key_file
        if not key:
            raise SettingError(f"no API key: the file {settings.key_file} (setting key_file) is empty")
    if not key:
        raise SettingError(f"no API key: set {WHERE_THE_KEY_GOES}.{_misplaced_key()}")
    if not (key.isascii() and key.isprintable()):
        # http.client would quote the whole key in its error
        raise SettingError(f"the API key has a line break or a non-ASCII character: copy it again into {where}")
    if reason := why_no_secret(key, settings):
        raise SettingError(f"the API key {reason}")
    return key


def given_secret(name: str) -> str:
    """Return a secret from its variable or from ``.dlt/secrets.toml`` as that is now; empty where there is none.

    dlt itself reads the file once in a process.
    """
    context = Container()[PluggableRunContext]
    if name.upper() not in os.environ:
        for provider in context.providers.providers:
            if isinstance(provider, SecretsTomlProvider) and any(Path(one).is_file() for one in provider.locations):
                anew = SecretsTomlProvider(context.context.settings_dir, context.context.global_dir)
                value, _ = anew.get_value(name, str, "")
                if value is not None:
                    return str(value).strip()
    # `.get(…, str)`, for `dlt.secrets[...]` guesses types: a key `0012` would become the number 12
    return (dlt.secrets.get(name, str) or "").strip()


def load_salt() -> str:
    """Read what personal data are hashed with, from ``dlt.secrets["hash_salt"]``; raises ``SettingError`` without it.

    With another one, all values get other hashes.
    """
    salt = dlt.secrets.get("hash_salt", str)
    if not salt or len(salt.strip()) < _SHORTEST_SALT:
        where = 'the environment variable HASH_SALT, or hash_salt = "…" at the top of .dlt/secrets.toml'
        what = f"a column has hash = true, and there is no salt of {_SHORTEST_SALT} characters or more for it"
        raise SettingError(f"{what}: set {where}, to something random, and keep it")
    return salt.strip()


def load_budget_address() -> str:
    """Read the address of the PostgreSQL that has the rate budget, password included; raises ``SettingError``."""
    if address := given_secret(BUDGET_ADDRESS):
        return checked_address(BUDGET_ADDRESS.upper(), address)
    where = f"{BUDGET_ADDRESS.upper()}, or {BUDGET_ADDRESS} in .dlt/secrets.toml"
    raise SettingError(f'rate_budget = "postgres" needs the address of a PostgreSQL, for all machines: set {where}')


def why_no_secret(key: str, settings: Settings) -> str | None:
    """Say why a key is none that could be kept secret, without a word of it; ``None`` where it could be."""
    advice = "It could not be told apart from the data, and so not be kept out of tables and logs. Get another key"
    if len(key) < _SHORTEST_KEY:
        return f"has fewer than {_SHORTEST_KEY} characters. {advice}"
    if _is_date(key):
        return f"is a date. {advice}"
    for endpoint in settings.resolved_endpoints:
        if any(key in text for text in (endpoint.name, endpoint.path, *(column.name for column in endpoint.columns))):
            return f"is the name of an endpoint, a path or a column, or a part of one. {advice}"
    for name, value in settings.model_dump().items():
        if any(key in text or key in unquote(text) for text in _texts(value)):
            return f"is also part of the setting {name}, which logs and tables show. Remove it there"
    return None


@dataclass(frozen=True)
class KeyEnd:
    """The day on which the key ends, as far ahead as it is warned of, and the days until then: negative after it."""

    day: dt.date
    days: int

    @property
    def is_over(self) -> bool:
        """Whether the day is past."""
        return self.days < 0

    def __str__(self) -> str:
        when = {0: "ends today", 1: "ends tomorrow"}.get(self.days, f"ends in {self.days} days")
        if self.days < 0:
            when = "has ended"
        what = "get a new one, and set key_expires_on to its last day"
        return f"the API key {when}, on {self.day} (setting key_expires_on): {what}"


def key_end(settings: Settings) -> KeyEnd | None:
    """Return when the key ends, if that is over or less than 14 days ahead; the days are those of ``timezone``."""
    if not settings.key_expires_on:
        return None
    today = dt.datetime.now(zoneinfo.ZoneInfo(settings.timezone)).date()
    end = KeyEnd(settings.key_expires_on, (settings.key_expires_on - today).days)
    return end if end.days <= _DAYS_AHEAD else None


def _read_key(path: Path) -> str:
    """Return what stands in the key's file."""
    try:
        # a pipe would be empty when it is read anew
        is_special = path.exists() and not (path.is_file() or path.is_dir())
        content = b"" if is_special else path.read_bytes()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise SettingError(f"no API key: {path} (setting key_file) cannot be read: {reason}") from None
    if is_special or len(content) > _LONGEST_KEY:
        raise SettingError(f"no API key: {path} (setting key_file) is no file with a key in it")
    # what is no text is no ASCII either, which is refused
    return content.decode("utf-8", "replace").removeprefix("\ufeff")


def _is_date(text: str) -> bool:
    try:
        dt.datetime.fromisoformat(text)
    except ValueError:
        return False
    return True


def _texts(value: object) -> Iterator[str]:
    """Yield all that stands in a setting's value."""
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield str(name)
            yield from _texts(inner)
    else:
        yield str(value)


def _misplaced_key() -> str:
    """Say which names look as if the key had been put there."""
    found = [
        str(given)
        for given in given_names()
        if any(looks_like("_".join(given.path), name) for name in (KEY_NAME, f"{SECTION}_key", f"{SECTION}_{KEY_NAME}"))
    ]
    return f" What is set is {' and '.join(found)}." if found else ""
