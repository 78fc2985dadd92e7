"""What a failed step says of its cause, as metadata of Dagster's event: written here, and read here by the alerts."""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import dagster as dg

from analytics_assets.ingest.errors import Problem

_DAY = dt.timedelta(days=1)
_CANCELLED = "cancelled: "
_SHUT_DOWN = (
    "Nobody cancelled the run in Dagster: its process was told to end, as by a machine that shuts down. The table is "
    "whole; run it again."
)
_NO_WORDS = "The log of the run has more; that is a bug of ours, or of something that the run uses."


class LoadCancelledError(dg.DagsterError, dg.DagsterExecutionInterruptedError):
    """The run is cancelled.

    Dagster's own exception for it makes a step that has a retry policy begin anew, and the run go on and succeed. A
    ``DagsterError`` is not retried; and since this one is an interruption as well, it ends the run.
    """


@dataclass(frozen=True)
class Told:
    """What a failed step has told of its cause: in the words of ``Problem``, or with the exception's name alone."""

    asset: str
    kind: str
    reason: str
    advice: str = ""
    is_transient: bool = False


def failure(endpoint: str, problem: Problem, days: Sequence[str]) -> dg.Failure:
    """Return the exception that fails the step of an endpoint, with the problem in its metadata."""
    windows = " to ".join(dict.fromkeys((days[0], days[-1]))) if days else "all history"
    metadata: dict[str, str | bool] = {
        "kind": problem.kind,
        "endpoint": endpoint,
        "windows": windows,
        "advice": problem.advice,
        "is_transient": problem.is_transient,
    }
    return dg.Failure(f"{endpoint}: {problem.message}", metadata, problem.is_transient)


def told_by(event: dg.DagsterEvent) -> Told:
    """Return what the event of a failed step says; of an exception without our words its name: it may hold rows."""
    data, asset = event.step_failure_data, event.step_key or ""
    if data.user_failure_data is None:
        error = data.error
        while error and error.cause:
            error = error.cause
        if error and _CANCELLED in error.message and error.cls_name == LoadCancelledError.__name__:
            reason = error.message.partition(_CANCELLED)[2].strip()
            return Told(asset, "cancelled", reason, _SHUT_DOWN, is_transient=True)
        return Told(asset, "failed", f"failed with {error.cls_name if error else 'no exception'}", _NO_WORDS)
    said, found = data.user_failure_data.description or "", data.user_failure_data.metadata
    if "kind" not in found:
        return Told(asset, "failed", said)
    kind, advice = str(found["kind"].value), str(found["advice"].value)
    reason = said.removeprefix(f"{asset}: ").removeprefix(f"{kind}: ").removesuffix(advice).strip()
    return Told(str(found["endpoint"].value), kind, reason, advice, is_transient=bool(found["is_transient"].value))


def days_of(tags: Mapping[str, str]) -> list[str]:
    """Return the days that a run was launched for, from its tags; empty where it was launched without a partition."""
    first = tags.get("dagster/asset_partition_range_start") or tags.get("dagster/partition")
    last = tags.get("dagster/asset_partition_range_end") or first
    try:
        begin, end = dt.date.fromisoformat(first or ""), dt.date.fromisoformat(last or "")
    except ValueError:
        # partitions of somebody else's asset
        return []
    return [str(begin + number * _DAY) for number in range((end - begin).days + 1)]
