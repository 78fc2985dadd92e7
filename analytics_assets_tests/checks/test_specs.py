"""The checks and the page about them."""

import re
from pathlib import Path

from analytics_assets.checks.specs import BLOCKING, DESCRIPTIONS

PAGE = (Path(__file__).parents[2] / "docs" / "checks.md").read_text()


def test_the_page_has_every_check() -> None:
    """In order, and each with its severity."""
    rows = re.findall(r"^\| `(\w+)` \| .* \| .*: (warning|error) \| .* \|$", PAGE, re.MULTILINE)
    assert rows == [(name, "error" if name in BLOCKING else "warning") for name in DESCRIPTIONS]
