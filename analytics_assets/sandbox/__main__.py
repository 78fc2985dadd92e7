"""``python -m analytics_assets.sandbox``: serve made-up statistics on this machine until Ctrl-C or SIGTERM."""

import argparse
import errno
import socket
import sys
from pathlib import Path

from analytics_assets.ingest.capture.format import Json, read_capture
from analytics_assets.sandbox.app import Sandbox
from analytics_assets.sandbox.faults import Fault
from analytics_assets.sandbox.play import Player, how_to_load
from analytics_assets.sandbox.server import listen, serve, stop_on_signals, url_of
from analytics_assets.sandbox.shape import Shape


def main(arguments: list[str] | None = None) -> int:
    """Run the command line and return its exit code: 0 when stopped, 1 when it cannot listen."""
    parser = argparse.ArgumentParser(prog="python -m analytics_assets.sandbox", description="A local analytics API")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: only this machine)")
    parser.add_argument("--port", type=int, default=8765, help="port to listen on, 0 for a free one (default: 8765)")
    parser.add_argument("--key", default="sandbox-key", help="API key to accept (default: sandbox-key)")
    parser.add_argument("--latency", type=float, default=0.0, help="seconds before each answer (default: 0)")
    parser.add_argument("--scale", type=int, default=1, help="how many times more rows a day (default: 1)")
    parser.add_argument("--seed", type=int, default=7, help="seed of the made-up rows (default: 7)")
    parser.add_argument(
        "--pagination", default="offset", choices=["offset", "page", "cursor", "link"], help="how pages are asked for"
    )
    parser.add_argument("--forget-stories", action="store_true", help="hide stories older than 24 hours")
    parser.add_argument("--play", metavar="CAPTURE", help="a file of make record, to be played in place of the sandbox")
    options = parser.parse_args(arguments)
    if not options.key or options.latency < 0 or options.scale < 1:
        parser.error("--key must not be empty, --latency not negative and --scale at least 1")
    stop_on_signals()
    try:
        capture = read_capture(Path(options.play).read_bytes()) if options.play else None
    except (OSError, ValueError) as error:
        sys.stderr.write(f"Cannot play {options.play}: {error}\n")
        return 1
    try:
        listener = listen(options.host, options.port)
    except (OSError, OverflowError) as error:
        taken = isinstance(error, OSError) and error.errno == errno.EADDRINUSE
        why = "the port is taken; choose another with --port" if taken else str(error)
        sys.stderr.write(f"Cannot listen on {options.host} port {options.port}: {why}\n")
        return 1
    _serve(options, capture, listener)
    return 0


def _serve(options: argparse.Namespace, capture: dict[str, Json] | None, listener: socket.socket) -> None:
    """Say where it listens, and serve until it is stopped."""
    where = f"{url_of(listener)} with key {options.key} (Ctrl-C stops it)"
    if capture is None:
        sys.stdout.write(f"Sandbox API on {where}\n")
    else:
        sys.stdout.write(f"Playing {options.play} on {where}. To load from it:\n")
        sys.stdout.writelines(f"{line}\n" for line in how_to_load(capture, url_of(listener), options.key))
    sys.stdout.flush()
    serve(_sandbox(options) if capture is None else Player(capture, options.key), listener)


def _sandbox(options: argparse.Namespace) -> Sandbox:
    return Sandbox(
        shape=Shape(key=options.key, pagination=options.pagination),
        faults=[Fault("latency", seconds=options.latency)] if options.latency else [],
        seed=options.seed,
        scale=options.scale,
        forget_stories=options.forget_stories,
    )


if __name__ == "__main__":
    sys.exit(main())
