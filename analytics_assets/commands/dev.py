"""``make dev``: Dagster's UI and daemon on this folder's instance, and the sandbox API unless a real one is configured.

What belongs here: which processes run, and how they stop. ``PORT`` chooses the UI's port (3000).
"""

import contextlib
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import filelock

from analytics_assets.commands.first_start import make_history
from analytics_assets.commands.here import enter_project, refuse_arguments
from analytics_assets.commands.processes import start, stop
from analytics_assets.ingest.configured import SettingError, load_settings
from analytics_assets.ingest.key import load_key
from analytics_assets.ingest.settings import Settings
from analytics_assets.ingest.warehouse.destination import check_destination
from analytics_assets.sandbox.app import Sandbox
from analytics_assets.sandbox.dialect import sandbox_of
from analytics_assets.sandbox.server import SandboxServer, stop_on_signals
from analytics_assets.sandbox.shape import Shape

_HELP = """Open Dagster's UI on the runs of this folder, with the sandbox API unless a real one is configured. It takes
no arguments; PORT in the environment chooses the UI's port (3000)."""
HOST = "127.0.0.1"
_UI_PORT = 3000
_SANDBOX_PORT = 8765
_PORTS = 65_536
_TICK_SECONDS = 0.1
_ANSWER_SECONDS = 5
_LOCK = Path(".dagster", "make-dev.lock")
_WHERE_IT_WORKS = """{ workspaceOrError { ... on Workspace { locationEntries { displayMetadata { key value } } } } }"""


class DevError(Exception):
    """Nothing can be started; the message is the one line that says why."""


class DagsterEndedError(Exception):
    """Dagster has ended by itself after it was ready."""


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
    except DagsterEndedError as error:
        sys.stderr.write(f"Stopped: {error}\n")
    return 1


def _start(running: contextlib.ExitStack) -> None:
    """Start what is needed, say so in four lines, and return only when Dagster ends by itself."""
    enter_project()
    # else Dagster starts, with no assets in it
    check_destination()
    home = Path(os.environ["DAGSTER_HOME"])
    port = ui_port()
    address = f"http://{HOST}:{port}"
    running.enter_context(_the_only_one(home, address))
    refuse_if_taken(port)
    api = _api(running)
    # off by dagster.yaml as well, but only this keeps the webserver from making its folders for it
    os.environ.setdefault("DAGSTER_DISABLE_TELEMETRY", "1")
    _say(f"API:      {api}")
    _say(f"History:  kept as {os.path.relpath(home / 'dagster.yaml')} says, together with that of make demo")
    make_history()
    _say(f"UI:       {address} in a few seconds; Ctrl-C stops everything")
    process = running.enter_context(_dagster(port))
    while not is_served_here(port):
        if process.poll() is not None:
            raise DevError(_ended(process))
        time.sleep(_TICK_SECONDS)
    _say(f"Ready:    {address}")
    process.wait()
    raise DagsterEndedError(_ended(process))


def _ended(process: subprocess.Popen[bytes]) -> str:
    return f"dagster dev ended with code {process.returncode}; its own lines above say why"


@contextlib.contextmanager
def _the_only_one(home: Path, address: str) -> Iterator[None]:
    """Hold a lock with the UI's address in it while Dagster runs: two daemons on one history would do things twice.

    Raises ``DevError``, with the other's address, where another ``make dev`` holds it.
    """
    if not home.is_dir():
        raise DevError(f"DAGSTER_HOME is {home}, which is not a folder")
    path = home / _LOCK
    lock = filelock.FileLock(path)
    try:
        lock.acquire(blocking=False)
    except filelock.Timeout:
        raise DevError(f"make dev is running already, at {path.read_text()}; open that, or stop it first") from None
    try:
        path.write_text(address)
        yield
    finally:
        lock.release()


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
        if settings.key_file:
            raise
        key = os.environ["API_KEY"] = Shape().key
    try:
        sandbox = sandbox_of(settings, key)
    except ValueError as error:
        raise DevError(f"{error}; set base_url to the API that the settings are for") from None
    server = running.enter_context(_sandbox(sandbox))
    os.environ["ANALYTICS_API__BASE_URL"] = server.url
    return f"the sandbox at {server.url}, because no base_url is configured"


def _sandbox(sandbox: Sandbox) -> SandboxServer:
    try:
        return SandboxServer(sandbox, host=HOST, port=_SANDBOX_PORT)
    except OSError:
        return SandboxServer(sandbox, host=HOST)


def ui_port() -> int:
    """Return the port that ``PORT`` says, or 3000; raises ``DevError`` where it says none."""
    text = os.environ.get("PORT") or str(_UI_PORT)
    if text.isdecimal() and 0 < int(text) < _PORTS:
        return int(text)
    raise DevError(f"PORT is {text!r}, but a port is a number from 1 to {_PORTS - 1}, as in PORT=3001 make dev")


def refuse_if_taken(port: int) -> None:
    """Raise ``DevError`` where another program has the port, for which Dagster takes 40 lines."""
    try:
        socket.create_server((HOST, port)).close()
    except OSError as error:
        reason = os.strerror(error.errno or 0)
        raise DevError(f"port {port} cannot be used ({reason}); choose another one, as in PORT=3001 make dev") from None


@contextlib.contextmanager
def _dagster(port: int) -> Iterator[subprocess.Popen[bytes]]:
    """Run the webserver and the daemon; on leaving, let them stop for some seconds and kill what is left."""
    process = start(
        "dagster", "dev", "-m", "analytics_assets.definitions", "-h", HOST, "-p", str(port), "--log-level", "warning"
    )
    try:
        yield process
    finally:
        stop([process], signal.SIGINT)


def is_served_here(port: int) -> bool:
    """Say whether Dagster's UI answers at a port, and is that of the working directory: not another program's."""
    connection = http.client.HTTPConnection(HOST, port, timeout=_ANSWER_SECONDS)
    try:
        connection.request(
            "POST", "/graphql", json.dumps({"query": _WHERE_IT_WORKS}), {"Content-Type": "application/json"}
        )
        answer = json.loads(connection.getresponse().read())
        entries = answer["data"]["workspaceOrError"]["locationEntries"]
    except (OSError, http.client.HTTPException, ValueError, LookupError, TypeError):
        return False
    finally:
        connection.close()
    ours = {"key": "working_directory", "value": str(Path.cwd())}
    return any(ours in entry["displayMetadata"] for entry in entries)


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    refuse_arguments("make dev", _HELP)
    sys.exit(main())
