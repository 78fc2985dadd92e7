"""The pace of an API, learned from its refusals. Knows no clock, no file and no HTTP."""

import math
from dataclasses import dataclass

# After a refusal the pace begins this much below the one that was refused.
_STEP_BACK = 0.1
# It is back there after the time of so many requests, but no sooner and no later than after so many seconds; a first
# guess, which is mostly too low, is left three times as fast.
_REQUESTS_OF_A_SPAN = 100
_SHORTEST_SPAN, _LONGEST_SPAN = 10.0, 30.0
_HASTE_OF_A_GUESS = 3
_LARGEST_CUT = 3
# After so many spans without a refusal the pace is some seventy times the refused one: there is none any more.
_SPANS_UNTIL_FORGOTTEN = 10
# A pause that the API asks for may be an hour, which says nothing of the pace before it.
_LONGEST_PAUSE_THAT_COUNTS = 10.0
# Refusals that no pace explains teach nothing for a while, unless the API lets hardly anything pass between them.
_DOUBTS = 2
_PASSES_OF_DOUBTS = 16
_DOUBTING_SECONDS = 60.0
_HARDLY_ANY = 4


@dataclass
class Pace:
    """How many requests a second an API takes. All moments are seconds of one clock.

    The first refusal teaches what the API has let pass, its pause counted in. From there the pace rises: soon to where
    it was refused, slowly around that, then ever faster, so that a limit that is lifted is found within a minute or two
    (``1 + 0.1 * (t - 1) ** 3`` times the refused pace, after ``t`` spans). With a refusal, the pace that was reached
    becomes the refused one. If one comes soon after the pace was lowered, the pace was not the reason, or is still too
    high: it is lowered again to what passed, and if that does not help, the refusals are taken for random.
    """

    refused: float = 0.0
    """Requests a second at which the API has refused; 0 where none is known."""
    since: float = 0.0
    """When it was learned. Passes are counted from here."""
    passes: float = 0.0
    """Requests that passed since."""
    is_guess: float = 0.0
    doubts: float = 0.0
    """Refusals in a row that the pace does not explain."""
    passes_in_doubt: float = 0.0
    teaches_from: float = 0.0
    """Until then refusals are taken for random."""

    def per_second(self, now: float) -> float:
        """Return the requests that may be made a second; 0 where nothing is known."""
        if not self.refused:
            return 0.0
        span = self._span / _HASTE_OF_A_GUESS if self.is_guess else self._span
        spans = (now - self.since) / span
        if spans > _SPANS_UNTIL_FORGOTTEN:
            return 0.0
        return self.refused * (1 + _STEP_BACK * (spans - 1) ** 3)

    def learn(self, refused_at: float, now: float) -> None:
        """Take the refusals that began at ``refused_at`` and ended just now, when a request passed."""
        pause = min(now - refused_at, _LONGEST_PAUSE_THAT_COUNTS)
        lasted = max(refused_at - self.since, 0.0)
        sustained = max(self.passes, 1) / max(lasted + pause, 1e-3)
        reached = self.per_second(refused_at)
        if not reached:
            self.refused = 0.0
            if now >= self.teaches_from or self.passes < _HARDLY_ANY:
                self._guess(sustained)
        elif lasted >= self._span / 2 or now - refused_at > _LONGEST_PAUSE_THAT_COUNTS:
            self.refused, self.is_guess = reached, 0.0
            self._trust()
        else:
            self._doubt(reached, sustained, now)
        self.since, self.passes = now, 0.0

    @property
    def _span(self) -> float:
        return min(max(_REQUESTS_OF_A_SPAN / self.refused, _SHORTEST_SPAN), _LONGEST_SPAN)

    def _guess(self, per_second: float) -> None:
        """Begin at this pace, which was sustained."""
        self.refused, self.is_guess = per_second / (1 - _STEP_BACK), 1.0
        self._trust()

    def _trust(self) -> None:
        self.doubts = self.passes_in_doubt = 0.0

    def _doubt(self, reached: float, sustained: float, now: float) -> None:
        self.doubts += 1
        self.passes_in_doubt += self.passes
        if self.is_guess and self.doubts >= _DOUBTS and self.passes_in_doubt >= _PASSES_OF_DOUBTS:
            # what was sustained is refused again and again
            self.refused = 0.0
            self.teaches_from = now + _DOUBTING_SECONDS
        elif self.is_guess or self.doubts < _DOUBTS:
            # it had risen fast, and so a little too far, when it was refused
            self.refused = max(min(reached, sustained), reached * (1 - _STEP_BACK))
        else:
            # the API takes less than it did
            self._guess(min(reached, max(sustained, reached / _LARGEST_CUT)))


def rounded_down(value: float) -> float:
    """Return the value with two digits, and no more than it is: what a person would set."""
    if value <= 0:
        return 0.0
    unit = 10.0 ** (math.floor(math.log10(value)) - 1)
    return round(math.floor(value / unit + 1e-9) * unit, 6)
