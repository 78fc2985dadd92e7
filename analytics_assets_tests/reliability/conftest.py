"""One API for all cases, and one warehouse that is copied into each test's folder."""

import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from analytics_assets_tests.project import Project
from analytics_assets_tests.reliability.stage import Api, seed


@pytest.fixture(autouse=True)
def _nothing_waits(waits: list[float]) -> None:
    """Have no case of this folder wait between attempts."""
    del waits


@pytest.fixture(scope="session")
def api() -> Iterator[Api]:
    """Return an API that serves one case after the other."""
    with ExitStack() as running:
        yield Api(running)


@pytest.fixture(scope="session")
def seeded() -> list[Path]:
    """Return the place of the warehouse with ``SEED`` in it, once the first test has made it."""
    return []


@pytest.fixture
def warehouse(project: Project, api: Api, seeded: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the test's own warehouse, which holds what ``seed`` put there."""
    here = project.path / "warehouse.duckdb"
    if not seeded:
        kept = tmp_path_factory.mktemp("seed") / "warehouse.duckdb"
        shutil.copy(seed(api, project.path), kept)
        here.unlink()
        here.with_name(f"{here.name}.lock").unlink()
        seeded.append(kept)
    shutil.copy(seeded[0], here)
    return here
