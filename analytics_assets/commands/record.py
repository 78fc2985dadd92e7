"""``make record``: what the configured API answers for a day, without key and data, in a file for a bug report."""

import datetime as dt
import os
import sys
import zoneinfo
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from analytics_assets.commands.answer import be_silent, print_answer
from analytics_assets.commands.ending import CommandError, end, exit_code_of
from analytics_assets.commands.here import enter_project, refuse_arguments
from analytics_assets.ingest.capture.capture import KeyLeftError, capture_of
from analytics_assets.ingest.capture.format import Ending, read_capture, settings_at
from analytics_assets.ingest.capture.reading import read_to_the_end
from analytics_assets.ingest.capture.recorder import Recorder
from analytics_assets.ingest.configured import SettingError, load_settings
from analytics_assets.ingest.endpoint import Endpoint
from analytics_assets.ingest.estimate import day_named
from analytics_assets.ingest.key import load_key
from analytics_assets.ingest.settings import Settings, no_such_endpoint
from analytics_assets.ingest.window import Window
from analytics_assets.sandbox.play import Player
from analytics_assets.sandbox.server import SandboxServer

_HELP = """Ask each endpoint of the configured API for a day (DAY=2025-01-03), or one of them (ENDPOINT=stories), as a
load does, load nothing, and write what came to FILE=capture.json, without the key and with all data made up.
PAGE_SIZE=20 asks for smaller pages than the settings say."""


def main() -> int:
    """Record in the working directory and return the exit code: 0 when the file was written, whatever the API said."""
    return exit_code_of("recording", _run, "Nothing was written.")


def _run() -> bool:
    enter_project()
    be_silent()
    size = os.environ.get("PAGE_SIZE", "")
    if size and not (size.isascii() and size.isdecimal()):
        raise CommandError(f"PAGE_SIZE {size} is no number of rows")
    settings = load_settings({"page_size": int(size)} if size else None)
    if settings.base_url == Settings().base_url:
        raise CommandError("no API is configured: set base_url as README.md says")
    if not (named := os.environ.get("DAY", "")):
        raise CommandError("no day is given: add DAY=2025-01-03, a day whose load goes wrong")
    day = day_named("DAY", named)
    load_key(settings)
    return record(
        settings, _chosen(settings, os.environ.get("ENDPOINT", "")), day, Path(os.environ.get("FILE") or "capture.json")
    )


def record(settings: Settings, endpoints: Sequence[Endpoint], day: dt.date, file: Path) -> bool:
    """Read these endpoints, write what came to a file, play it back, and say all of that."""
    window = Window.of_day(day, zoneinfo.ZoneInfo(settings.timezone))
    recorder, endings = Recorder(len(endpoints)), dict[str, Ending]()
    for endpoint in endpoints:
        with recorder.of(endpoint.name):
            endings[endpoint.name], said = read_to_the_end(endpoint, settings.of(endpoint), window)
        asked = sum(one.endpoint == endpoint.name for one in recorder.exchanges)
        print_answer([f"{endpoint.name}: {asked} request{'' if asked == 1 else 's'}: {said}"])
    try:
        text, made_up = capture_of(recorder, settings, day, endings)
        file.write_text(text)
    except (KeyLeftError, OSError) as error:
        raise CommandError(str(error)) from None
    size = f"{len(recorder.exchanges)} exchanges, {len(text.encode()) // 1000 + 1} kB"
    sys.stdout.write(
        f"\n{file}: {size}, {made_up:,} values made up, the key nowhere. "
        f"{_played_back(read_capture(text.encode()), window, endings)}\n"
        "Read it before you send it: names of fields and parameters, lengths, days and numbers of rows are real.\n"
    )
    return True


def _chosen(settings: Settings, name: str) -> Sequence[Endpoint]:
    chosen = [endpoint for endpoint in settings.resolved_endpoints if name in {"", endpoint.name}]
    if not chosen:
        raise SettingError(f"ENDPOINT {name}: {no_such_endpoint(name)}")
    return chosen


def _played_back(capture: dict[str, Any], window: Window, endings: dict[str, Ending]) -> str:
    """Read the capture as the API was read, and say whether that ends the same."""
    if any("Retry-After" in exchange.get("headers", {}) for exchange in capture["exchanges"]):
        return "It was not played back, for that waits as long as the API asked to."
    otherwise = []
    with SandboxServer(player=Player(capture, key=load_key(load_settings()))) as server:
        settings = Settings.model_validate(settings_at(capture, server.url) | {"backoff_factor": 0})
        for endpoint in settings.resolved_endpoints:
            expected = endings.get(endpoint.name)
            if expected and not expected.cut:
                found, said = read_to_the_end(endpoint, settings.of(endpoint), window)
                otherwise += [] if found == expected else [f"{endpoint.name} ends otherwise ({said})"]
    if otherwise:
        return f"Played back, {' and '.join(otherwise)}: say so in your report."
    return "Played back, it ends the same."


if __name__ == "__main__":
    refuse_arguments("make record", _HELP)
    end(main())
