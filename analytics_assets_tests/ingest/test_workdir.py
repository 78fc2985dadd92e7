"""Working directories: one each, and none left over, however many runs come, go and are killed at once."""

import multiprocessing
import os
import shutil
import signal
from pathlib import Path

import pytest

from analytics_assets.ingest.workdir import has_room, working_directory
from analytics_assets_tests.concurrency.conftest import working_directories
from analytics_assets_tests.project import Project

RUNS = 40


def _come_and_go(last: str) -> None:
    for _ in range(RUNS):
        with working_directory() as directory:
            (directory / "pipeline").mkdir()
            (directory / "pipeline" / "rows").touch()
            assert [path.name for path in directory.rglob("rows")] == ["rows"]
    with working_directory():
        if last == "is killed":
            os.kill(os.getpid(), signal.SIGKILL)


def test_runs_do_not_sweep_up_each_other(project: Project) -> None:
    """A run's directory is its own until it ends, while others sweep; what a killed run leaves goes with the next."""
    spawn = multiprocessing.get_context("spawn")
    ends = ("is killed", "ends", "is killed", "ends")
    started = [spawn.Process(target=_come_and_go, args=(end,), daemon=True) for end in ends]
    for process in started:
        process.start()
    for process in started:
        process.join(60)
    assert [process.exitcode for process in started] == [-9, 0, -9, 0]
    with working_directory():
        pass
    assert working_directories(project) == []


def test_what_a_killed_run_left_is_no_want_of_room(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a disk that is full of it there is room: it is removed. A run that lasts keeps what it has."""
    usage = shutil.disk_usage

    def full_while_any_is_there(path: Path) -> object:
        return usage(path)._replace(free=0 if working_directories(project) else 2**30)

    monkeypatch.setattr(shutil, "disk_usage", full_while_any_is_there)
    assert has_room()
    killed = multiprocessing.get_context("spawn").Process(target=_be_killed, daemon=True)
    killed.start()
    killed.join(60)
    assert len(working_directories(project)) == 1
    assert has_room()
    with working_directory() as directory:
        assert not has_room()
        assert directory.exists()


def _be_killed() -> None:
    with working_directory():
        os.kill(os.getpid(), signal.SIGKILL)
