"""Working directories: one each, and none left over, however many runs come, go and are killed at once."""

import multiprocessing
import os
import signal

from analytics_assets.ingest.workdir import working_directory
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
