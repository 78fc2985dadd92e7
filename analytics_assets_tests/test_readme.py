"""What the README says is so."""

import json
import re
from pathlib import Path

import pytest

from analytics_assets.assets import STEP_RETRIES
from analytics_assets.ingest.settings import Settings

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()


def shown(default: object) -> str:
    """Write a default as TOML has it."""
    if isinstance(default, bool):
        return str(default).lower()
    if isinstance(default, tuple | dict):
        return json.dumps(default)
    return str(default) if default != "" else '""'


def test_the_settings_table_is_complete() -> None:
    """Every setting has a row with its default and its description, in the order of the model."""
    rows = re.findall(r"^\| `(\w+)` \| `(.*?)` \| (.*) \|$", README, re.MULTILINE)
    expected = [
        (name, shown(field.get_default(call_default_factory=True)), field.description)
        for name, field in Settings.model_fields.items()
    ]
    assert rows == expected


@pytest.mark.parametrize(
    "package",
    [
        "",
        "alerts/",
        "checks/",
        "cluster/",
        "commands/",
        "ingest/",
        "ingest/api/",
        "ingest/capture/",
        "ingest/probe/",
        "ingest/table/",
        "ingest/warehouse/",
        "report/",
    ],
)
def test_the_layout_names_every_file(package: str) -> None:
    """A reader finds each module in the layout."""
    layout = README.split("## Layout")[1].split("## ")[0]
    for path in (ROOT / "analytics_assets" / package).glob("*.py"):
        if path.name != "__init__.py":
            assert re.search(rf"\b{path.name}\b", layout), path.name


def test_what_it_links_to_exists() -> None:
    """No link into the repository is dead."""
    for target in re.findall(r"\]\((?!http)([^)#]+)\)", README):
        assert (ROOT / target).exists(), target


def test_the_retries_of_a_step_are_told() -> None:
    """How often a step begins anew, and after how many seconds, is what the code says."""
    waits = [STEP_RETRIES.calculate_delay(attempt) for attempt in range(1, STEP_RETRIES.max_retries + 1)]
    told = re.search(r"begins anew by itself, twice, after\s+(\d+) and (\d+) seconds", README)
    assert told
    assert [int(seconds) for seconds in told.groups()] == waits
