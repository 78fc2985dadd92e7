"""What a failed step says of its cause, for whoever reads Dagster's events."""

import pytest

from analytics_assets.failures import days_of, told_by
from analytics_assets.sandbox.faults import Fault
from analytics_assets_tests.project import Project, message_of, stories


@pytest.mark.parametrize(("status", "kind", "is_transient"), [(503, "API failing", True), (401, "key refused", False)])
def test_a_failed_step_has_its_cause_as_metadata(
    project: Project, status: int, kind: str, *, is_transient: bool
) -> None:
    """Kind, endpoint, days, advice, and whether it may pass: what the message says, for a program."""
    project.serve(rows={"stories": stories(1)}, faults=[Fault("status", status=status)])
    project.configure(max_retries=0)
    result = project.materialize(day="2025-03-01", until="2025-03-03")
    (event,) = [event for event in result.all_events if event.is_step_failure]
    found = {name: one.value for name, one in event.step_failure_data.user_failure_data.metadata.items()}
    message = message_of(result)
    assert message.endswith(found.pop("advice"))
    assert found == {
        "kind": kind,
        "endpoint": "stories",
        "windows": "2025-03-01 to 2025-03-03",
        "is_transient": is_transient,
    }
    told = told_by(event)
    assert (told.asset, told.kind, told.is_transient) == ("stories", kind, is_transient)
    assert message == f"stories: {kind}: {told.reason} {told.advice}"


@pytest.mark.parametrize(
    ("tags", "days"),
    [
        ({}, []),
        ({"dagster/partition": "2025-02-28"}, ["2025-02-28"]),
        (
            {"dagster/asset_partition_range_start": "2025-02-28", "dagster/asset_partition_range_end": "2025-03-01"},
            ["2025-02-28", "2025-03-01"],
        ),
        ({"dagster/partition": "eu|2025"}, []),
    ],
)
def test_the_days_of_a_run_are_in_its_tags(tags: dict[str, str], days: list[str]) -> None:
    """A day, a range, or none; partitions of somebody else's are no days."""
    assert days_of(tags) == days
