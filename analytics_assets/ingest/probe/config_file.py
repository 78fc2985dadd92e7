"""``.dlt/config.toml``, in which one section is replaced and every other letter stays."""

import itertools
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dlt.common.runtime import run_context

from analytics_assets.ingest.configured import SettingError
from analytics_assets.ingest.probe.proposal import SECTION
from analytics_assets.ingest.settings import Settings

_HEADER = re.compile(r"\s*\[{1,2}\s*([^\]]+?)\s*\]{1,2}")
_OURS = re.compile(rf"""["']?{SECTION}["']?(\s*\..*)?""")


@dataclass(frozen=True)
class ConfigFile:
    """The file as it is."""

    path: Path
    text: str

    @classmethod
    def read(cls) -> "ConfigFile":
        """Read dlt's configuration file; where there is none, it is empty."""
        path = Path(run_context.active().settings_dir) / "config.toml"
        return cls(path, path.read_text(encoding="utf-8") if path.exists() else "")

    @property
    def settings(self) -> Mapping[str, Any]:
        """What the section holds. Raises ``SettingError`` where the file is no TOML."""
        return _table(self.path, self.text).get(SECTION) or {}

    @property
    def is_as_delivered(self) -> bool:
        """Whether the section says nothing that somebody would miss."""
        return self.settings.items() <= {"base_url": Settings().base_url}.items()

    def with_section(self, section: str) -> str:
        """Return the file's text with that section in the place of its own.

        Raises ``SettingError`` where what else is in the file would not stay as it is.
        """
        before, after = _around(self.text)
        text = (
            "\n\n".join(part for part in (before.rstrip("\n"), section.strip("\n"), after.strip("\n")) if part) + "\n"
        )
        others = {**_table(self.path, self.text), SECTION: None}
        try:
            is_kept = others == {**tomllib.loads(text), SECTION: None}
        except tomllib.TOMLDecodeError:
            is_kept = False
        if not is_kept:
            what = f"{self.path} is written in a way in which [{SECTION}] cannot be replaced by itself"
            raise SettingError(f"{what}: put what is printed above into it by hand")
        return text

    def write(self, text: str) -> Path | None:
        """Write the file anew; the old one, if it said anything of ours, stays beside it, and is returned."""
        kept = None
        if not self.is_as_delivered:
            # one from before stays too: it may be the one that was written by hand
            names = (f"{self.path.name}.bak{number or ''}" for number in itertools.count())
            kept = next(path for path in map(self.path.with_name, names) if not path.exists())
            kept.write_text(self.text, encoding="utf-8")
        self.path.parent.mkdir(exist_ok=True)
        self.path.write_text(text, encoding="utf-8")
        return kept


def _around(text: str) -> tuple[str, str]:
    """Return what stands before our tables and behind their first, other tables between them included."""
    before: list[str] = []
    after: list[str] = []
    is_ours = has_been = False
    ours: list[str] = []
    for line in text.splitlines():
        if header := _HEADER.match(line):
            if is_ours:
                # comments right above a header are of the table that it begins
                (after if has_been else before).extend(_above(ours))
            is_ours, ours = bool(_OURS.fullmatch(header[1])), []
            has_been = has_been or is_ours
        if is_ours:
            ours.append(line)
        else:
            (after if has_been else before).append(line)
    return "\n".join(before), "\n".join(after)


def _above(lines: list[str]) -> list[str]:
    place = len(lines)
    while place and lines[place - 1].lstrip().startswith("#"):
        place -= 1
    is_apart = place and not lines[place - 1].strip()
    return ["", *lines[place:]] if is_apart else [""]


def _table(path: Path, text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SettingError(f"{path} is no valid TOML: {error}") from None
