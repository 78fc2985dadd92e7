"""``make dev``: Dagster's UI and daemon on this folder's instance, and the sandbox API unless a real one is configured.

What belongs here: which processes run, and how they stop. ``PORT`` chooses the UI's port (3000).
"""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from dotenv import load_dotenv

from analytics_assets.ingest.configured import SettingError, load_key, load_settings
from analytics_assets.ingest.settings import Settings
from analytics_assets.sandbox.app import Sandbox
from analytics_assets.sandbox.server import SandboxServer, stop_on_signals
from analytics_assets.sandbox.shape import Shape

_HOST = "127.0.0.1"
_UI_PORT = 3000
_SANDBOX_PORT = 8765
_TICK_SECONDS = 0.1
_STOP_SECONDS = 10


class DevError(Exception):
    """Nothing can be started; the message is the one line that says why."""


def main() -> int:
    """Run until Ctrl-C or SIGTERM and return the exit code: 0 when stopped, 1 when it cannot start or Dagster ends."""
    stop_on_signals()
    # a shell that starts it with `&` has it ignore Ctrl-C, and the processes below would inherit that
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with contextlib.ExitStack() as running:
            _start(running)
    except KeyboardInterrupt:
        return 0
    except (DevError, SettingError) as error:
        sys.stderr.write(f"Cannot start: {error}\n")
    return 1


def _start(running: contextlib.ExitStack) -> None:
    """Start what is needed, say so in three lines, and return only when Dagster ends by itself."""
    if not Path("dagster.yaml").is_file():
        raise DevError("there is no dagster.yaml here; run it in the project's folder")
    # Dagster reads .env on top of the environment, so what is decided here has to know it
    load_dotenv(".env", override=True)
    port = _ui_port()
    api = _api(running)
    # else `dagster dev` works in a folder that it removes, and that a `kill -9` leaves behind
    home = os.environ.setdefault("DAGSTER_HOME", str(Path.cwd()))
    # off by dagster.yaml as well, but only this keeps the webserver from making its folders for it
    os.environ.setdefault("DAGSTER_DISABLE_TELEMETRY", "1")
    _say(f"API:      {api}")
    _say(f"History:  as {os.path.relpath(Path(home, 'dagster.yaml'))} says; kept, and shared with make demo")
    _say(f"UI:       http://{_HOST}:{port} in some seconds; Ctrl-C stops everything")
    process = running.enter_context(_dagster(port))
    _wait_until_answered(process, port)
    _say("ready")
    process.wait()
    raise DevError(f"dagster dev ended with code {process.returncode}; its own lines above say why")


def _api(running: contextlib.ExitStack) -> str:
    """Return which API the runs will load from, after starting the sandbox when none is configured."""
    settings = load_settings()
    if settings.base_url != Settings().base_url:
        try:
            load_key(settings)
        except SettingError as error:
            return f"{settings.base_url}, but runs will fail: {error}"
        return settings.base_url
    try:
        key = load_key(settings)
    except SettingError:
        key = os.environ["API_KEY"] = Shape().key
    server = running.enter_context(_sandbox(Sandbox(shape=Shape(key=key))))
    os.environ["ANALYTICS_API__BASE_URL"] = server.url
    return f"the sandbox on {server.url}, as base_url names no real one"


def _sandbox(sandbox: Sandbox) -> SandboxServer:
    try:
        return SandboxServer(sandbox, host=_HOST, port=_SANDBOX_PORT)
    except OSError:
        return SandboxServer(sandbox, host=_HOST)


def _ui_port() -> int:
    """Return the port for the UI; raises ``DevError`` when it is none or taken, for which Dagster takes 40 lines."""
    text = os.environ.get("PORT") or str(_UI_PORT)
    try:
        port = int(text)
        socket.create_server((_HOST, port)).close()
    except (ValueError, OverflowError):
        raise DevError(f"PORT is no port: {text!r}") from None
    except OSError as error:
        raise DevError(
            f"port {port}: {os.strerror(error.errno or 0)}; choose another, as in PORT={port + 1} make dev"
        ) from None
    return port


@contextlib.contextmanager
def _dagster(port: int) -> Iterator[subprocess.Popen[bytes]]:
    """Run the webserver and the daemon; on leaving, let them stop for some seconds and kill what is left."""
    arguments = ["dev", "-m", "analytics_assets.definitions", "-h", _HOST, "-p", str(port), "--log-level", "warning"]
    # a group of its own, else Ctrl-C reaches every process at once and each prints its own traceback
    process = subprocess.Popen(  # noqa: S603 (no part comes from outside but the port, a number)
        [sys.executable, "-W", "ignore::FutureWarning", "-m", "dagster", *arguments], start_new_session=True
    )
    try:
        yield process
    finally:
        process.send_signal(signal.SIGINT)
        with contextlib.suppress(subprocess.TimeoutExpired, KeyboardInterrupt):
            process.wait(_STOP_SECONDS)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _wait_until_answered(process: subprocess.Popen[bytes], port: int) -> None:
    """Return when the UI's port is open, or the process has ended."""
    while process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection((_HOST, port), timeout=1):
            return
        time.sleep(_TICK_SECONDS)


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
