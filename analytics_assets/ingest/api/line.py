"""The line in which requests stand: who may start when. Knows no clock, no file, no database and no HTTP."""

from dataclasses import astuple, dataclass, field
from typing import Self

from analytics_assets.ingest.api.pace import Pace

# A request takes its place in the line no earlier than this; the places of a run that is killed are lost to the others.
_AHEAD_SECONDS = 1.0
# While one request tries whether the API takes requests again, the others look this often, ...
_LOOK_SECONDS = 0.05
# ... and send the next one when nothing is heard of it for so long: its process may have been killed.
_PROBE_SECONDS = 20.0


@dataclass
class Line:
    """What all runs share. All moments are of one clock, that of the place where it is kept."""

    written_at: float = 0.0
    next_slot: float = 0.0
    closed_at: float = 0.0
    """When the API began to refuse; 0 while the gate is open."""
    not_before: float = 0.0
    probe_until: float = 0.0
    """Until then another request's answer is waited for."""
    pace: Pace = field(default_factory=Pace)

    @classmethod
    def of_numbers(cls, numbers: tuple[float, ...]) -> Self:
        """Return the line that ``numbers`` has written."""
        written_at, next_slot, closed_at, not_before, probe_until, *pace = numbers
        return cls(written_at, next_slot, closed_at, not_before, probe_until, Pace(*pace))

    def numbers(self) -> tuple[float, ...]:
        """Return all of it, to be kept."""
        *own, pace = astuple(self)
        return (*own, *pace)

    def holds_back(self, now: float) -> bool:
        """Whether a request that would start now has to stand in line."""
        return self.closed_at > 0 or self.pace.per_second(now) > 0

    def turn(self, now: float, ceiling: float) -> tuple[float, bool]:
        """Return the seconds to wait, and whether a request may start then or has to ask again."""
        if self.closed_at:
            if (seconds := self.not_before - now) > 0:
                return seconds, False
            if self.probe_until > now:
                return min(self.probe_until - now, _LOOK_SECONDS), False
            self.probe_until = now + _PROBE_SECONDS
            return 0.0, True
        slot = max(now, self.next_slot)
        if slot - now > _AHEAD_SECONDS:
            return slot - now - _AHEAD_SECONDS / 2, False
        self._line_up_after(slot, now, ceiling)
        return slot - now, True

    def open(self, now: float, ceiling: float) -> None:
        """Let requests go again, the first of them one pace after the one that has just passed."""
        self.pace.learn(self.closed_at, now)
        self.closed_at = 0.0
        self._line_up_after(now, now, ceiling)

    def _line_up_after(self, slot: float, now: float, ceiling: float) -> None:
        paces = [pace for pace in (ceiling, self.pace.per_second(now)) if pace]
        self.next_slot = slot + 1 / min(paces) if paces else slot
