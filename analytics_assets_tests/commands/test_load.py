"""`make load`: what a person sees of a load, of one that fails, and of one that cannot begin."""

import contextlib
import io
import re
import signal
import subprocess
import sys
import time

import pytest
from rich.console import Console

from analytics_assets.commands.load import main
from analytics_assets.ingest.endpoints import ENDPOINTS
from analytics_assets.sandbox.faults import Fault
from analytics_assets_tests.commands.conftest import Make
from analytics_assets_tests.project import DAY, KEY_FORMS, WINDOW, Project, stories
from analytics_assets_tests.warehouses import Duckdb, Warehouse

NAMES = [endpoint.name for endpoint in ENDPOINTS]


@pytest.fixture(autouse=True)
def _home(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep what a command puts into its process's environment from other tests; no load takes rests."""
    monkeypatch.setenv("DAGSTER_HOME", str(project.path))
    for name in ("DAY", "TO", "FULL", "START", "END", "VERBOSE"):
        monkeypatch.delenv(name, raising=False)


def typed(monkeypatch: pytest.MonkeyPatch, **variables: str) -> int:
    """Run the command in this process, with variables as `make load` hands them on, and return the exit code."""
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    return main()


@pytest.mark.slow
def test_a_range_is_a_line_for_each_window_and_a_table(project: Project, make: Make) -> None:
    """What is loaded from where to where, a line for each endpoint and slice, the table, and how many rows are new."""
    project.serve()
    project.configure(max_window_days=2)
    done = make("load", "DAY=2025-03-01", "TO=2025-03-03")
    assert (done.returncode, done.stderr) == (0, "")
    first, *lines, last = [line.rstrip() for line in done.stdout.splitlines() if line.strip()]
    address = project.configured("base_url")
    assert first == f"Loading 2025-03-01 to 2025-03-03 from {address} into warehouse.duckdb"
    said = [re.fullmatch(r"(\w+): loaded (.*), [\d,]+ rows, in \d+\.\d s", line) for line in lines]
    spans = ("2025-03-01 to 2025-03-02", "2025-03-03")
    found = sorted(one.groups() for one in said if one)
    assert found == sorted((name, span) for name in NAMES for span in spans), done.stdout
    table = {words[0]: words[1:] for line in lines[8:] if (words := line.split()) and words[0] in NAMES}
    held = {name: len(project.table(name)) for name in NAMES}
    assert {name: int(row[0].replace(",", "")) for name, row in table.items()} == held
    assert {tuple(row[-2:]) for row in table.values()} == {("2025-03-01", "2025-03-03")}
    assert last == f"{sum(held.values()):,} rows are new"
    # the first and the last, eight, the table with its head and rule, and where it is
    assert len(lines) + 2 == 2 + 8 + 6 + 1


def test_a_full_refresh_says_what_it_does(
    project: Project, warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """It replaces the tables, says so first, and at the end what they hold and how many rows the API no longer had."""
    rows = stories(3)
    sandbox = project.serve(rows={"media_insights": rows})
    project.configure(start_date="2026-11-01")
    project.load(WINDOW, "media_insights")
    rows.pop()
    assert typed(monkeypatch, FULL="1") == 0
    output = capfd.readouterr()
    address = project.configured("base_url")
    first, *lines, last = output.out.strip().splitlines()
    place = "warehouse.duckdb" if isinstance(warehouse, Duckdb) else f"postgres {warehouse.url.rpartition('/')[2]}"
    assert first == f"Loading all history, which replaces the tables (what expires stays), from {address} into {place}"
    table = [line.split() for line in lines if line.split()[:1] == ["media_insights"]]
    assert table == [["media_insights", "2", "-1", "1", DAY, DAY]]
    assert last == "1 row is gone: the API no longer has them"
    assert output.err == ""
    assert project.ids("media_insights") == ["s000", "s001"]
    assert all("since" not in request.params for request in sandbox.requests[1:])


def test_a_failure_is_one_sentence_below_what_was_loaded(
    project: Project, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Exit code 1; the other endpoints are loaded, each with its line; no stack, and the key nowhere."""
    project.serve(rows={"stories": stories(3)}, faults=[Fault("status", status=404, endpoint="user_insights")])
    assert typed(monkeypatch, DAY="2025-03-01") == 1
    output = capfd.readouterr()
    assert re.fullmatch(r"The load failed: user_insights: path not found: .* Check base_url .*\n", output.err)
    first, *lines = [line for line in output.out.splitlines() if line.strip()]
    assert first.startswith("Loading 2025-03-01 from ")
    loaded = [line.split(":")[0] for line in lines if ": loaded 2025-03-01, " in line]
    assert sorted(loaded) == sorted(set(NAMES) - {"user_insights"})
    # what else is said is what a check warns of
    (warning,) = [line for line in lines if ": loaded " not in line]
    assert warning.startswith("stories: columns_as_expected: No row has ")
    assert project.ids() == ["s000", "s001", "s002"]
    project.assert_nowhere(KEY_FORMS, *output)


@pytest.mark.parametrize(
    ("variables", "sentence"),
    [
        ({}, "no day is given: add DAY=2025-01-03, and TO=2025-02-05 for a range, or FULL=1 for all"),
        ({"TO": "2025-03-01"}, "no day is given: add DAY=2025-01-03, .*"),
        ({"DAY": "2025-13-01"}, "DAY 2025-13-01 is not a date; write it as in DAY=2025-01-31"),
        ({"DAY": "2025-03-01", "TO": "tomorrow"}, "TO tomorrow is not a date; write it as in TO=2025-01-31"),
        ({"DAY": "2025-03-02", "TO": "2025-03-01"}, "TO 2025-03-01 is before DAY 2025-03-02"),
        ({"DAY": "2024-12-31"}, r"DAY 2024-12-31 is before the first day, 2025-01-01 \(the setting start_date\)"),
        ({"DAY": "2999-01-01"}, r"DAY 2999-01-01 is in the future; the last day is today, \d{4}-\d\d-\d\d"),
        ({"DAY": "2025-03-01", "TO": "2999-01-01"}, "TO 2999-01-01 is in the future; .*"),
        ({"DAY": "2025-03-01", "FULL": "1"}, "FULL=1 loads all history, so DAY and TO .*"),
        ({"DAY": "2025-03-01", "API_KEY": ""}, "no API key: .*"),
        ({"DAY": "2025-03-01", "ANALYTICS_API__BASE_URL": "https://api.example.com"}, "no API is configured: .*"),
        ({"DAY": "2025-03-01", "ANALYTICS_API__PAGE_SIZE": "many"}, "analytics_api.page_size = 'many': .*"),
    ],
)
def test_what_cannot_begin_is_one_sentence(
    project: Project,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    variables: dict[str, str],
    sentence: str,
) -> None:
    """Nothing is asked, and no run and no warehouse is made."""
    sandbox = project.serve()
    assert typed(monkeypatch, **variables) == 1
    output = capfd.readouterr()
    assert re.fullmatch(f"The load failed: {sentence}\n", output.err), output.err
    assert (output.out, sandbox.requests) == ("", [])
    assert not (project.path / ".dagster").exists()
    assert not (project.path / "warehouse.duckdb").exists()


def test_bars_on_a_terminal_know_of_every_window(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bar for each endpoint is full when all of its windows are read, and its figures are theirs together."""
    project.serve(rows={"stories": [*stories(3), *stories(2, "2025-03-03")]})
    project.configure(max_window_days=2)
    screen = io.StringIO()
    terminal = Console(file=screen, force_terminal=True, color_system=None, highlight=False, width=160)
    monkeypatch.setattr("analytics_assets.commands.load.open_console", lambda: contextlib.nullcontext(terminal))
    assert typed(monkeypatch, DAY="2025-03-01", TO="2025-03-03") == 0
    bars = re.findall(r"([✓⠀-⣿]) (\w+) +(\S+) (\d+) pages, (\d+) rows", screen.getvalue())
    last = {name: (mark, rows) for mark, name, _, _, rows in bars}
    assert last == {name: ("✓", "5" if name == "stories" else "0") for name in NAMES}
    assert ": loaded " not in screen.getvalue()
    assert "stories: columns_as_expected: " in screen.getvalue()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("fault", "until"),
    [
        (Fault("latency", seconds=30), "Loading "),
        (Fault("status", status=503), "user_insights: trying again in 30 s: "),
    ],
    ids=["while it reads", "while it waits to try again"],
)
def test_ctrl_c_is_one_sentence(project: Project, monkeypatch: pytest.MonkeyPatch, fault: Fault, until: str) -> None:
    """Exit code 130 within seconds, and what that means for the tables; what is tried again is said, and why."""
    sandbox = project.serve(faults=[fault])
    project.configure(max_retries=0)
    monkeypatch.setenv("DAY", "2025-03-01")
    with subprocess.Popen(
        [sys.executable, "-m", "analytics_assets.commands.load"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout
        said = next(line for line in process.stdout if line.startswith(until))
        ends = time.monotonic() + 30
        while not sandbox.requests and time.monotonic() < ends:
            time.sleep(0.05)
        # the last step is over, and Dagster sleeps
        time.sleep(0.5)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=15)
    assert process.returncode == 130
    assert errors == "Stopped. What has arrived stays, and running the load again does not change it.\n"
    assert ("503 Service Unavailable" in said) is (fault.kind == "status")
