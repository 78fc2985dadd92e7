"""What the alerts know between two ticks: Dagster keeps it as the sensor's cursor, as JSON."""

import logging

from pydantic import BaseModel, Field, ValidationError

from analytics_assets.alerts.days import Days

VERSION = 1
_MOST_CAUSES = 100
_MOST_MESSAGES = 100


class Cause(BaseModel):
    """Why something is not loaded, from its first failure until that is over. Moments are seconds of the epoch."""

    key: str
    """Causes of one key are one: the kind of what concerns all endpoints, kind and endpoint of the rest."""
    kind: str
    reason: str
    advice: str
    run_id: str
    """The run that failed first."""
    since: float
    days: dict[str, Days]
    """What failed, by asset, and is not loaded yet."""
    failed_at: dict[str, float]
    """When each of these assets failed last."""
    told_at: float = 0.0
    """When it was told last; 0: not yet."""
    came_again: bool = False
    """Whether days were added to it after one of its assets was loaded."""


class Message(BaseModel):
    """A message under way. A receiver that gets an id twice got one message twice."""

    id: str
    text: str


class Delivery(BaseModel):
    """How the last attempts went: failures in a row, and the moment before which there is no other attempt."""

    failures: int = 0
    not_before: float = 0.0


class State(BaseModel):
    """All of it."""

    version: int = VERSION
    seen: list[int] = Field(default_factory=list)
    """Numbers of the newest events of ended runs that were looked at."""
    waiting: dict[str, float] = Field(default_factory=dict)
    """Failed runs that Dagster may run again, with the moment at which they failed."""
    causes: list[Cause] = Field(default_factory=list)
    outbox: list[Message] = Field(default_factory=list)
    delivery: Delivery = Field(default_factory=Delivery)
    summarised: float = 0.0
    """The moment, by ``summary_cron``, for which the last summary was made."""
    look_for_given_up: bool = True
    """Whether a load has failed since the ledger was last asked what ``gap_filler`` has given up."""


def read_state(cursor: str | None, log: logging.Logger) -> State | None:
    """Return the state of a cursor; ``None`` where there is none, or it is another program's: then it begins anew."""
    if not cursor:
        return None
    try:
        state = State.model_validate_json(cursor)
    except ValidationError:
        state = State(version=0)
    if state.version != VERSION:
        log.error(
            "The sensor's cursor is not one that this version has written. It begins anew, with runs from now on."
        )
        return None
    return state


def bounded(state: State, log: logging.Logger) -> State:
    """Return the state without what is too old to be kept: a cursor is a value in Dagster's database."""
    dropped = len(state.outbox) - _MOST_MESSAGES
    if dropped > 0:
        log.error(
            "%d of the alerts that wait to be delivered are not kept any more, the oldest; the log has them", dropped
        )
    return state.model_copy(update={"causes": state.causes[-_MOST_CAUSES:], "outbox": state.outbox[-_MOST_MESSAGES:]})
