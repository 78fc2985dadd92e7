"""Servers, a disk and a network of one's own, which may be stopped, filled and cut. Each is gone when its context ends.

What belongs here: how each is started, broken and mended. What a fleet makes of that is ``faults.py``.
"""

import contextlib
import os
import secrets
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Self

import kombu

from analytics_assets.sandbox.app import Sandbox
from analytics_assets.sandbox.server import SandboxServer
from analytics_assets_tests.cluster.fleet import free_port

_LOOPBACK = "127.0.0.1"
_START_SECONDS = 60
_ADDRESS, _ADDRESS_INSIDE, _NETWORK = "10.231.77.1", "10.231.77.2", "10.231.77.0/30"
_RABBITMQ_SCRIPT = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")


class ServersError(Exception):
    """Something is not installed, not allowed, or did not start."""


class PostgresServer:
    """A PostgreSQL in a folder, which whoever reaches it may use."""

    def __init__(self, folder: Path, hosts: Sequence[str]) -> None:
        """Make it, with nothing in it; it is not started."""
        self.port = free_port()
        self._data, self._log = folder / "data", folder / "log"
        found = shutil.which("pg_ctl") or max(Path("/usr/lib/postgresql").glob("*/bin/pg_ctl"), default=None)
        if found is None:
            raise ServersError("no PostgreSQL here: apt-get install postgresql")
        self._programs = Path(found).parent
        _give(folder, "postgres")
        self._run("initdb", "--auth=trust", "--username=postgres", "--no-sync", "-D", str(self._data))
        options = {"port": self.port, "listen_addresses": f"'{','.join(hosts)}'", "unix_socket_directories": "''"}
        with (self._data / "postgresql.conf").open("a") as file:
            file.writelines(f"{name} = {value}\n" for name, value in options.items())
        with (self._data / "pg_hba.conf").open("a") as file:
            file.write(f"host all all {_NETWORK} trust\n")

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(subprocess.CalledProcessError):
            self.stop("immediate")

    def url(self, host: str = _LOOPBACK) -> str:
        """Return the address of its database for that host."""
        return f"postgresql://postgres:unused@{host}:{self.port}/postgres"

    def start(self) -> None:
        """Start it, and return once it answers."""
        self._run("pg_ctl", "start", "-w", "-D", str(self._data), "-l", str(self._log))

    def stop(self, mode: str) -> None:
        """Stop it: ``fast`` ends its connections in order, ``immediate`` is what a crash is."""
        self._run("pg_ctl", "stop", "-w", "-m", mode, "-D", str(self._data))

    def _run(self, program: str, *arguments: str) -> None:
        command = [*_as_user("postgres"), str(self._programs / program), *arguments]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd="/", timeout=_START_SECONDS)


class RabbitMQ:
    """A RabbitMQ in a folder, with a name, ports and an ``epmd`` of its own."""

    def __init__(self, folder: Path, hosts: Sequence[str]) -> None:
        """Write its configuration; it is not started."""
        if not _RABBITMQ_SCRIPT.exists():
            raise ServersError("no RabbitMQ here: apt-get install rabbitmq-server")
        self.port, self._epmd_port = free_port(), free_port()
        self._output = folder / "output"
        self._process: subprocess.Popen[bytes] | None = None
        lines = [f"listeners.tcp.{number} = {host}:{self.port}" for number, host in enumerate(hosts, 1)]
        lines += ["loopback_users = none", "disk_free_limit.absolute = 1MB"]
        (folder / "rabbitmq.conf").write_text("\n".join(lines))
        _give(folder, "rabbitmq")
        self._environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "ERL_EPMD_PORT": str(self._epmd_port),
            "ERL_EPMD_ADDRESS": _LOOPBACK,
            "RABBITMQ_NODENAME": f"faults-{secrets.token_hex(4)}@localhost",
            "RABBITMQ_DIST_PORT": str(free_port()),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1}",
            "RABBITMQ_MNESIA_BASE": str(folder / "mnesia"),
            "RABBITMQ_LOG_BASE": str(folder / "log"),
            "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq.conf"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "plugins"),
            "RABBITMQ_CONF_ENV_FILE": str(folder / "none"),
        }

    def __enter__(self) -> Self:
        self._epmd = subprocess.Popen(
            ["epmd", "-port", str(self._epmd_port), "-address", _LOOPBACK], start_new_session=True
        )
        try:
            self.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        self._epmd.kill()
        self._epmd.wait()

    def url(self, host: str = _LOOPBACK) -> str:
        """Return its address for that host."""
        return f"amqp://guest:guest@{host}:{self.port}//"

    def start(self) -> None:
        """Start it, and return once it takes connections."""
        with self._output.open("a") as output:
            self._process = subprocess.Popen(
                [*_as_user("rabbitmq"), str(_RABBITMQ_SCRIPT)],
                env=self._environment,
                cwd=self._output.parent,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        end = time.monotonic() + _START_SECONDS
        while True:
            try:
                with kombu.Connection(self.url(), connect_timeout=5) as connection:
                    connection.connect()
            except OSError:
                if self._process.poll() is not None or time.monotonic() > end:
                    raise ServersError(f"RabbitMQ did not start: {self._output.read_text()}") from None
                time.sleep(0.2)
            else:
                return

    def stop(self) -> None:
        """Stop it in order; what it has kept is there when it is started again."""
        if self._process is None:
            return
        self._process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(30)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._process = None


class Api:
    """The sandbox at a port that it keeps, also when it is away for a while."""

    def __init__(self, sandbox: Sandbox, host: str) -> None:
        self.sandbox = sandbox
        self.port = 0
        self._host = host
        self._server: SandboxServer | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def url(self, host: str = _LOOPBACK) -> str:
        """Return its address for that host."""
        return f"http://{host}:{self.port}"

    def start(self) -> None:
        """Serve it."""
        self._server = SandboxServer(self.sandbox, host=self._host, port=self.port).__enter__()
        self.port = int(self._server.url.rpartition(":")[2])

    def stop(self) -> None:
        """Drop every connection, and refuse new ones."""
        if self._server is not None:
            self._server.__exit__(None, None, None)
            self._server = None


class Disk:
    """A file system of some MB in memory."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def fill(self) -> None:
        """Leave no room on it."""
        with (self.path / "filler").open("wb", buffering=0) as file, contextlib.suppress(OSError):
            while file.write(bytes(4096)):
                pass

    def free(self) -> None:
        """Give the room back."""
        (self.path / "filler").unlink()


@contextlib.contextmanager
def small_disk(path: Path, megabytes: int) -> Iterator[Disk]:
    """Mount one there."""
    path.mkdir()
    _root("mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(path))
    try:
        yield Disk(path)
    finally:
        # what still has a file open there may keep it
        _root("umount", "--lazy", str(path))


class Network:
    """A network namespace with a wire to this one, as another machine has it."""

    address = _ADDRESS
    """This machine's, as the other one sees it."""

    def __init__(self) -> None:
        self._name = f"faults{secrets.token_hex(3)}"
        self.before = ("ip", "netns", "exec", self._name)

    def __enter__(self) -> Self:
        here, there = self._name, f"{self._name}i"
        _root("ip", "netns", "add", self._name)
        try:
            _root("ip", "link", "add", here, "type", "veth", "peer", "name", there, "netns", self._name)
            _root("ip", "address", "add", f"{_ADDRESS}/30", "dev", here)
            _root("ip", "link", "set", here, "up")
            _root(*self.before, "ip", "address", "add", f"{_ADDRESS_INSIDE}/30", "dev", there)
            _root(*self.before, "ip", "link", "set", there, "up")
            _root(*self.before, "ip", "link", "set", "lo", "up")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        # the wire goes with it
        _root("ip", "netns", "delete", self._name)

    def cut(self) -> None:
        """Pull the plug."""
        _root("ip", "link", "set", self._name, "down")

    def mend(self) -> None:
        """Put it in again."""
        _root("ip", "link", "set", self._name, "up")


def _root(*command: str) -> None:
    if os.getuid() != 0:
        raise ServersError(f"only root may do this: {' '.join(command)}")
    subprocess.run(command, check=True)


def _as_user(user: str) -> list[str]:
    """Return what has a command run as that user: neither server starts as root."""
    return [] if os.getuid() else ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups"]


def _give(folder: Path, user: str) -> None:
    if os.getuid() == 0:
        shutil.chown(folder, user, user)
