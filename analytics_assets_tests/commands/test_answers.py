"""`make check` and `make estimate`: their answer, plainly, and nothing else."""

import re

import pytest

from analytics_assets.commands import check, estimate
from analytics_assets.ingest.endpoints import ENDPOINTS
from analytics_assets.sandbox.faults import Fault
from analytics_assets_tests.commands.conftest import Make
from analytics_assets_tests.project import KEY_FORMS, Project, stories

NAMES = [endpoint.name for endpoint in ENDPOINTS]


@pytest.fixture(autouse=True)
def _home(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep what a command puts into its process's environment from other tests."""
    monkeypatch.setenv("DAGSTER_HOME", str(project.path))


def columns(output: str) -> list[tuple[str, int]]:
    """Return the name that each line begins with, and where the text behind it begins."""
    return [(line.partition(":")[0], len(line) - len(line.partition(":")[2].lstrip())) for line in output.splitlines()]


def test_a_check_says_fine_of_each(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    """A line for each endpoint, and whatever else the check asks, one below the other; nothing on stderr."""
    project.serve(rows={"stories": stories(3)})
    assert check.main() == 0
    output = capsys.readouterr()
    assert output.err == ""
    lines = columns(output.out)
    assert [name for name, _ in lines][: len(NAMES)] == NAMES
    assert {column for _, column in lines} == {len("media_insights: ")}
    assert re.search(
        r"^stories:        fine: 3 rows in all, .* came as asked; [0-9]+ requests, one by one, [0-9]+ ms each$",
        output.out,
        re.MULTILINE,
    )
    assert all(": fine" in re.sub(r": +", ": ", line) for line in output.out.splitlines())


def test_a_check_says_what_only_looks_like_a_setting(
    project: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Before the answers, which may be as they are because of it."""
    project.serve(rows={"stories": stories(3)})
    monkeypatch.setenv("ANALYTICS_API_PAGE_SIZE", "5")
    assert check.main() == 0
    first, *_ = capsys.readouterr().out.splitlines()
    assert first.startswith("Not a setting: the environment variable ANALYTICS_API_PAGE_SIZE. Did you mean ")


@pytest.mark.slow
def test_make_check_fails_and_says_which(project: Project, make: Make) -> None:
    """The reason is in the line of what is not fine; no log, though a request was asked again, and no key."""
    project.serve(
        rows={"stories": stories(3)},
        faults=[
            Fault("status", status=404, endpoint="user_insights"),
            Fault("status", status=429, times=1, headers={"Retry-After": "0"}),
        ],
    )
    done = make("check")
    assert done.returncode != 0
    bad = [line for line in done.stdout.splitlines() if ": fine" not in re.sub(r": +", ": ", line)]
    assert len(bad) == 1
    assert re.match(r"user_insights:  path not found: .* answered 404 Not Found", bad[0])
    assert [name for name, _ in columns(done.stdout)][: len(NAMES)] == NAMES
    # make's own word on it
    assert re.fullmatch(r"make: \*\*\* \[.*: check\] Error 1\n", done.stderr)
    project.assert_nowhere(KEY_FORMS, done.stdout, done.stderr)


@pytest.mark.slow
def test_make_estimate_says_what_a_backfill_takes(project: Project, make: Make) -> None:
    """A line for each endpoint, one below the other; nothing on stderr, though a request was made again."""
    project.serve(rows={"stories": stories(730)}, faults=[Fault("status", status=503, times=1)])
    project.configure(backoff_factor=0)
    done = make("estimate", "START=2025-03-01", "END=2025-03-01")
    assert (done.returncode, done.stderr) == (0, "")
    assert columns(done.stdout) == [(name, len("media_insights: ")) for name in NAMES]
    assert "stories:        730 rows, 8 requests, under a minute" in done.stdout.splitlines()


@pytest.mark.parametrize(
    ("variables", "sentence"),
    [
        ({"START": "2025-13-01"}, "START 2025-13-01 is not a date; write it as in START=2025-01-31"),
        ({"START": "2025-03-02", "END": "2025-03-01"}, "END 2025-03-01 is before START 2025-03-02"),
        ({"ANALYTICS_API__ENDPOINTS__STORIES__PATH": "/nowhere"}, "path not found: .*"),
    ],
    ids=["no date", "reversed", "no answer"],
)
def test_an_estimate_that_cannot_be_made_is_one_sentence(
    project: Project,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    variables: dict[str, str],
    sentence: str,
) -> None:
    """Exit code 1, and the reason on stderr."""
    project.serve()
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert estimate.main() == 1
    output = capsys.readouterr()
    assert re.fullmatch(f"The estimate failed: {sentence}\n", output.err), output.err
    assert output.out == ""


@pytest.mark.slow
def test_verbose_shows_the_log(project: Project, make: Make) -> None:
    """`VERBOSE=1` is the job in Dagster, with its debug lines and the same answer in them."""
    project.serve(rows={"stories": stories(3)})
    done = make("estimate", "START=2025-03-01", "END=2025-03-01", "VERBOSE=1")
    assert done.returncode == 0
    log = done.stdout + done.stderr
    assert "stories: 3 rows, 1 request, under a minute" in log
    assert "DEBUG" in log
