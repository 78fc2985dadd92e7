"""Captures are played: those that users sent, by the class that plays them, and by the command line."""

import datetime as dt
import json
import re
import subprocess
from pathlib import Path

import pytest
import requests

from analytics_assets.ingest.capture.format import Ending, read_capture, settings_at
from analytics_assets.ingest.capture.reading import read_to_the_end
from analytics_assets.ingest.settings import Settings
from analytics_assets.ingest.window import Window
from analytics_assets.sandbox.play import Player
from analytics_assets.sandbox.server import SandboxServer
from analytics_assets_tests.project import KEY, Project
from analytics_assets_tests.sandbox.test_cli import COMMAND, running

CAPTURES = sorted((Path(__file__).parents[1] / "captures").glob("*.json"))


@pytest.mark.parametrize("file", CAPTURES, ids=[file.stem for file in CAPTURES])
def test_every_capture_ends_as_it_says(file: Path, waits: list[float]) -> None:
    """What a user's vendor did to a load, it does to this one."""
    del waits
    capture = read_capture(file.read_bytes())
    window = Window.of_day(dt.date.fromisoformat(str(capture["day"])))
    endings = json.loads(file.read_text())["endings"]
    with SandboxServer(player=Player(capture, KEY)) as server:
        settings = Settings.model_validate(settings_at(capture, server.url))
        for endpoint in settings.resolved_endpoints:
            if endpoint.name in endings:
                ending, said = read_to_the_end(endpoint, settings.of(endpoint), window)
                assert ending == Ending(**endings[endpoint.name]), said


def test_what_was_not_recorded_is_said() -> None:
    """Not as a 404, which may end the pages. What was recorded comes in turn; neither key nor order matter."""
    capture = read_capture(CAPTURES[0].read_bytes())
    window = "until=2025-01-04T00:00:00Z&since=2025-01-03T00:00:00Z"
    with SandboxServer(player=Player(capture)) as server:
        known = f"{server.url}/v1/stories?offset=14&limit=7&{window}"
        assert requests.get(f"{known}&api_key=any", timeout=5).json()["total"] == 17
        assert requests.get(known, timeout=5).json()["total"] == 17
        first = f"{server.url}/v1/stories?offset=0&limit=7&{window}"
        assert [requests.get(first, timeout=5).status_code for _ in range(3)] == [503, 200, 200]
        for path, told in (
            ("/v1/stories?offset=70", "'offset': '14'"),
            ("/v2/stories", r"recorded are \['/v1/stories'\]"),
        ):
            answer = requests.get(f"{server.url}{path}", timeout=5)
            assert answer.status_code == 501
            assert re.search(
                f"not in the capture: {path.partition('?')[0]} .*{told}", answer.json()["error"]["message"]
            )


def test_the_command_line_plays_and_says_how_to_load(project: Project) -> None:
    """What it prints, typed into a shell, loads the rows."""
    with running("--play", str(CAPTURES[0])) as (process, line):
        assert re.fullmatch(r"Playing .*two-faults\.json on http://127\.0\.0\.1:\d+ with key sandbox-key .*:\n", line)
        assert process.stdout
        lines = []
        while not lines or not lines[-1].startswith("make load"):
            lines.append(process.stdout.readline())
        assert lines[-1] == "make load DAY=2025-01-03\n"
        script = "".join(lines[:-1]) + "env"
        done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True, timeout=100)
        settings = dict(
            line.split("=", 1) for line in done.stdout.splitlines() if line.startswith(("API_KEY", "ANALYTICS_API__"))
        )
        assert settings.pop("API_KEY") == "sandbox-key"
        project.configure(**{name.removeprefix("ANALYTICS_API__"): value for name, value in settings.items()})
        assert project.load(Window.of_day(dt.date(2025, 1, 3))).rows_kept == 17


@pytest.mark.parametrize(
    ("text", "why"), [(None, "No such file"), ("{", "unexpected end"), ("{}", "this is no capture")]
)
def test_a_file_that_cannot_be_played_is_one_sentence(text: str | None, why: str, project: Project) -> None:
    """Exit code 1, one line on standard error, no traceback."""
    if text is not None:
        (project.path / "mine.json").write_text(text)
    done = subprocess.run([*COMMAND, "--play", "mine.json"], capture_output=True, text=True, check=False, timeout=100)
    assert (done.returncode, done.stdout) == (1, "")
    assert re.fullmatch(rf"Cannot play mine\.json: .*{why}.*\n", done.stderr)
