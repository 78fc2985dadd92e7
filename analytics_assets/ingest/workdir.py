"""Where runs keep files while they last: a working directory for each, and a folder that they share."""

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import filelock

_LOCK = "in-use.lock"


def shared_directory() -> Path:
    """Return the folder that all runs of this user on this machine share; made when it is not there."""
    directory = Path(tempfile.gettempdir()) / f"analytics-assets-{os.getuid()}"
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    if directory.stat().st_uid != os.getuid():
        raise PermissionError(f"{directory} belongs to somebody else; set TMPDIR to a folder of your own")
    return directory


@contextlib.contextmanager
def working_directory() -> Iterator[Path]:
    """Give a new directory that only this run uses, and remove it afterwards; remove those of runs that were killed.

    A run holds a lock on its directory. The kernel releases it when the process ends, so others know whose run is over.
    """
    parent = shared_directory()
    # one sweep at a time, and none between making a directory and locking it
    with filelock.FileLock(parent / "sweep.lock"):
        for left in parent.iterdir():
            if left.is_dir():
                # a lock that is held, or a directory that its own run is just removing
                with contextlib.suppress(OSError), filelock.FileLock(left / _LOCK, blocking=False):
                    shutil.rmtree(left, ignore_errors=True)
        directory = Path(tempfile.mkdtemp(dir=parent, prefix="run_"))
        lock = filelock.FileLock(directory / _LOCK)
        lock.acquire()
    try:
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)
        lock.release()
