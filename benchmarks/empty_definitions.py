"""Four assets that do nothing, in the calendar and executor of ours: what a command of Dagster takes by itself."""

import dagster as dg

_DAYS = dg.DailyPartitionsDefinition("2025-01-01", end_offset=1)


def _nothing(name: str) -> dg.AssetsDefinition:
    @dg.asset(name=name, partitions_def=_DAYS)
    def load() -> None: ...

    return load


defs = dg.Definitions(
    assets=[_nothing(name) for name in ("media_insights", "user_insights", "stories", "story_insights")],
    executor=dg.in_process_executor,
)
