"""Loads in processes of their own."""

from collections.abc import Iterator
from multiprocessing.util import get_temp_dir
from pathlib import Path

import pytest

from analytics_assets_tests.concurrency.loader import Loads
from analytics_assets_tests.project import Project


@pytest.fixture(autouse=True, scope="session")
def _short_sockets() -> None:
    """Have multiprocessing choose its folder before a test's own is: a socket's path has to be under 108 characters."""
    get_temp_dir()


@pytest.fixture
def loads(project: Project) -> Iterator[Loads]:
    """Return what starts loads; their working directories are in ``tmp`` in the project's folder."""
    with Loads(project.path / "tmp") as started:
        yield started


def working_directories(project: Project) -> list[Path]:
    """Return the working directories that are left."""
    return sorted((project.path / "tmp").glob("analytics-assets-*/*/"))
