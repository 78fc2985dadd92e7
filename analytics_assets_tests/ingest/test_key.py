"""A key that stands in a file, and the day on which a key ends."""

import datetime as dt
import errno
import os
import types
from pathlib import Path

import pytest

from analytics_assets.commands import check
from analytics_assets.ingest import key
from analytics_assets.ingest.configured import SettingError, load_settings
from analytics_assets.ingest.key import key_end, load_key
from analytics_assets_tests.project import KEY, Project, stories


@pytest.fixture(autouse=True)
def _home(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep what a command puts into its process's environment from other tests."""
    monkeypatch.setenv("DAGSTER_HOME", str(project.path))


@pytest.fixture
def key_file(project: Project, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return where the key's file is to be; no other place has a key."""
    monkeypatch.delenv("API_KEY")
    path = project.path / "secret"
    project.configure(key_file=path)
    return path


@pytest.mark.parametrize("text", [KEY, f"{KEY}\n", f"  {KEY}\r\n\n", f"\ufeff{KEY}"])
def test_a_key_is_read_from_its_file(key_file: Path, text: str) -> None:
    """White space around it, and the mark with which some editors begin a file, are not of the key."""
    key_file.write_text(text)
    assert load_key(load_settings()) == KEY


def test_a_key_is_read_through_links(key_file: Path) -> None:
    """Kubernetes has a secret's file behind two links, and replaces one of them."""
    for number, one in enumerate((KEY, f"{KEY}-2")):
        folder = key_file.parent / f"..{number}"
        folder.mkdir()
        (folder / "secret").write_text(one)
        link = key_file.parent / "new"
        link.symlink_to(folder / "secret")
        link.replace(key_file)
        assert load_key(load_settings()) == one


@pytest.mark.parametrize(
    ("made", "why"),
    [
        ("nothing", "cannot be read: No such file or directory"),
        ("folder", "cannot be read: Is a directory"),
        ("empty", "is empty"),
        ("blank", "is empty"),
        ("pipe", "is no file with a key in it"),
        ("large", "is no file with a key in it"),
        ("binary", "copy it again into "),
        ("lines", "copy it again into "),
        ("short", "has fewer than 8 characters"),
        ("date", "is a date"),
        ("its own name", "is also part of the setting key_file"),
    ],
)
def test_a_file_without_a_key_is_told(key_file: Path, made: str, why: str) -> None:
    """In words, with the file's name and nothing of what stands in it."""
    texts = {"empty": "", "blank": " \n", "large": "k" * 2**17, "lines": f"{KEY}\n{KEY}"}
    texts |= {"short": "abc-123", "date": "2025-01-03", "its own name": str(key_file)}
    if made == "folder":
        key_file.mkdir()
    elif made == "pipe":
        os.mkfifo(key_file)
    elif made == "binary":
        key_file.write_bytes(b"\xff\xfe\x00key-of-ours")
    elif made != "nothing":
        key_file.write_text(texts[made])
    with pytest.raises(SettingError) as caught:
        load_key(load_settings())
    assert why in str(caught.value)
    assert made in {"short", "date", "its own name"} or str(key_file) in str(caught.value)
    assert KEY not in str(caught.value)


def test_a_file_that_may_not_be_read_is_told(key_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the reason; root, as whom tests may run, may read everything."""

    def refuse(_: Path) -> bytes:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    key_file.write_text(KEY)
    monkeypatch.setattr(Path, "read_bytes", refuse)
    with pytest.raises(SettingError, match="cannot be read: Permission denied"):
        load_key(load_settings())


@pytest.mark.parametrize("place", ["API_KEY", "api_key in .dlt/secrets.toml"])
def test_a_key_in_two_places_is_refused(
    project: Project, key_file: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    """As the images of databases do with their ``*_FILE`` variables: which one is meant, nobody could say."""
    key_file.write_text(KEY)
    if place == "API_KEY":
        monkeypatch.setenv("API_KEY", KEY)
    else:
        project.write("secrets.toml", f'api_key = "{KEY}"\n')
    with pytest.raises(SettingError) as caught:
        load_key(load_settings())
    assert f"by key_file ({key_file}) and by {place}. " in str(caught.value)
    assert KEY not in str(caught.value)


def test_an_empty_variable_is_no_second_place(key_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It has no key."""
    monkeypatch.setenv("API_KEY", "")
    key_file.write_text(KEY)
    assert load_key(load_settings()) == KEY


def test_a_key_that_is_replaced_in_the_secrets_file_is_read(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """At once, and until it is removed."""
    monkeypatch.delenv("API_KEY")
    project.write("secrets.toml", 'api_key = "00130013"\n')
    assert load_key(load_settings()) == "00130013"
    (project.path / ".dlt" / "secrets.toml").write_text('api_key = "00140014"\n')
    assert load_key(load_settings()) == "00140014"
    monkeypatch.setenv("API_KEY", KEY)
    assert load_key(load_settings()) == KEY


@pytest.mark.parametrize(
    ("now", "timezone", "said"),
    [
        ("2026-03-16T23:59", "UTC", None),
        ("2026-03-17T00:00", "UTC", "the API key ends in 14 days, on 2026-03-31"),
        ("2026-03-16T23:30", "Europe/Berlin", "the API key ends in 14 days, on 2026-03-31"),
        ("2026-03-17T02:00", "America/New_York", None),
        ("2026-03-30T12:00", "UTC", "the API key ends tomorrow, on 2026-03-31"),
        ("2026-03-31T23:59", "UTC", "the API key ends today, on 2026-03-31"),
        ("2026-04-01T00:00", "UTC", "the API key has ended, on 2026-03-31"),
    ],
)
def test_the_end_of_a_key_is_told_two_weeks_ahead(
    project: Project, monkeypatch: pytest.MonkeyPatch, now: str, timezone: str, said: str | None
) -> None:
    """By the days of ``timezone``; the day that is set is the last good one."""
    project.configure(key_expires_on="2026-03-31", timezone=timezone)
    moment = dt.datetime.fromisoformat(f"{now}+00:00")
    clock = types.SimpleNamespace(now=moment.astimezone)
    monkeypatch.setattr(key, "dt", types.SimpleNamespace(datetime=clock))
    end = key_end(load_settings())
    assert (end and str(end).partition(" (")[0]) == said
    assert bool(end and end.is_over) is ("has ended" in str(said))


@pytest.mark.parametrize(
    ("days", "code", "line"),
    [(30, 0, ""), (9, 0, "the API key ends in 9 days"), (-1, 1, "setting: the API key has ended")],
)
def test_make_check_has_a_line_of_its_own(
    project: Project, capsys: pytest.CaptureFixture[str], days: int, code: int, line: str
) -> None:
    """A warning as long as the key is good, a problem when it has ended, and nothing where that is far away."""
    project.serve(rows={"stories": stories(3)})
    day = dt.datetime.now(dt.UTC).date() + dt.timedelta(days)
    project.configure(key_expires_on=day)
    assert check.main() == code
    found = [one.removeprefix("key:").strip() for one in capsys.readouterr().out.splitlines() if one.startswith("key:")]
    assert [one.partition(" (")[0] for one in found] == ([f"{line}, on {day}"] if line else [])
