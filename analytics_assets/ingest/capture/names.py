"""Which names and parameters of a capture are the vendor's vocabulary, and which are data."""

import re
from collections import defaultdict
from urllib.parse import quote, unquote

from analytics_assets.ingest.capture.format import Json
from analytics_assets.ingest.capture.made_up import MadeUp
from analytics_assets.ingest.capture.words import is_known
from analytics_assets.ingest.settings import Settings

_MOST_FIELDS = 100
_LEVEL = 2
_FIELD = re.compile(r"@?[A-Za-z_$][A-Za-z0-9_:@$-]{0,39}", re.ASCII)
_WORD = re.compile(r"[A-Za-z_][\w-]*", re.ASCII)
_LONG_NUMBER = re.compile("[0-9]{4}")
_SEGMENT = re.compile(r"[A-Za-z_][A-Za-z0-9_.~-]{0,39}|v?[0-9.]{1,4}", re.ASCII)
_SHORT_NUMBER = re.compile("[0-9]{1,6}", re.ASCII)
# what a parameter of such a name says is about the answer, not about whom it is of
_TELLING = re.compile(
    r"(?:^|\b|_)(fields?|metrics?|metric_type|periods?|breakdowns?|sort|order(_?by)?|direction|include|expand|embed|select"
    r"|type|version|v|format|lang|locale|timeframe|granularity|aggregation|filter_type|media_type)\]?$",
    re.IGNORECASE,
)
# Settings whose text is no name of the vendor's. Their own parameters, and what else may tell who somebody is.
_NOT_VOCABULARY = frozenset({"base_url", "extra_params", "path", "timezone", "description"})


def own_settings(settings: Settings) -> list[Settings]:
    """Return the settings of each endpoint, those that stand for all in them."""
    return [settings.of(endpoint) for endpoint in settings.resolved_endpoints]


class Names:
    """Tells names of fields and parameters from data."""

    def __init__(self, settings: Settings, made_up: MadeUp) -> None:
        self._made_up = made_up
        own = own_settings(settings)
        self.fixed_params = {
            value for one in own for name, value in one if name.endswith("_param") and name != "cursor_param"
        }
        """Parameters that the settings say the value of: window, offset, page."""
        self.extra_params = {name for one in own for name in one.extra_params}
        self.vocabulary = {word for one in own for word in _words(one.model_dump(mode="json", by_alias=True))}
        """Every name in the settings and of a declared column."""
        columns = [column for endpoint in settings.resolved_endpoints for column in endpoint.columns]
        self.vocabulary |= {word for column in columns for word in (column.name, *_WORD.findall(column.field))}
        self.times = {_WORD.findall(column.field)[-1] for column in columns if column.data_type == "timestamp"}
        """The fields that are read as moments."""
        self.totals = {one.total_selector.split(".")[-1] for one in own if one.total_selector}
        """The fields that state how many rows there are."""
        self._fields: dict[tuple[str, ...], set[str]] = defaultdict(set)

    def learn(self, value: Json, path: tuple[str, ...]) -> None:
        """Note which names each object has, for one of very many is keyed by data."""
        if isinstance(value, list):
            for item in value:
                self.learn(item, path)
        elif isinstance(value, dict):
            self._fields[path] |= value.keys()
            for name, item in value.items():
                self.learn(item, (*path, name))

    def field(self, name: str, siblings: dict[str, Json], path: tuple[str, ...], level: int) -> str:
        """Return the name of a field, or a made-up one: ``level`` is 1 for a row's own fields and 0 beside the rows."""
        if name in self.vocabulary or is_known(name):
            return name
        has_names = _FIELD.fullmatch(name) and not _LONG_NUMBER.search(name)
        if has_names and len(self._fields[path]) <= _MOST_FIELDS and not (level >= _LEVEL and _is_breakdown(siblings)):
            return name
        return self._made_up.text(name)

    def keeps_param(self, name: str, value: str) -> bool:
        """Say whether a parameter keeps its value: it is the settings', a small number, or tells how to answer."""
        if name in self.extra_params:
            return _TELLING.search(name) is not None
        return (
            name in self.fixed_params or _SHORT_NUMBER.fullmatch(value) is not None or _TELLING.search(name) is not None
        )

    def path(self, path: str) -> str:
        """Return a path in which what is no word is made up: the number of an account."""
        return "/".join(self._segment(unquote(part)) for part in path.split("/"))

    def _segment(self, part: str) -> str:
        is_word = _SEGMENT.fullmatch(part) and not re.search("[0-9]{5}", part)
        return quote(part if is_word or not part else self._made_up.text(part), safe="~@:")


def _is_breakdown(siblings: dict[str, Json]) -> bool:
    """Say whether an object's names may be data: all its values are numbers, or objects that have the same fields."""
    values = [value for value in siblings.values() if value is not None]
    if all(isinstance(value, int | float) for value in values):
        return True
    fields = [value.keys() for value in values if isinstance(value, dict)]
    return len(fields) == len(values) and all(one == fields[0] for one in fields)


def _words(value: Json) -> set[str]:
    if isinstance(value, str):
        return set(_WORD.findall(value))
    if isinstance(value, dict):
        names = {word for name in value for word in _words(name)}
        return names.union(*(_words(one) for name, one in value.items() if name not in _NOT_VOCABULARY))
    return set().union(*map(_words, value)) if isinstance(value, list) else set()
