"""Dagster's daemon and its queue, on a clock that is moved by hand: ticks, and the runs these ask for, in order."""

import datetime as dt
from collections.abc import Callable, Iterator

import dagster as dg
import time_machine

from analytics_assets_tests.sensors.ticks import Ticks

_MINUTE = dt.timedelta(minutes=1)
_ENDPOINTS = [dg.AssetKey(name) for name in ("media_insights", "user_insights", "stories", "story_insights")]


class Operator:
    """Ticks schedules and sensors of the project, and runs what they ask for, one run a minute.

    The report is left out of the runs: to draw it takes as long as the rest of a day, and other tests do.
    """

    def __init__(
        self, instance: dg.DagsterInstance, clock: time_machine.Traveller, after_run: Callable[[], None]
    ) -> None:
        """Begin now; ``after_run`` is called when a run has ended."""
        self._clock = clock
        self._ticks = Ticks(instance)
        self._after_run = after_run
        self._ticked_at = dt.datetime.now(dt.UTC)
        self._asked: set[tuple[str, str | None]] = set()
        self.runs: list[tuple[str, dt.datetime, bool]] = []
        """Who asked for each run, when it began, and whether it succeeded."""

    def tick(self, now: dt.datetime) -> None:
        """Tick all at a moment; a schedule whose time came since the last tick, then too."""
        self._clock.move_to(now)
        asked = [*self._schedules(), *self._sensors()]
        self._ticked_at = now
        # the sort is stable, as the queue is
        for name, job, request in sorted(asked, key=lambda one: -int(one[2].tags.get("dagster/priority", 0))):
            if (name, request.run_key) in self._asked:
                continue
            self._asked.add((name, request.run_key))
            self._clock.shift(_MINUTE)
            began = dt.datetime.now(dt.UTC)
            chosen = [key for key in request.asset_selection or _ENDPOINTS if key in _ENDPOINTS]
            lean = request.with_replaced_attrs(asset_selection=chosen) if job == "load_all" else request
            self.runs.append((name, began, self._ticks.run(lean, job, sensor=name)))
            self._after_run()
        self._ticks.sensor("alerts")

    def _schedules(self) -> Iterator[tuple[str, str, dg.RunRequest]]:
        for schedule in self._ticks.definitions.schedules or ():
            assert isinstance(schedule, dg.ScheduleDefinition)
            due = dg.TimeWindowPartitionsDefinition(
                start="2025-03-01",
                fmt="%Y-%m-%d",
                cron_schedule=str(schedule.cron_schedule),
                timezone=schedule.execution_timezone,
            ).get_last_partition_window()
            # of several that were missed, the last
            if due and due.end > self._ticked_at:
                for request in self._ticks.schedule(schedule.name, due.end):
                    yield schedule.name, schedule.job_name, request

    def _sensors(self) -> Iterator[tuple[str, str, dg.RunRequest]]:
        for name in ("new_stories", "gap_filler"):
            for request in self._ticks.sensor(name):
                yield name, "load_all", request
