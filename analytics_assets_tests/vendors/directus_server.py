"""Directus, as npm has installed it into the folder ``directus`` (``make directus``), on a database of PostgreSQL."""

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import requests

_FOLDER = Path(__file__).parent / "directus"
_COMMAND = _FOLDER / "node_modules" / "@directus" / "api" / "dist" / "cli" / "run.js"
_ADMIN = "token-of-the-admin"
_START_SECONDS = 60
_ANSWER_SECONDS = 30

Item = dict[str, Any]


def why_not() -> str:
    """Say what is missing to start it, in one line; empty where nothing is."""
    if not shutil.which("node"):
        return "no node: apt-get install nodejs npm, then make directus"
    return "" if _COMMAND.is_file() else "Directus is not installed: make directus"


class Directus:
    """A running server: its address, and what its admin does through its own API."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._session = requests.Session()
        self._session.headers["Authorization"] = f"Bearer {_ADMIN}"

    def ask(self, method: str, path: str, body: object = None) -> Any:  # noqa: ANN401 (parsed JSON)
        """Send a request as the admin, and return the ``data`` of the answer; raises where it is refused."""
        answer = self._session.request(method, self.url + path, json=body, timeout=_ANSWER_SECONDS)
        assert answer.ok, answer.text
        return answer.json()["data"] if answer.content else None

    def make_collection(self, name: str, **types: str | Item) -> None:
        """Make a collection with an integer id that counts up, and a field for each name and type."""
        fields: list[Item] = [
            {"field": "id", "type": "integer", "schema": {"is_primary_key": True, "has_auto_increment": True}}
        ]
        fields += [
            {"field": field, **(kind if isinstance(kind, dict) else {"type": kind})} for field, kind in types.items()
        ]
        self.ask(
            "POST",
            "/collections",
            {"collection": name, "schema": {}, "meta": {"accountability": None}, "fields": fields},
        )

    def make_reader(self, token: str, *collections: str) -> None:
        """Make a user who may read these collections and nothing else, and is known by a static token."""
        rights = [{"collection": name, "action": "read", "fields": ["*"]} for name in collections]
        policy = self.ask("POST", "/policies", {"name": "reads", "permissions": rights})["id"]
        who = {"email": "reader@example.com", "token": token, "policies": [{"policy": policy}]}
        self.ask("POST", "/users", who)


@contextmanager
def running(database: str, folder: Path, *, most_rows: int) -> Iterator[Directus]:
    """Set up the database, start the server on a free port of loopback, and end it in any case.

    ``database`` is the address of an empty PostgreSQL database. A page of more than ``most_rows`` is refused.
    """
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "HOST": "127.0.0.1",
        "PORT": str(port),
        "PUBLIC_URL": url,
        "DB_CLIENT": "pg",
        "DB_CONNECTION_STRING": database,
        "SECRET": "no secret, for the server goes with its test",
        "ADMIN_EMAIL": "admin@example.com",
        "ADMIN_PASSWORD": "unused",
        "ADMIN_TOKEN": _ADMIN,
        "QUERY_LIMIT_MAX": str(most_rows),
        # else it refuses requests while other tests keep the processors busy
        "PRESSURE_LIMITER_ENABLED": "false",
        "SERVE_APP": "false",
        "TELEMETRY": "false",
        "LOG_LEVEL": "warn",
    }
    # The update check of the package's own command asks the registry, so the command behind it is started. Where Linux
    # can do so, it ends the server even if this process is killed.
    end_with_us = ["setpriv", "--pdeathsig", "KILL"] if shutil.which("setpriv") else []
    command = [*end_with_us, "node", str(_COMMAND)]
    with (folder / "directus.log").open("w+") as log:
        options: Item = {"cwd": folder, "env": environment, "stdout": log, "stderr": subprocess.STDOUT}
        subprocess.run([*command, "bootstrap"], check=True, timeout=_START_SECONDS, **options)
        with subprocess.Popen([*command, "start"], **options) as server:
            try:
                _wait_until_ready(server, url, folder / "directus.log")
                yield Directus(url)
            finally:
                server.kill()


def _wait_until_ready(server: subprocess.Popen[bytes], url: str, log: Path) -> None:
    for _ in range(_START_SECONDS * 10):
        with suppress(requests.ConnectionError):
            if requests.get(f"{url}/server/ping", timeout=1).text == "pong":
                return
        assert server.poll() is None, log.read_text()
        time.sleep(0.1)
    raise AssertionError(f"Directus did not start:\n{log.read_text()}")
