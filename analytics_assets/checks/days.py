"""One result per check and day in the calendar where a run has several days: Dagster stores none of a range."""

import dagster as dg

MOST_DAYS = 31
"""A run of more days has a result at the last day of each window only."""


def record_results(context: dg.AssetExecutionContext, days: list[str], results: list[dg.AssetCheckResult]) -> None:
    """Record the results of a window at its days; ``days`` are in order. A run of one day has them by itself.

    Every result is an event that Dagster commits by itself: the 2,920 of a year and eight checks took two minutes on
    a busy machine. What is known of a window is no truer for being written at each of its days, so a long run writes
    it once.
    """
    asked = len(context.partition_keys)
    if asked == 1:
        return
    span = f"Of {days[0]} to {days[-1]}: " if len(days) > 1 else ""
    for day in days if asked <= MOST_DAYS else days[-1:]:
        for result in results:
            context.log_event(
                dg.AssetCheckEvaluation(
                    asset_key=context.asset_key,
                    check_name=str(result.check_name),
                    passed=result.passed,
                    metadata=result.metadata,
                    severity=result.severity,
                    description=f"{span}{result.description}",
                    partition=day,
                )
            )
