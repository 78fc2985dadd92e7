"""What is found out about an endpoint, said with what was seen, and what one endpoint teaches for the next."""

from dataclasses import dataclass, field
from typing import Any

from analytics_assets.ingest.probe.questions import KEY_PLACES, KeyPlace


@dataclass(frozen=True)
class Said:
    """The value of a setting, a note of what was seen, and whether that shows it without doubt."""

    value: Any
    note: str = ""
    is_sure: bool = True


@dataclass
class Finding:
    """One endpoint: whether it answered, its settings, its columns, and what else there is to say.

    ``settings`` has what was found out, also where it is the default. ``columns`` are to be declared; ``others`` become
    columns by themselves, with these types.
    """

    name: str
    path: str = ""
    problem: str = ""
    """Why nothing could be found out; empty where rows came."""
    requests: int = 0
    settings: dict[str, Said] = field(default_factory=dict)
    columns: dict[str, Said] = field(default_factory=dict)
    others: dict[str, Said] = field(default_factory=dict)
    sources: dict[str, str] = field(default_factory=dict)
    """Where the values of id and cursor stand in a row, by column."""
    missing: list[str] = field(default_factory=list)
    """Columns of ours that no row has."""
    remarks: list[str] = field(default_factory=list)

    def say(self, setting: str, value: object, note: str = "", *, is_sure: bool = True) -> None:
        """Propose a value for a setting."""
        self.settings[setting] = Said(value, note, is_sure)


@dataclass
class Known:
    """What the endpoints before have taught: it is tried first at the next."""

    place: KeyPlace | None = None
    prefix: str | None = None
    """What stands before the endpoint's name in its path."""
    limit_param: str = "limit"
    offset_param: str = "offset"
    window: tuple[str, str, str] | None = None
    """Start, end and format; the cursor's name in them is ``{cursor}``."""

    @property
    def first_place(self) -> KeyPlace:
        """Where the key is put first."""
        return self.place or KEY_PLACES[0]
