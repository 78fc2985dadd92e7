"""A capture: exchanges without the key and without the data, the settings they were asked with, and how they ended.

    {"format": 1, "version": "0.1.0", "day": "2025-01-03", "settings": {…}, "set": ["page_size"],
     "endings": {"stories": {"kind": null, "rows": 12, "columns": {"text": 4}, "cut": null}},
     "exchanges": [{"endpoint": "stories", "method": "GET", "path": "/v1/stories", "params": [["limit", "100"]],
                    "status": 200, "headers": {"Content-Type": "application/json"}, "json": {…}}]}

``set`` names the settings that are not as by default. An exchange has ``json`` or ``text``, or ``broken`` in the place
of an answer. What is ``{sandbox}`` and ``{key}`` in it is the address and the key of whoever plays it.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from analytics_assets.ingest import exact_json

Json = dict[str, "Json"] | list["Json"] | str | int | float | bool | None
"""Parsed JSON."""

FORMAT = 1
KEY = "{key}"
"""Where the key stood; whoever plays a capture puts its own there."""
SANDBOX = "{sandbox}"
"""Where the API's own address stood, without the path."""


@dataclass(frozen=True, kw_only=True)
class Ending:
    """How reading an endpoint ended: with rows, with a kind of problem, or with as much as is recorded of one."""

    kind: str | None = None
    """The problem's kind; ``None`` where there was none."""
    rows: int = 0
    """Rows inside the window that can be loaded."""
    set_aside: int = 0
    """Rows that cannot."""
    columns: Mapping[str, int] | None = None
    """How many undeclared columns there are of each type."""
    cut: str | None = None
    """Why not all of it was recorded."""


def read_capture(content: bytes) -> dict[str, Json]:
    """Read a capture; raises ``ValueError`` where it is none that this version knows."""
    capture = exact_json.read(content)
    if not isinstance(capture, dict) or capture.get("format") != FORMAT:
        raise ValueError("this is no capture of this version: make record writes one")
    return capture


def settings_at(capture: Mapping[str, Json], url: str) -> dict[str, Json]:
    """Return the recorded settings, to ask whoever plays the capture at ``url``."""
    settings = capture["settings"]
    if not isinstance(settings, dict):
        raise TypeError(settings)
    return settings | {"base_url": str(settings["base_url"]).replace(SANDBOX, url)}
