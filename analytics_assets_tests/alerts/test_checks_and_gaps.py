"""Causes that no run fails of: checks that do not pass, and days that are given up."""

import dagster as dg
import pytest

from analytics_assets.alerts.causes import CHECK
from analytics_assets.sandbox.faults import Fault
from analytics_assets_tests.alerts.conftest import Receiver, Watch
from analytics_assets_tests.alerts.test_causes import first_lines, texts
from analytics_assets_tests.project import Project, stories

ERROR, WARN = dg.AssetCheckSeverity.ERROR, dg.AssetCheckSeverity.WARN


def check(
    watch: Watch,
    *,
    passed: bool,
    severity: dg.AssetCheckSeverity = ERROR,
    day: str | None = "2025-03-01",
    fails: bool = False,
) -> None:
    """Have a run evaluate a check of stories, for a day."""

    @dg.op
    def evaluate(context: dg.OpExecutionContext) -> None:
        context.log_event(
            dg.AssetCheckEvaluation(
                dg.AssetKey("stories"),
                "ids_unique",
                passed,
                severity=severity,
                description="2 ids twice",
                partition=day,
            )
        )
        if fails:
            raise dg.Failure("of something else")

    @dg.job
    def checks() -> None:
        evaluate()

    watch.tick(1)
    checks.execute_in_process(instance=watch.instance, raise_on_error=False)
    watch.ticks()


def test_a_check_that_fails_is_a_cause_until_it_passes(watch: Watch, receiver: Receiver) -> None:
    """Day by day, whether the run that evaluates it succeeds or not."""
    check(watch, passed=False)
    check(watch, passed=False, day="2025-03-02", fails=True)
    check(watch, passed=True, day="2025-03-02")
    assert texts(receiver) == ["Check failed: stories of 2025-03-01\nids_unique: 2 ids twice."]
    check(watch, passed=True)
    assert texts(receiver)[1:] == [f"Recovered after N min: {CHECK}: stories passes again."]


def test_a_check_that_only_warns_is_none(watch: Watch, receiver: Receiver) -> None:
    """What warns is for the calendar."""
    check(watch, passed=False, severity=WARN)
    assert receiver.texts == []


def test_a_check_without_a_day_is_of_all_history(watch: Watch, receiver: Receiver) -> None:
    """Such as one that looks at the table."""
    check(watch, passed=False, day=None)
    check(watch, passed=True, day=None)
    assert [line.partition(":")[0] for line in first_lines(receiver)] == ["Check failed", "Recovered after N min"]


@pytest.fixture
def failing(project: Project, watch: Watch) -> list[Fault]:
    """Fail every load of stories; two failures are enough to give a day up."""
    project.configure(gap_tries=2)
    sandbox = project.serve(rows={"stories": stories(1)}, faults=[Fault("status", status=404)])
    assert watch
    return sandbox.faults


@pytest.mark.usefixtures("warehouse")
def test_days_that_are_given_up_are_a_cause(watch: Watch, receiver: Receiver, failing: list[Fault]) -> None:
    """Beside what they failed of; and over when somebody has loaded them."""
    for _ in range(2):
        watch.run("stories")
        watch.ticks()
    what, reason, advice = receiver.texts[1].splitlines()
    assert len(receiver.texts) == 2
    assert what == "Given up: stories of 2025-03-01"
    assert reason.startswith("path not found: http")
    assert advice.startswith("gap_filler asks for these days no more.")
    failing.clear()
    watch.run("stories")
    watch.ticks(3)
    assert first_lines(receiver)[2:] == [
        "Recovered after N min: path not found: stories is loaded.",
        "Recovered after N min: given up: stories is loaded.",
    ]


def test_the_ledger_is_asked_only_after_a_failure(
    watch: Watch, failing: list[Fault], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A tick that had to open the warehouse each minute would be in the way of the loads."""
    assert failing
    asked: list[object] = []
    monkeypatch.setattr("analytics_assets.alerts.tick.given_up_days", lambda *_: asked.append(1) or {})
    watch.ticks(3)
    assert asked == []
    watch.run("stories")
    watch.ticks(3)
    assert asked == [1]
