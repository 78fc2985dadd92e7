"""What goes over the wire is encrypted, verified and bounded, and nothing of ours listens to other machines."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from analytics_assets.ingest.configured import SettingError, load_settings
from analytics_assets.ingest.errors import explain
from analytics_assets_tests.cluster.fleet import children, family
from analytics_assets_tests.project import KEY, Project, asked, stories
from analytics_assets_tests.secrecy.conftest import Tls, closed_port, fault

LISTENING = "0A"
LOOPBACK = ("0100007F", "00000000000000000000000001000000", "0000000000000000FFFF00000100007F")


def test_a_certificate_that_nobody_signed_is_refused(project: Project, tls: Tls, waits: list[float]) -> None:  # noqa: ARG001
    """The handshake fails, nothing is sent, and the message says why."""
    project.configure(base_url=tls.url, max_retries=0)
    with pytest.raises(Exception, match="CERTIFICATE_VERIFY_FAILED") as failed:
        project.load()
    problem = explain(failed.value)
    assert problem
    assert problem.kind == "unreachable"
    assert tls.asked == []


def test_a_certificate_that_is_trusted_is_accepted(project: Project, tls: Tls, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same server is fine once its certificate is among the trusted: it was the certificate that was refused."""
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tls.certificate))
    project.configure(base_url=tls.url)
    assert project.load().rows_kept == 0
    # an empty window is asked twice
    assert len(tls.asked) == 2


@pytest.mark.parametrize(
    "url", ["http://api.example.com", "http://10.0.0.1", "http://localhost.example.com", "http://0.0.0.0"]
)
def test_plain_http_needs_a_setting(project: Project, url: str) -> None:
    """Plain http to anything but loopback would send the key in clear."""
    project.configure(base_url=url)
    with pytest.raises(SettingError, match="plain http would send the key in clear; use https, or set allow_http"):
        load_settings()
    project.configure(allow_http=True)
    assert load_settings().base_url == url


@pytest.mark.parametrize("url", ["http://localhost:1", "http://127.0.0.1:1", "http://[::1]:1"])
def test_plain_http_on_this_machine_needs_none(project: Project, url: str) -> None:
    """The sandbox and tunnels are reached without it."""
    project.configure(base_url=url)
    assert load_settings().base_url == url


def test_redirects_end(project: Project) -> None:
    """An API that redirects for ever is asked six times and then given up, without a retry."""
    sandbox = project.serve(rows={"stories": stories(1)})
    # relative and with the key: so that each round passes the sandbox's check
    sandbox.faults[:] = fault(
        "redirect", location=f"?api_key={KEY.replace('+', '%2B').replace('&', '%26')}&offset=0&limit=9"
    )
    with pytest.raises(Exception, match="redirects") as failed:
        project.load()
    problem = explain(failed.value)
    assert problem
    assert problem.kind == "request refused"
    assert len(asked(sandbox)) == 6


def test_a_response_is_read_no_further_than_allowed(project: Project) -> None:
    """The message names the setting."""
    sandbox = project.serve(rows={"stories": stories(1)})
    sandbox.faults[:] = fault("body", content=b" " * (3 * 2**20))
    project.configure(max_response_mb=2)
    with pytest.raises(Exception, match=re.escape("more than 2 MiB (setting max_response_mb)")):
        project.load()
    assert len(asked(sandbox)) == 1


def test_a_connection_is_not_waited_for_for_ever(project: Project) -> None:
    """A host that does not answer the first packet ends the attempt after ``connect_timeout``."""
    with ExitStack() as open_sockets:
        deaf = open_sockets.enter_context(socket.socket())
        deaf.bind(("127.0.0.1", 0))
        deaf.listen(0)
        for _ in range(3):
            # fill the queue that nobody takes from: the next one's packets are dropped
            waiting = open_sockets.enter_context(socket.socket())
            waiting.settimeout(0)
            waiting.connect_ex(deaf.getsockname())
        project.configure(
            base_url=f"http://127.0.0.1:{deaf.getsockname()[1]}",
            connect_timeout=0.5,
            read_timeout=30,
            max_retries=0,
        )
        began = time.monotonic()
        with pytest.raises(Exception, match="timed out"):
            project.load()
    assert time.monotonic() - began < 10


@pytest.mark.slow
def test_make_dev_listens_on_this_machine_alone(project: Project) -> None:
    """Of all its processes none listens on an address that other machines reach. A closed terminal ends it."""
    with (
        (project.path / "dev.log").open("w+") as log,
        subprocess.Popen(
            [sys.executable, "-m", "analytics_assets.commands.dev"],
            env={**os.environ, "PORT": str(closed_port())},
            stdout=log,
            stderr=subprocess.STDOUT,
        ) as dev,
    ):
        try:
            until = time.monotonic() + 60
            while "Ready: " not in (project.path / "dev.log").read_text():
                assert dev.poll() is None, (project.path / "dev.log").read_text()
                assert time.monotonic() < until, (project.path / "dev.log").read_text()
                time.sleep(0.1)
            addresses = _listening(family(dev.pid))
            served = children(dev.pid)
        finally:
            dev.send_signal(signal.SIGHUP)
            try:
                dev.wait(20)
            except subprocess.TimeoutExpired:
                dev.kill()
                raise
    assert len(addresses) >= 2, "the UI and the sandbox at least"
    assert [address for address in addresses if address not in LOOPBACK] == []
    assert served
    assert [process for process in served if Path(f"/proc/{process}").exists()] == []


def _listening(pids: list[int]) -> list[str]:
    """Return the addresses, as the kernel writes them, on which these processes accept connections."""
    inodes = set()
    for pid in pids:
        for descriptor in Path(f"/proc/{pid}/fd").iterdir():
            try:
                inodes.add(str(descriptor.readlink()))
            except FileNotFoundError:
                continue
    lines = [
        line.split() for table in ("tcp", "tcp6") for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]
    ]
    return [line[1].split(":")[0] for line in lines if line[3] == LISTENING and f"socket:[{line[9]}]" in inodes]
