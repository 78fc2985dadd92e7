"""The command line: starts, says where, answers, stops."""

import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import requests

COMMAND = [sys.executable, "-m", "analytics_assets.sandbox"]


@contextmanager
def running(*options: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Start the command on a free port and give the process and the line it printed."""
    with subprocess.Popen(
        [*COMMAND, "--port", "0", *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout
            yield process, process.stdout.readline()
        finally:
            process.kill()


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_starts_answers_and_stops(stop: signal.Signals) -> None:
    """One line with the address and the key, an answer there, then exit code 0 in no time and nothing more said."""
    with running("--key", "other", "--latency", "0.2") as (process, line):
        found = re.fullmatch(r"Sandbox API on (http://127\.0\.0\.1:\d+) with key other \(Ctrl-C stops it\)\n", line)
        assert found
        window = {"since": "2025-03-01T00:00:00Z", "until": "2025-03-02T00:00:00Z"}
        params = {"api_key": "other", "limit": "3", "offset": "0", **window}
        with requests.Session() as session:
            began = time.monotonic()
            answer = session.get(f"{found[1]}/v1/stories", params=params, timeout=10)
            assert (answer.status_code, len(answer.json()["data"])) == (200, 3)
            assert time.monotonic() - began >= 0.2
            process.send_signal(stop)
            assert process.wait(3) == 0
        assert (process.stdout and process.stdout.read(), process.stderr and process.stderr.read()) == ("", "")


def test_a_taken_port_is_one_clear_line() -> None:
    """Exit code 1, one line on standard error, no traceback."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = subprocess.run([*COMMAND, "--port", port], capture_output=True, text=True, check=False, timeout=100)
    line = f"Cannot listen on 127.0.0.1 port {port}: the port is taken; choose another with --port\n"
    assert (done.returncode, done.stdout, done.stderr) == (1, "", line)


@pytest.mark.parametrize("options", [["--key", ""], ["--scale", "0"], ["--latency", "-1"], ["--port", "x"]])
def test_senseless_options_are_refused(options: list[str]) -> None:
    """Exit code 2 and the usage, as everywhere."""
    done = subprocess.run([*COMMAND, *options], capture_output=True, text=True, check=False, timeout=100)
    assert (done.returncode, "usage:" in done.stderr) == (2, True)
