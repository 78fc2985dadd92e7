"""What stands in the cursor, and what is said of days and names."""

import json
import logging

import dagster as dg
import pytest

from analytics_assets.alerts.causes import CHECK
from analytics_assets.alerts.days import and_others, in_words, newest
from analytics_assets.alerts.state import Cause, State, bounded, read_state
from analytics_assets.alerts.wording import told
from analytics_assets.build import build_definitions

LOG = logging.getLogger("analytics_assets")
MARCH = [f"2025-03-{day:02d}" for day in range(1, 32)]


def cause(number: int = 0, days: list[str] | None = None, reason: str = "why") -> Cause:
    """Return a cause."""
    return Cause(
        key=f"{CHECK} {number}",
        kind=CHECK,
        reason=reason,
        advice="",
        run_id="run",
        since=1.0,
        days={"stories": frozenset(days or ["2025-03-01"])},
        failed_at={"stories": 1.0},
    )


@pytest.mark.parametrize(
    ("days", "kept", "said"),
    [
        ([], [], ""),
        ([""], [""], "all history"),
        (["2025-03-01"], ["2025-03-01"], "2025-03-01"),
        (["", "2025-02-28", "2025-03-01"], ["", "2025-02-28/2025-03-01"], "all history, 2025-02-28 to 2025-03-01"),
        (
            MARCH[::2],
            MARCH[::2],
            "2025-03-21, 2025-03-23, 2025-03-25, 2025-03-27, 2025-03-29, 2025-03-31 and 10 more",
        ),
    ],
)
def test_days_are_short_in_json_and_in_words(days: list[str], kept: list[str], said: str) -> None:
    """Those that follow each other are a span; of many spans the newest are named, and the rest is counted."""
    state = State(causes=[cause(days=days or ["2025-01-01"])])
    if not days:
        state.causes[0].days = {"stories": frozenset()}
    written = state.model_dump_json()
    assert json.loads(written)["causes"][0]["days"] == {"stories": kept}
    assert read_state(written, LOG) == state
    assert in_words(days) == said


def test_a_year_of_days_is_a_few_letters() -> None:
    """An outage of which a backfill of a year failed does not fill the cursor."""
    days = [f"2024-{month:02d}-{day:02d}" for month in range(1, 13) for day in range(1, 29)]
    assert len(State(causes=[cause(days=days)]).model_dump_json()) < 1000
    assert len(newest([f"{year}-01-01" for year in range(1000, 9000)])) == 1000


def test_names_are_said_as_a_person_does() -> None:
    """In order, each once."""
    assert and_others([]) == ""
    assert and_others(["b", "a", "b"]) == "a and b"
    assert and_others(["c", "a", "b"]) == "a, b and c"


@pytest.mark.parametrize("cursor", ["not JSON", "[]", '{"version": 2}', '{"version": 1, "causes": [{}]}'])
def test_a_cursor_that_nobody_can_read_begins_anew(cursor: str, caplog: pytest.LogCaptureFixture) -> None:
    """And says so, for what was open in it is forgotten."""
    assert read_state(cursor, LOG) is None
    assert "begins anew" in caplog.text


def test_causes_are_bounded() -> None:
    """The newest hundred stay."""
    kept = bounded(State(causes=[cause(number) for number in range(103)]), LOG)
    assert [one.key for one in kept.causes[:1]] == [f"{CHECK} 3"]
    assert len(kept.causes) == 100


def test_a_message_is_short() -> None:
    """However many causes of one kind a tick finds, and whatever a vendor says: Slack would cut a long one anywhere."""
    many = [cause(number, MARCH[::2], "x" * 400) for number in range(100)]
    (message,) = told(
        [one.model_copy(update={"reason": f"{number}{one.reason}"}) for number, one in enumerate(many)], ""
    )
    assert len(message.text) == 3000
    assert message.text.endswith("…")


def test_a_message_of_the_same_causes_has_the_same_id() -> None:
    """And of others another one: a receiver drops what it has by it."""
    (one,), (same,) = told([cause()], ""), told([cause(days=MARCH)], "")
    (other,) = told([cause(1)], "")
    assert one.id == same.id
    assert one.id != other.id


def test_the_sensor_is_off_until_somebody_switches_it_on() -> None:
    """And ticks once a minute then."""
    sensor = build_definitions().resolve_sensor_def("alerts")
    assert sensor.default_status is dg.DefaultSensorStatus.STOPPED
    assert sensor.minimum_interval_seconds == 60
