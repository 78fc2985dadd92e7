"""What a command reads of the folder that it is started in, and what it says to arguments."""

import os
import subprocess
import sys
from pathlib import Path
from unittest.mock import patch

import pytest

from analytics_assets.commands.here import enter_project
from analytics_assets.ingest.configured import SettingError, load_settings
from analytics_assets_tests.project import Project


def test_the_dotenv_file_goes_before_the_shell(project: Project) -> None:
    """As with Dagster's own commands; what the file does not name is left as it is."""
    project.configure(page_size=50, max_retries=1)
    (project.path / ".env").write_text("ANALYTICS_API__PAGE_SIZE=60\n")
    with patch.dict(os.environ):
        enter_project()
        assert (load_settings().page_size, load_settings().max_retries) == (60, 1)


@pytest.mark.parametrize("named", ["elsewhere", None])
def test_the_history_is_that_of_this_folder_unless_another_is_named(project: Project, named: str | None) -> None:
    """`DAGSTER_HOME` becomes this folder, where neither the shell nor `.env` has it."""
    if named:
        (project.path / ".env").write_text(f"DAGSTER_HOME={named}\n")
    with patch.dict(os.environ):
        enter_project()
        assert os.environ["DAGSTER_HOME"] == (named or str(project.path))


def test_another_folder_is_refused(monkeypatch: pytest.MonkeyPatch, project: Project) -> None:
    """There the settings, the history and the warehouse would be others; the process is left as it was."""
    (project.path / "sub").mkdir()
    monkeypatch.chdir(project.path / "sub")
    Path(".env").write_text("ANALYTICS_API__PAGE_SIZE=60\n")
    before = dict(os.environ)
    with pytest.raises(SettingError, match=r"no dagster\.yaml in this folder\. Change to the project's folder"):
        enter_project()
    assert os.environ == before


@pytest.mark.parametrize("command", ["demo", "dev"])
def test_arguments_are_not_passed_over(project: Project, command: str) -> None:
    """`--help` says what the command does and does nothing; an argument that it does not know is refused."""
    asked, unknown = (
        subprocess.run(
            [sys.executable, "-m", f"analytics_assets.commands.{command}", argument],
            capture_output=True,
            text=True,
            timeout=150,
            check=False,
        )
        for argument in ("--help", "--days=3")
    )
    assert (asked.returncode, asked.stderr) == (0, "")
    assert asked.stdout.startswith(f"usage: make {command} [-h]\n\n")
    assert "It takes no arguments" in " ".join(asked.stdout.split())
    assert (unknown.returncode, unknown.stdout) == (2, "")
    assert unknown.stderr.endswith(f"make {command}: error: unrecognized arguments: --days=3\n")
    assert not (project.path / "warehouse.duckdb").exists()
