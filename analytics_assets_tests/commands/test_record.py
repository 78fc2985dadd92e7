"""`make record`: a file that can be sent, what it says of itself, and when it writes none."""

import json
import re
from pathlib import Path

import pytest

from analytics_assets.commands import record
from analytics_assets.ingest.capture.anonymous import Anonymiser
from analytics_assets.sandbox.faults import Fault
from analytics_assets_tests.project import DAY, KEY, KEY_FORMS, Project, stories


@pytest.fixture(autouse=True)
def _home(project: Project, monkeypatch: pytest.MonkeyPatch, waits: list[float]) -> None:
    """Keep what a command puts into its process's environment from other tests; nothing waits."""
    del waits
    monkeypatch.setenv("DAGSTER_HOME", str(project.path))
    for name in ("DAY", "ENDPOINT", "FILE", "PAGE_SIZE"):
        monkeypatch.delenv(name, raising=False)


def test_a_failing_endpoint_is_recorded_among_the_others(
    project: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A line for each endpoint, with what a load would have said; played back, all end the same; exit code 0."""
    project.serve(
        rows={"stories": [row | {"caption": f"{row['id']} by jane"} for row in stories(25)]},
        faults=[Fault("status", status=503, times=1), Fault("html", endpoint="user_insights")],
    )
    monkeypatch.setenv("DAY", DAY)
    monkeypatch.setenv("PAGE_SIZE", "10")
    assert record.main() == 0
    output = capsys.readouterr()
    assert output.err == ""
    assert re.search(r"^stories: 3 requests: 25 rows$", output.out, re.MULTILINE)
    assert re.search(r"^media_insights: 3 requests: 0 rows$", output.out, re.MULTILINE)
    assert re.search(r"^user_insights: 2 requests: wrong shape: .* no valid JSON", output.out, re.MULTILINE)
    assert re.search(
        r"^capture\.json: 10 exchanges, \d+ kB, \d+ values made up, the key nowhere\. ", output.out, re.MULTILINE
    )
    assert "Played back, it ends the same.\nRead it before you send it" in output.out
    text = (project.path / "capture.json").read_text()
    assert "jane" not in text
    project.assert_nowhere(KEY_FORMS, output.out, text)
    statuses = [(one["endpoint"], one["status"]) for one in json.loads(text)["exchanges"]]
    assert statuses.count(("media_insights", 503)) == 1
    assert json.loads(text)["settings"]["page_size"] == 10
    assert not (project.path / "warehouse.duckdb").exists()


def test_one_endpoint_into_another_file(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing else is asked but what is named, and to play it back asks nobody but ourselves."""
    sandbox = project.serve(rows={"stories": stories(3)})
    for name, value in {"DAY": DAY, "ENDPOINT": "stories", "FILE": "mine.json"}.items():
        monkeypatch.setenv(name, value)
    assert record.main() == 0
    assert {request.endpoint for request in sandbox.requests} == {"stories"}
    assert len(sandbox.requests) == 1
    assert list(json.loads((project.path / "mine.json").read_text())["endings"]) == ["stories"]


def test_a_capture_that_ends_otherwise_says_so(
    project: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where making up the data has changed the outcome, the file is of less use, and whoever gets it should know."""
    project.serve(rows={"stories": stories(3)})
    monkeypatch.setenv("DAY", DAY)
    monkeypatch.setenv("ENDPOINT", "stories")
    monkeypatch.setattr(Anonymiser, "_number", lambda *_, **__: 9)
    assert record.main() == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "Played back, stories ends otherwise (request refused: " in said


def test_nothing_is_written_while_the_key_is_in_it(
    project: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The last look at the whole file finds what slipped through, in whatever form."""
    project.serve(rows={"stories": [row | {"caption": f"see {KEY}"} for row in stories(2)] + stories(3)[2:]})
    monkeypatch.setenv("DAY", DAY)
    monkeypatch.setenv("ENDPOINT", "stories")
    monkeypatch.setattr(Anonymiser, "_spared", lambda _self, text, _make: text)
    assert record.main() == 1
    output = capsys.readouterr()
    assert "The recording failed: the key would stand in the file, so nothing was written" in output.err
    assert not (project.path / "capture.json").exists()
    project.assert_nowhere(KEY_FORMS, output.out, output.err)


@pytest.mark.parametrize(
    ("variables", "sentence"),
    [
        ({}, "no day is given: add DAY=2025-01-03"),
        ({"DAY": "2025-13-01"}, "DAY 2025-13-01 is not a date"),
        ({"DAY": DAY, "ENDPOINT": "storys"}, "there is no endpoint 'storys'. Did you mean stories or story_insights?"),
        ({"DAY": DAY, "PAGE_SIZE": "ten"}, "PAGE_SIZE ten is no number of rows"),
        ({"DAY": DAY, "PAGE_SIZE": "0"}, "page_size = 0: "),
        ({"DAY": DAY, "FILE": "no/where.json"}, "No such file or directory: 'no/where.json'"),
        ({"DAY": DAY, "API_KEY": ""}, "no API key"),
    ],
    ids=["no day", "no date", "no endpoint", "no number", "no page", "no folder", "no key"],
)
def test_what_cannot_be_recorded_is_one_sentence(
    project: Project,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    variables: dict[str, str],
    sentence: str,
) -> None:
    """Exit code 1, the reason on stderr, and no file."""
    project.serve()
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert record.main() == 1
    said = capsys.readouterr().err
    assert said.startswith("The recording failed: ")
    assert sentence in said
    assert said.count("\n") == 1
    assert not Path("capture.json").exists()
