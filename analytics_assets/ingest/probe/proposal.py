"""What was found out, as the section ``[analytics_api]`` of ``.dlt/config.toml``: settings, and comments on each."""

import itertools
import json
import re
import tomllib
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from analytics_assets.ingest.probe.findings import Finding, Said
from analytics_assets.ingest.settings import DECLARED, Settings
from analytics_assets.ingest.table.names import shown

SECTION = "analytics_api"
_NOT_SURE = "not sure: "
_WIDTH = 116
_BARE = re.compile(r"[A-Za-z0-9_-]+", re.ASCII)
_OF_ENDPOINTS_ALONE = frozenset({"path", "cursor", "id", "unnest", "columns", "enabled"})
# in this order, and what is not named here behind them
_ORDER = [
    "key_location",
    "key_name",
    "path",
    "id",
    "cursor",
    "unnest",
    "data_selector",
    "total_selector",
    "pagination",
    "offset_param",
    "page_param",
    "first_page",
    "total_pages_selector",
    "cursor_selector",
    "cursor_param",
    "next_link_selector",
    "limit_param",
    "page_size",
    "window_start_param",
    "window_end_param",
    "window_format",
    "window_end",
]
WORKED_OUT = frozenset({*_ORDER, "base_url", "endpoints"})
"""Settings that are found out, and so not taken over from before."""
# an endpoint has none of its own
_OF_THE_API = ("key_location", "key_name")


def section_of(base_url: str, findings: Sequence[Finding], kept: Mapping[str, Any], only: Collection[str]) -> str:
    """Return the text of the section.

    ``kept`` are settings of the old one that nothing was found out about. ``only`` are the endpoints that somebody has
    named: of ours, the others are switched off. Raises pydantic's ``ValidationError`` if this project would not accept
    it.
    """
    common = _common([finding for finding in findings if finding.settings])
    head = [f"[{SECTION}]", *_line("base_url", Said(base_url))]
    head += _lines({name: said for name, said in common.items() if said.value != _default(name) or not said.is_sure})
    old = [line for name, value in kept.items() for line in _line(name, Said(value, "as it was"))]
    rest = [line for finding in findings for line in _endpoint(finding, common)]
    for name in DECLARED:
        if only and name not in only:
            rest += ["", f"[{SECTION}.endpoints.{name}]", "enabled = false  # ENDPOINTS does not name it"]
    try:
        return _checked([*head, *old, *rest])
    except ValidationError:
        # a parameter in extra_params, say, that the window has now
        return _checked([*head, "# not sure: this is as it was, and does not go with the rest", *_off(old), *rest])


def _checked(lines: Sequence[str]) -> str:
    text = "\n".join(lines) + "\n"
    Settings.model_validate(tomllib.loads(text)[SECTION])
    return text


def _off(lines: Sequence[str]) -> list[str]:
    return [f"# {line}" for line in lines]


def _common(findings: Sequence[Finding]) -> dict[str, Said]:
    """Return for each setting of all endpoints the value that most of those have which know one."""
    common: dict[str, Said] = {}
    names = dict.fromkeys(name for finding in findings for name in finding.settings if name not in _OF_ENDPOINTS_ALONE)
    for name in names:
        said = [finding.settings[name] for finding in findings if name in finding.settings]
        most, _ = Counter(json.dumps(one.value) for one in said).most_common(1)[0]
        same = [one for one in said if json.dumps(one.value) == most]
        common[name] = next((one for one in same if one.is_sure), same[0])
    return common


def _endpoint(finding: Finding, common: Mapping[str, Said]) -> list[str]:
    own = {name: said for name, said in finding.settings.items() if _differs(finding, name, common)}
    if finding.path and finding.path != _declared(finding.name, "path"):
        own["path"] = Said(finding.path)
    lines = _lines(own) + list(_columns(finding))
    remarks = [line for remark in finding.remarks for line in _comment(remark)]
    if finding.problem:
        remarks += _comment(f"{_NOT_SURE}{finding.problem}. Name its path here, or take it out:")
        remarks += ['# path = "/…"', "# enabled = false"]
    if not (lines or remarks):
        return []
    return ["", f"[{SECTION}.endpoints.{finding.name}]", *remarks, *lines]


def _differs(finding: Finding, name: str, common: Mapping[str, Said]) -> bool:
    value = finding.settings[name].value
    if name in _OF_THE_API:
        return False
    if name in common:
        return bool(value != common[name].value)
    return bool(value != _declared(finding.name, name))


def _declared(endpoint: str, name: str) -> Any:  # noqa: ANN401 (a setting's value)
    """Return what an endpoint of ours has where its section says nothing; what one has that is added otherwise."""
    ours = DECLARED.get(endpoint)
    return getattr(ours, name, None) if ours else {"id": "id"}.get(name)


def _default(name: str) -> Any:  # noqa: ANN401 (a setting's value)
    return Settings.model_fields[name].default


def _lines(settings: Mapping[str, Said]) -> list[str]:
    names = sorted(settings, key=lambda name: _ORDER.index(name) if name in _ORDER else len(_ORDER))
    return [line for name in names for line in _line(name, settings[name])]


def _line(name: str, said: Said) -> Iterator[str]:
    """Yield a setting, its note behind it or before."""
    setting = f"{name} = {toml(said.value)}"
    note = shown(said.note) if said.is_sure else f"{_NOT_SURE}{shown(said.note)}"
    if note and len(setting) + len(note) + 4 <= _WIDTH:
        yield f"{setting}  # {note}"
    else:
        yield from _comment(note)
        yield setting


def _columns(finding: Finding) -> Iterator[str]:
    """Yield the columns that have to be declared, and as comments those that need not be."""
    yield from itertools.starmap(_column, finding.columns.items())
    if finding.others:
        yield "# Other fields become columns by themselves. To fix the type of one, take away its #:"
        for name, said in finding.others.items():
            yield f"# {_column(name, said)}" if said.is_sure else f"# {name}: {shown(said.note)}"
    if finding.missing:
        advice = 'declared_columns = "only mine" declares no column but those that columns names'
        yield from _comment(f"No row has {', '.join(finding.missing)}: {advice}, and nobody is warned of the others.")


def _column(name: str, said: Said) -> str:
    return f"columns.{name} = {toml(said.value)}" + (f"  # {shown(said.note)}" if said.note else "")


def _comment(text: str) -> Iterator[str]:
    """Yield a text as comments that are not too long, broken between words."""
    line = "#"
    for word in shown(text).split():
        if len(line) + len(word) >= _WIDTH and line != "#":
            yield line
            line = "#"
        line = f"{line} {word}"
    if line != "#":
        yield line


def toml(value: object) -> str:
    """Write a setting's value as TOML does."""
    if isinstance(value, Mapping):
        return f"{{ {', '.join(f'{_key(name)} = {toml(one)}' for name, one in value.items())} }}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(toml, value))}]"
    if isinstance(value, str | bool | int | float):
        # TOML's text is JSON's, but for DEL
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    return str(value)


def _key(name: object) -> str:
    return str(name) if _BARE.fullmatch(str(name)) else toml(str(name))
