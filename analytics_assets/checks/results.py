"""The results of a run's checks: one for each day, and one for the run where it has several."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, get_args, get_type_hints

import dagster as dg

from analytics_assets.checks.seen import Seen, Verdict
from analytics_assets.checks.specs import Check, checks_of

MOST_DAYS = 7
"""Days of a run that each get all results; of more, a day has that of ``EACH_DAY``, and those that are red.

Dagster writes each result in transactions of its own, and cannot write several at once: of a month they take longer
than its load. In the calendar the others say that they were skipped; what was found of all days is the run's result.
"""
EACH_DAY = "complete_window"
# Dagster exports the result of a check, but not the type of its field that says which materialization was judged.
_Target = get_args(get_type_hints(dg.AssetCheckEvaluation)["target_materialization_data"])[0]


@dataclass(frozen=True)
class Judged:
    """A check, and its verdict on a run or on one of its days."""

    check: Check
    verdict: Verdict

    @property
    def severity(self) -> dg.AssetCheckSeverity:
        """Only what was seen to be wrong holds back what comes after it."""
        is_error = self.check.is_blocking and not self.verdict.could_not_look
        return dg.AssetCheckSeverity.ERROR if is_error else dg.AssetCheckSeverity.WARN

    @property
    def description(self) -> str:
        """What was found, and where it is red what to do."""
        said = self.verdict.said
        return said if self.verdict.passed or self.verdict.could_not_look else f"{said} {self.check.advice}"

    @property
    def metadata(self) -> dict[str, str | int | float]:
        """The figures that there are."""
        return {name: value for name, value in self.verdict.figures.items() if value != ""}


def judged(seen: Seen, log: logging.Logger) -> list[Judged]:
    """Return the verdict of each of the endpoint's checks."""
    return [Judged(check, _verdict(check, seen, log)) for check in checks_of(seen.endpoint, seen.settings)]


def _verdict(check: Check, seen: Seen, log: logging.Logger) -> Verdict:
    """Have a check judge; one that fails itself is red, and does not fail the load whose rows have arrived."""
    try:
        return check.judge(seen)
    except Exception as error:
        log.debug("%s: the check %s failed itself", seen.endpoint.name, check.name, exc_info=True)
        return Verdict([f"The check itself failed: {type(error).__name__}: {error}."], "", could_not_look=True)


def of_run(every: list[Judged]) -> list[dg.AssetCheckResult]:
    """Return the results of the run; of a run with one partition they are that day's."""
    return [
        dg.AssetCheckResult(
            check_name=one.check.name,
            passed=one.verdict.passed,
            severity=one.severity,
            description=one.description,
            metadata=one.metadata,
        )
        for one in every
    ]


def record_days(context: dg.AssetExecutionContext, seen: Seen) -> None:
    """Log what a run of several days has found of each of them, once Dagster has recorded that it has loaded them.

    The calendar shows only a result that names the newest materialization of its day.
    """
    days = [day.isoformat() for day in seen.by_day]
    if len(days) <= 1:
        return
    asset_key = dg.AssetKey(seen.endpoint.name)
    # newest first, and each day has just got one; those of a run that loads the same days now are not ours
    records = context.instance.fetch_materializations(
        dg.AssetRecordsFilter(asset_key=asset_key, asset_partitions=days), limit=len(days)
    ).records
    made = {
        one.partition_key: _Target(storage_id=one.storage_id, run_id=one.run_id, timestamp=one.timestamp)
        for one in records
        if one.run_id == context.run.run_id
    }
    for day in seen.by_day:
        for one in judged(seen.of(day), context.log):
            if not one.verdict.passed or one.check.name == EACH_DAY or len(days) <= MOST_DAYS:
                context.log_event(_of_day(asset_key, day.isoformat(), one, made))


def _of_day(asset_key: dg.AssetKey, day: str, one: Judged, made: Mapping[str | None, Any]) -> dg.AssetCheckEvaluation:
    return dg.AssetCheckEvaluation(
        asset_key=asset_key,
        check_name=one.check.name,
        passed=one.verdict.passed,
        severity=one.severity,
        description=one.description,
        metadata=one.metadata,
        blocking=one.check.is_blocking,
        partition=day,
        target_materialization_data=made.get(day),
    )
