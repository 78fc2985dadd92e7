"""Processes that a command starts and stops: each in a group of its own.

Else Ctrl-C reaches every process at once, and each prints its own traceback.
"""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping, Sequence

STOP_SECONDS = 10.0


def start(module: str, *arguments: str, environment: Mapping[str, str] | None = None) -> subprocess.Popen[bytes]:
    """Start a module of Python's, in this folder and with this environment."""
    return subprocess.Popen(  # noqa: S603 (no part comes from outside but a port, a number)
        [sys.executable, "-W", "ignore::FutureWarning", "-m", module, *arguments],
        env={**os.environ, **(environment or {})},
        start_new_session=True,
    )


def stop(processes: Iterable[subprocess.Popen[bytes]], number: signal.Signals, seconds: float = STOP_SECONDS) -> None:
    """Let them stop for some seconds, all at once, and kill what is left of their groups."""
    started: Sequence[subprocess.Popen[bytes]] = list(processes)
    for process in started:
        process.send_signal(number)
    until = time.monotonic() + seconds
    for process in started:
        with contextlib.suppress(subprocess.TimeoutExpired, KeyboardInterrupt):
            process.wait(max(until - time.monotonic(), 0))
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
