"""The folder that a command runs in: its ``.env``, its Dagster instance, and whether it is the project's at all."""

import argparse
import os
from pathlib import Path

from dotenv import load_dotenv

from analytics_assets.ingest.configured import SettingError


def enter_project() -> None:
    """Make this process read what Dagster's own commands read when they are started in this folder.

    These are the variables in ``.env``, which go before those of the shell, and ``dagster.yaml``, unless
    ``DAGSTER_HOME`` names another folder for it. Raises ``SettingError`` where this is not the project's folder.
    """
    if not Path("dagster.yaml").is_file():
        raise SettingError("There is no dagster.yaml in this folder. Change to the project's folder first.")
    load_dotenv(".env", override=True)
    # else Dagster makes a folder for its history that it removes at the end, and that a `kill -9` leaves behind
    os.environ.setdefault("DAGSTER_HOME", str(Path.cwd()))


def refuse_arguments(command: str, description: str) -> None:
    """Print the help and end the process where ``--help`` stands on the command line; refuse anything else there."""
    argparse.ArgumentParser(prog=command, description=description).parse_args()
