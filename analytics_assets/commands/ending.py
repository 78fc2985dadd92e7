"""How a command ends: with an exit code, and with one sentence where it does not go well."""

import os
import sys
from collections.abc import Callable
from typing import NoReturn

from dlt.common.destination.exceptions import DestinationException

from analytics_assets.ingest.errors import explain

_INTERRUPTED = 130


class CommandError(Exception):
    """A command cannot go on; the message is the one sentence that says why."""


def exit_code_of(name: str, command: Callable[[], bool], when_stopped: str = "") -> int:
    """Run a command and return its exit code: 0 where it returns true, 1 where it fails, and 130 after Ctrl-C.

    What went wrong is one sentence on stderr, which begins with the name; only bugs of ours raise.
    """
    try:
        return 0 if command() else 1
    except BrokenPipeError:
        return 1
    except KeyboardInterrupt:
        sys.stderr.write(f"Stopped. {when_stopped}".rstrip() + "\n")
        return _INTERRUPTED
    except Exception as error:
        problem = explain(error)
        if problem is None and not isinstance(error, CommandError | DestinationException):
            raise
        sentence = " ".join((problem.message if problem else str(error)).split())
        sys.stderr.write(f"The {name} failed: {sentence}\n")
        return 1


def end(code: int) -> NoReturn:
    """End the process with an exit code.

    Not by ``sys.exit``: while Python takes the modules apart, DuckDB's binding writes 40 lines about types that it
    leaked, below the one line that says what went wrong.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
