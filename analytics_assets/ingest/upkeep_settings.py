"""What happens by itself, and what is expected of the numbers: schedules, sensors, alerts, checks and restatements."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from analytics_assets.ingest.list_settings import NonEmpty, read_json

AddsUp = Literal["sum", "unique", "snapshot"]
"""How the numbers of a metric may be put together.

``sum``: they add up, over days and over rows. ``unique``: of people, each counted once a day, who may be the same on
the next: never added. ``snapshot``: as it stood at that moment, of which the latest counts.
"""
_CRON_FIELDS = 5
Bounds = tuple[float, float]

METRICS: dict[str, AddsUp] = {
    "reach": "unique",
    "engaged": "unique",
    "impressions": "sum",
    "views": "sum",
    "likes": "sum",
    "comments": "sum",
    "saves": "sum",
    "shares": "sum",
    "replies": "sum",
    "exits": "sum",
    "taps_forward": "sum",
    "profile_views": "sum",
    "website_clicks": "sum",
    "like_count": "snapshot",
    "follower_count": "snapshot",
    "engagement_rate": "snapshot",
}


class UpkeepSettings(BaseModel):
    """What stands for the whole project: none of these is asked of the API."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    daily_cron: NonEmpty = Field(
        default="0 1 * * *", description="When the schedule `daily_load` runs, in `timezone`: cron, five fields"
    )
    check_cron: NonEmpty = Field(
        default="17 * * * *", description="When the schedule `connection_check` asks whether API and key are fine"
    )
    summary_cron: NonEmpty = Field(
        default="0 8 * * *", description="When `alerts` says what has arrived of yesterday, in `timezone`"
    )
    dagster_url: str = Field(
        default="", description="Where Dagster's UI stands, for the links in alerts; empty: they have none"
    )
    stories_minutes: int = Field(
        default=15, ge=1, le=720, description="Minutes between two looks for new rows where rows expire"
    )
    gap_days: int = Field(
        default=7, ge=1, le=366, description="Days that `gap_filler` asks for at once, where days were never proven"
    )
    gap_tries: int = Field(
        default=3, ge=1, le=20, description="Failed loads of a day after which `gap_filler` gives it up"
    )
    backfill_days: int = Field(
        default=0,
        ge=0,
        le=3660,
        description="Days of one run of a backfill from the UI, so that several workers share it; 0: one run for all",
    )
    insights_after_hours: int = Field(
        default=6, ge=1, le=168, description="Hours within which a story has insights; one that has none is warned of"
    )
    restatements_days: int = Field(
        default=400, ge=1, le=3660, description="Days for which `insight_restatements` keeps what a number was before"
    )
    metrics: dict[NonEmpty, AddsUp] = Field(
        default_factory=lambda: dict(METRICS),
        description="How the numbers of each metric add up: `sum`, `unique`, `snapshot`; one that is not named here is "
        "never added up. What is given stands beside these",
    )
    bounds: dict[NonEmpty, Bounds] = Field(
        default_factory=lambda: {"engagement_rate": (0.0, 1.0)},
        description="Least and most that the numbers of a metric, or of a column, can be; what is outside is warned of",
    )

    @field_validator("daily_cron", "check_cron", "summary_cron")
    @classmethod
    def _is_cron(cls, value: str) -> str:
        # of five fields alone: whoever makes the schedule looks at what they say
        if len(value.split()) != _CRON_FIELDS:
            msg = "must be a cron expression of five fields, such as 0 1 * * *"
            raise ValueError(msg)
        return value

    @field_validator("dagster_url")
    @classmethod
    def _is_address(cls, value: str) -> str:
        if value and not value.startswith(("https://", "http://")):
            msg = "must begin with https:// or http://, as in http://127.0.0.1:3000"
            raise ValueError(msg)
        return value

    @field_validator("metrics", "bounds", mode="before")
    @classmethod
    def _metrics_from_variable(cls, value: object) -> object:
        """Accept the JSON object that an environment variable has to be."""
        return read_json(value, dict, 'a JSON object, such as {"reach": "unique"}') if isinstance(value, str) else value

    @field_validator("metrics")
    @classmethod
    def _beside_ours(cls, value: dict[str, AddsUp]) -> dict[str, AddsUp]:
        return {**METRICS, **value}

    @field_validator("bounds")
    @classmethod
    def _are_in_order(cls, value: dict[str, Bounds]) -> dict[str, Bounds]:
        for name, (least, most) in value.items():
            if not least <= most:
                msg = f"{name}: the least, {least:g}, must not be more than the most, {most:g}"
                raise ValueError(msg)
        return value
