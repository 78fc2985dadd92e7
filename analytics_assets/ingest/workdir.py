"""Where runs keep files while they last: a working directory for each, and a folder that they share."""

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import filelock

_LOCK = "in-use.lock"
_SWEEP_LOCK = "sweep.lock"
# With less it is as good as full. A run that needs more than there is fails in words.
_ROOM_BYTES = 16 * 2**20


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
    with filelock.FileLock(parent / _SWEEP_LOCK):
        _sweep(parent)
        directory = Path(tempfile.mkdtemp(dir=parent, prefix="run_"))
        lock = filelock.FileLock(directory / _LOCK)
        lock.acquire()
    try:
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)
        lock.release()


def has_room() -> bool:
    """Say whether a run can begin here: whether 16 MiB are free, once what killed runs have left is removed.

    Raises ``OSError`` where the folder cannot be used for another reason.
    """
    parent = shared_directory()
    if _has_room(parent):
        return True
    # or a run that was killed would keep the room, and no other one would begin and remove it
    with filelock.FileLock(parent / _SWEEP_LOCK):
        _sweep(parent)
    return _has_room(parent)


def _has_room(directory: Path) -> bool:
    return shutil.disk_usage(directory).free >= _ROOM_BYTES


def _sweep(parent: Path) -> None:
    for left in parent.iterdir():
        if left.is_dir():
            # a lock that is held, or a directory that its own run is just removing
            with contextlib.suppress(OSError), filelock.FileLock(left / _LOCK, blocking=False):
                shutil.rmtree(left, ignore_errors=True)
