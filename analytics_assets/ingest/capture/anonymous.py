"""An answer without the data: its shape, its names, its days and its pages stay, and all else is made up."""

import datetime as dt
import functools
import re
import zoneinfo
from collections.abc import Callable, Iterable
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit

from analytics_assets.ingest.api.redaction import REDACTED
from analytics_assets.ingest.capture.format import KEY, SANDBOX, Json
from analytics_assets.ingest.capture.made_up import MadeUp
from analytics_assets.ingest.capture.names import Names
from analytics_assets.ingest.capture.times import Times
from analytics_assets.ingest.capture.words import ERROR_WORDS, is_known, is_paging, is_personal
from analytics_assets.ingest.settings import Settings

# whole words, of any script: letter by letter it would be a cipher, which can be read
_TOKEN = re.compile(r"[^\W\d]+(?:[0-9]\b)?|\d+|\W")
_ID = re.compile(r"(?:^|_)(id|ids|pk|cursor)$|I[dD]s?$")
_LONG, _MANY_DIGITS = 10**8, 10**6
_ERROR_CODE_DIGITS = 3
_FIELDS_OF_ERRORS = frozenset({"error", "errors"})

Redact = Callable[[str], str]


class Anonymiser:
    """Makes up what a person could be known by. ``Names.learn`` has to have seen each body before."""

    def __init__(self, settings: Settings, day: dt.date, redact: Redact) -> None:
        self.made_up = MadeUp()
        self.names = Names(settings, self.made_up)
        self._times = Times(self.made_up, day, zoneinfo.ZoneInfo(settings.timezone))
        self.redact = redact
        self._key_name = settings.key_name
        self._ids = {
            field for endpoint in settings.resolved_endpoints for field in (*endpoint.merge_key, *endpoint.item_key)
        }
        self._here = urlsplit(settings.base_url).netloc.lower()
        self._paths = {urlsplit(settings.base_url).path + one.path for one in settings.resolved_endpoints}
        self._rows: dict[str, Json] = {}
        self._amounts: dict[tuple[object, ...], float] = {}

    def body(self, value: Json, endpoint: str, *, is_error: bool) -> Json:
        """Return a body without the data; of an error's texts the usual words stay."""
        return self._value(value, (endpoint,), level=0, is_error=is_error)

    def words(self, text: str) -> str:
        """Return a text that is no JSON; of a page of HTML, and of any other text that is no cut JSON, words stay."""
        words = frozenset() if text.lstrip()[:1] in {"{", "["} else ERROR_WORDS
        return self._spared(text, functools.partial(self._some_words, words=words))

    def params(self, pairs: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
        """Return query parameters without the key's, the others as the answers have them, too."""
        return [(name, self.param(name, value)) for name, value in pairs if not self._is_key(name, value)]

    def param(self, name: str, value: str) -> str:
        """Return the value of a parameter, made up unless it says nothing of anybody."""
        return value if self.names.keeps_param(name, value) else self._text(value, "")

    def link(self, url: str) -> str:
        """Return an address of the API, whose parameters become what those of a request to it do."""
        parts = urlsplit(url)
        pairs = parse_qsl(parts.query, keep_blank_values=True)
        query = [(name, KEY if self._is_key(name, value) else self.param(name, value)) for name, value in pairs]
        start = SANDBOX if parts.netloc else ""
        written = f"{start}{self.names.path(parts.path)}" + (f"?{urlencode(query)}" if query else "")
        return written.replace(quote(KEY, safe=""), KEY)

    def is_link(self, text: str) -> bool:
        """Say whether a text is an address of the API itself, as that of the next page is."""
        try:
            parts = urlsplit(text)
        except ValueError:
            return False
        is_here = parts.scheme in {"http", "https"} and parts.netloc.lower() == self._here
        return is_here or (text.startswith("/") and unquote(parts.path) in self._paths)

    def _is_key(self, name: str, value: str) -> bool:
        return name == self._key_name or REDACTED in self.redact(f"{name}={value}".replace(REDACTED, ""))

    def _value(self, value: Json, path: tuple[str, ...], *, level: int, is_error: bool) -> Json:
        match value:
            case dict():
                return self._object(value, path, level=level, is_error=is_error)
            case list():
                return [self._item(item, path, level=level, is_error=is_error) for item in value]
            case str():
                return self._spared(value, lambda text: self._string(text, path[-1], level=level, is_error=is_error))
            case bool() | None:
                return value
        return self._number(value, path, level=level, is_error=is_error)

    def _item(self, item: Json, path: tuple[str, ...], *, level: int, is_error: bool) -> Json:
        """Return an item of a list; a row that comes again becomes the same again."""
        if level or not isinstance(item, dict):
            return self._value(item, path, level=level, is_error=is_error)
        row = repr(item)
        if row not in self._rows:
            self._rows[row] = self._object(item, path, level=1, is_error=is_error)
        return self._rows[row]

    def _object(self, value: dict[str, Json], path: tuple[str, ...], *, level: int, is_error: bool) -> dict[str, Json]:
        made: dict[str, Json] = {}
        for name, item in value.items():
            field = self._spared(name, lambda text: self.names.field(text, value, path, level))
            while field != name and (field in made or field in value):
                field += "_"
            is_said = is_error or (not level and name in _FIELDS_OF_ERRORS)
            made[field] = self._value(item, (*path, name), level=level and level + 1, is_error=is_said)
        return made

    def _string(self, text: str, name: str, *, level: int, is_error: bool) -> str:
        if self.is_link(text):
            return self.link(text)
        if is_error:
            return self._some_words(text, ERROR_WORDS)
        if not level and (
            name in self.names.totals or (is_paging(name) and text.isdecimal() and int(text) < _MANY_DIGITS)
        ):
            return text
        return self._text(text, name)

    def _text(self, text: str, name: str) -> str:
        is_time = name in self.names.times
        if self._times.is_text(text) or (is_time and text.isdecimal()):
            return self._times.text(text)
        if not is_personal(name) and (text in self.names.vocabulary or is_known(text)):
            return text
        return self.made_up.text(text)

    def _number(self, number: float, path: tuple[str, ...], *, level: int, is_error: bool) -> float:
        name = path[-1]
        if not level and (name in self.names.totals or (abs(number) < _MANY_DIGITS and (is_error or is_paging(name)))):
            return number
        if name in self.names.times or (self._times.is_epoch(number) and number >= _LONG and _is_time(name)):
            return self._times.epoch(number)
        if isinstance(number, int) and (name in self._ids or _ID.search(name) or abs(number) >= _LONG):
            return self.made_up.whole(number)
        if level:
            return self.made_up.amount(number)
        # beside the rows: the same on each page
        return self._amounts.setdefault((path, number), self.made_up.amount(number))

    def _some_words(self, text: str, words: frozenset[str]) -> str:
        return "".join(self._token(token, words) for token in _TOKEN.findall(text))

    def _token(self, token: str, words: frozenset[str]) -> str:
        if token.isdecimal() and len(token) <= _ERROR_CODE_DIGITS:
            return token
        is_usual = token.lower() in words or token in self.names.vocabulary or (bool(words) and is_known(token))
        return token if is_usual else self.made_up.text(token)

    def _spared(self, text: str, make: Callable[[str], str]) -> str:
        """Return what ``make`` makes of a text, around the key, if that stands in it."""
        redacted = self.redact(text.replace(REDACTED, "+++"))
        if REDACTED not in redacted:
            return make(text)
        if self.is_link(text):
            return self.link(text)
        return KEY.join(make(part) if part else "" for part in redacted.split(REDACTED))


def _is_time(name: str) -> bool:
    return (
        re.search(r"(?:^|_)(ts|time|date|at|on|created|updated|expires|since|until)\w*$|[a-z](At|On|Time|Date)$", name)
        is not None
    )
