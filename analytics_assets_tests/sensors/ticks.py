"""A tick of a sensor or a schedule, as Dagster's daemon makes it."""

import datetime as dt
from typing import Any

import dagster as dg

from analytics_assets.build import build_definitions
from analytics_assets.timeline import _origin_in_json
from analytics_assets_tests.project import NO_RETRIES


class _Context(dg.ScheduleEvaluationContext):
    """The context of an instance that may be in memory alone: Dagster's own opens one anew, by its reference."""

    held: dg.DagsterInstance

    @property
    def instance(self) -> dg.DagsterInstance:
        """Return the instance that ticks."""
        return self.held


class Ticks:
    """Evaluates the project's sensors and schedules on an instance, and runs what they ask for."""

    def __init__(self, instance: dg.DagsterInstance) -> None:
        """Build the definitions as the settings are now."""
        self.instance = instance
        self.definitions = build_definitions(retry_policy=NO_RETRIES)
        self.cursors: dict[str, str | None] = {}
        self.skipped = ""

    def sensor(self, name: str) -> list[dg.RunRequest]:
        """Return what a sensor asks for; why it does not stands in ``skipped``."""
        sensor = next(one for one in self.definitions.sensors or () if one.name == name)
        resources = self.definitions.resources or {}
        context = dg.build_sensor_context(
            instance=self.instance,
            cursor=self.cursors.get(name),
            sensor_name=name,
            definitions=self.definitions,
            resources={one: resources[one] for one in sensor.required_resource_keys},
        )
        with context:
            found = sensor.evaluate_tick(context)
        self.cursors[name], self.skipped = found.cursor, found.skip_message or ""
        return list(found.run_requests or ())

    def schedule(self, name: str, moment: dt.datetime) -> list[dg.RunRequest]:
        """Return what a schedule asks for at a moment."""
        repository = self.definitions.get_repository_def()
        context = _Context(None, moment, None, repository_def=repository)
        context.held = self.instance
        found = self.definitions.resolve_schedule_def(name).evaluate_tick(context)
        self.skipped = found.skip_message or ""
        return list(found.run_requests or ())

    def run(self, request: dg.RunRequest, job: str = "load_all", sensor: str = "") -> bool:
        """Run what was asked for; whether that succeeded."""
        tags = {**request.tags, **({"dagster/sensor_name": sensor} if sensor else {})}
        result = self.definitions.resolve_job_def(job).execute_in_process(
            partition_key=request.partition_key,
            tags=tags,
            asset_selection=list(request.asset_selection) if request.asset_selection else None,
            instance=self.instance,
            raise_on_error=False,
        )
        return bool(result.success)

    def queue(self, request: dg.RunRequest, sensor: str = "") -> dg.DagsterRun:
        """Have the run stand in the queue, where nobody takes it."""
        job = self.definitions.resolve_job_def("load_all")
        tags = {**request.tags, **({"dagster/sensor_name": sensor} if sensor else {})}
        if request.partition_key:
            tags["dagster/partition"] = request.partition_key
        origin: Any = dg.deserialize_value(_origin_in_json("load_all", "analytics_assets.definitions"))
        return self.instance.create_run_for_job(
            job,
            status=dg.DagsterRunStatus.QUEUED,
            remote_job_origin=origin,
            tags=tags,
            asset_selection=frozenset(request.asset_selection) if request.asset_selection else None,
        )


def days(request: dg.RunRequest) -> tuple[str, str]:
    """Return the first and the last day of a run."""
    edges = (request.tags.get(f"dagster/asset_partition_range_{edge}") for edge in ("start", "end"))
    first, last = (edge or request.partition_key or "" for edge in edges)
    return first, last


def names(request: dg.RunRequest) -> list[str]:
    """Return the endpoints of a run; none where it is of all."""
    return sorted(key.path[-1] for key in request.asset_selection or ())
