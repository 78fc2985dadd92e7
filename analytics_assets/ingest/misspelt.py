"""Names that look like a setting and are none: what was meant by them.

A name under ``ANALYTICS_API__`` or ``[analytics_api]`` that is unknown is refused, by ``configured.py``. One that only
looks as if it was meant to stand there may belong to another program, and must not stop a run: ``misplaced_names``
makes sentences of these, to warn with.
"""

import difflib
import os
import re
import tomllib
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from dlt.common.configuration.container import Container
from dlt.common.configuration.providers.toml import SettingsTomlProvider
from dlt.common.configuration.specs import PluggableRunContext

# ANALYTIC_API and ANALYITCS_API are ANALYTICS_API; ANALYTICS_API_EU is the name of something else
_SAME_SECTION = 0.9
_SAME_NAME = 0.8
_ALIKE = 0.6


@dataclass(frozen=True)
class GivenName:
    """A name that somebody has set: a variable of the environment, or a key in one of dlt's files, which is named."""

    path: tuple[str, ...]
    file: str | None = None

    def __str__(self) -> str:
        if self.file:
            return f"{'.'.join(self.path)} in {self.file}"
        return f"the environment variable {'__'.join(self.path)}"

    def below(self, section: tuple[str, ...]) -> tuple[str, ...]:
        """Return the path below a section that it stands in, in small letters; empty where it stands elsewhere."""
        spelled = section if self.file else tuple(part.upper() for part in section)
        inside = self.path[: len(section)] == spelled
        return tuple(part.lower() for part in self.path[len(section) :]) if inside else ()

    def like(self, path: str) -> str:
        """Write ``section.name`` as it would be given where this one is."""
        return path if self.file else path.replace(".", "__").upper()


def given_variables() -> Iterator[GivenName]:
    """Yield all variables of the environment."""
    for variable in sorted(os.environ):
        yield GivenName(tuple(variable.split("__")))


def given_names() -> Iterator[GivenName]:
    """Yield all variables of the environment, and all that dlt has read from its files."""
    yield from given_variables()
    for provider in Container()[PluggableRunContext].providers.providers:
        if isinstance(provider, SettingsTomlProvider):
            for path in _leaves(tomllib.loads(provider.to_toml())):
                yield GivenName(path, f".dlt/{provider.name}")


def misplaced_names(section: tuple[str, ...], known: Collection[str]) -> list[str]:
    """Return a sentence for each name that was probably meant for a section with the ``known`` names, and is none.

    These are written with dots: ``endpoints.stories.path``.
    """
    sentences = []
    for given in given_names():
        name = ".".join(given.below(section))
        if meant := _meant_in(name, known) if name else _meant_outside(given, section, known):
            sentences.append(f"Not a setting: {given}. Did you mean {given.like('.'.join((*section, meant)))}?")
    return sentences


def alike(name: str, known: Iterable[str]) -> list[str]:
    """Return the known name that is the same but for a letter or two, or else up to three that look somewhat like it.

    Case and what stands between words make no difference.
    """
    names = {_letters(one): one for one in known}
    found = difflib.get_close_matches(_letters(name), names, 1, _SAME_NAME)
    return [names[one] for one in found or difflib.get_close_matches(_letters(name), names, 3, _ALIKE)]


def did_you_mean(names: Collection[str]) -> str:
    """Return `` Did you mean page_size?`` with all of the names; nothing where there are none."""
    return f" Did you mean {' or '.join(names)}?" if names else ""


def looks_like(name: str, other: str, likeness: float = _SAME_NAME, at_most: int = 99) -> bool:
    """Say whether a name is another one but for a letter or two, case, and what stands between words.

    One is longer than the other by ``at_most`` so many letters.
    """
    one, another = _letters(name), _letters(other)
    is_as_long = abs(len(one) - len(another)) <= at_most
    return is_as_long and bool(difflib.get_close_matches(one, [another], 1, likeness))


def _meant_in(name: str, known: Collection[str]) -> str | None:
    """Return the known name that is meant by an unknown one that stands in the right section."""
    parent = name.rpartition(".")[0]
    is_free = parent in known and not any(one.startswith(f"{parent}.") for one in known)
    if name in known or is_free:
        return None
    names, letters = {_letters(one): one for one in known}, _letters(name)
    found = [one for one in names if one.startswith(letters) or one.endswith(letters)]
    found = found or difflib.get_close_matches(letters, names, 1, _SAME_NAME)
    return names[found[0]] if found else None


def _meant_outside(given: GivenName, section: tuple[str, ...], known: Collection[str]) -> str | None:
    """Return the known name that is meant by one whose section is misspelt, or not separated from it."""
    names = {_letters(one): one for one in known}
    # what separates sections separates them here too, unless there is too little of it
    between = "__" if len(given.path) > len(section) else "_"
    parts = [part for part in "__".join(given.path).upper().split(between) if part]
    for length in range(1, len(parts)):
        head, tail = "_".join(parts[:length]), _letters("".join(parts[length:]))
        likeness = difflib.SequenceMatcher(None, head, "_".join(section).upper()).ratio()
        # a number stands for a second one of its kind
        is_meant = likeness >= _SAME_SECTION and not re.search(r"\d", head)
        if is_meant and (found := difflib.get_close_matches(tail, names, 1, _SAME_NAME)):
            return names[found[0]]
    return None


def _leaves(table: Mapping[str, Any], *path: str) -> Iterator[tuple[str, ...]]:
    for name, value in table.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, *path, name)
        else:
            yield *path, name


def _letters(name: str) -> str:
    return re.sub(r"[^A-Z0-9]", "", name.upper())
