"""What a window means, and how it is written into two query parameters."""

import datetime as dt
import zoneinfo

import pytest

from analytics_assets.ingest.configured import load_settings
from analytics_assets.ingest.window import Window
from analytics_assets_tests.project import WINDOW, Project

NEW_YORK = zoneinfo.ZoneInfo("America/New_York")


@pytest.mark.parametrize(
    ("window_format", "window_end", "since", "until"),
    [
        ("datetime", "exclusive", "2025-03-01T00:00:00Z", "2025-03-02T00:00:00Z"),
        ("datetime", "inclusive", "2025-03-01T00:00:00Z", "2025-03-02T00:00:00Z"),
        ("date", "exclusive", "2025-03-01", "2025-03-02"),
        ("date", "inclusive", "2025-03-01", "2025-03-01"),
        ("epoch", "exclusive", 1740787200, 1740873600),
        ("epoch", "inclusive", 1740787200, 1740873600),
    ],
)
def test_a_day_is_written_in_every_format(
    project: Project, window_format: str, window_end: str, since: object, until: object
) -> None:
    """A day is asked for from its first moment to its end; an inclusive date is the day itself."""
    project.configure(window_format=window_format, window_end=window_end)
    assert WINDOW.params(load_settings()) == {"since": since, "until": until}


@pytest.mark.parametrize(
    ("window_format", "window_end", "since", "until"),
    [
        ("datetime", "exclusive", "2025-03-09T05:00:00Z", "2025-03-10T04:00:00Z"),
        ("date", "exclusive", "2025-03-09", "2025-03-11"),
        ("date", "inclusive", "2025-03-09", "2025-03-10"),
        ("epoch", "exclusive", 1741496400, 1741579200),
    ],
)
def test_what_a_format_cannot_say_is_rounded_outwards(
    project: Project, window_format: str, window_end: str, since: object, until: object
) -> None:
    """A format of whole UTC days asks for every day that the window touches, never for less than the window."""
    project.configure(window_format=window_format, window_end=window_end)
    window = Window(dt.datetime(2025, 3, 9, tzinfo=NEW_YORK), dt.datetime(2025, 3, 10, tzinfo=NEW_YORK))
    assert window.params(load_settings()) == {"since": since, "until": until}


def test_fractions_of_a_second_are_rounded_outwards(project: Project) -> None:
    """Epoch seconds are rounded down at the start and up at the end."""
    project.configure(window_format="epoch")
    start = dt.datetime(2025, 3, 1, 0, 0, 0, 500_000, dt.UTC)
    window = Window(start, start + dt.timedelta(seconds=1))
    assert window.params(load_settings()) == {"since": 1740787200, "until": 1740787202}


def test_names_with_brackets_are_kept(project: Project) -> None:
    """The parameters are called what the settings say, brackets and all."""
    project.configure(window_start_param="filter[ts][_gte]", window_end_param="filter[ts][_lt]")
    assert list(WINDOW.params(load_settings())) == ["filter[ts][_gte]", "filter[ts][_lt]"]


@pytest.mark.parametrize(
    ("start", "end", "what"),
    [
        (dt.datetime(2025, 3, 1), dt.datetime(2025, 3, 2, tzinfo=dt.UTC), "time zones"),  # noqa: DTZ001
        (dt.datetime(2025, 3, 2, tzinfo=dt.UTC), dt.datetime(2025, 3, 2, tzinfo=dt.UTC), "end after it starts"),
        (dt.datetime(2025, 3, 2, tzinfo=dt.UTC), dt.datetime(2025, 3, 1, tzinfo=dt.UTC), "end after it starts"),
    ],
)
def test_a_window_that_means_nothing_is_refused(start: dt.datetime, end: dt.datetime, what: str) -> None:
    """A window has time zones and ends after it starts."""
    with pytest.raises(ValueError, match=what):
        Window(start, end)


def test_a_window_reads_as_half_open() -> None:
    """A window is shown in UTC with the bracket that leaves its end out."""
    window = Window(dt.datetime(2025, 11, 2, tzinfo=NEW_YORK), dt.datetime(2025, 11, 3, tzinfo=NEW_YORK))
    assert str(window) == "[2025-11-02T04:00:00Z, 2025-11-03T05:00:00Z)"
