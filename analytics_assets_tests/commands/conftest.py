"""How a user types a command: ``make`` and its variables, in the test's folder."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from analytics_assets_tests.project import Project

_MAKEFILE = Path(__file__).parents[2] / "Makefile"

Make = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def make(project: Project) -> Make:
    """Return a function that runs the project's Makefile on the settings of the test; nothing is installed."""

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        binaries = f"BIN={Path(sys.executable).parent}"
        return subprocess.run(
            ["make", "-f", str(_MAKEFILE), "-o", ".venv/.installed", binaries, *arguments],
            cwd=project.path,
            # of the `make` that the tests themselves run in, it would know by these, and name its level
            env={name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))},
            capture_output=True,
            text=True,
            check=False,
            timeout=150,
        )

    return run
