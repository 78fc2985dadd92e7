"""By which parameters an API filters by time: the usual names are tried at once, each pair with its own window.

``since=<1 March>&until=…&start=<2 March>&end=…``: of which moment the rows are that come says which pair was heard. An
API passes over parameters that it does not know, or refuses them, and then each is tried by itself.
"""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

from analytics_assets.ingest.probe.answers import rows_at, totals
from analytics_assets.ingest.probe.findings import Finding, Known
from analytics_assets.ingest.probe.names import PAIRS, Pair, is_named, speaks_of_unknown
from analytics_assets.ingest.probe.questions import Answer, Questions
from analytics_assets.ingest.probe.rows import CursorField
from analytics_assets.ingest.window import Window

_OF_PAGES = frozenset({"limit_param", "offset_param", "page_param", "cursor_param"})
_FORMATS = {
    "datetime": ("datetime", "date", "epoch"),
    "date": ("date", "datetime", "epoch"),
    "epoch": ("epoch", "datetime", "date"),
}
_UNITS = {"datetime": dt.timedelta(seconds=1), "date": dt.timedelta(days=1), "epoch": dt.timedelta(seconds=1)}
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_REFUSED = frozenset({400, 404, 422, 500})


@dataclass(frozen=True)
class Asked:
    """The answer to a window, how many items and rows were in it, and whether more would not have fitted."""

    answer: Answer
    items: int
    rows: int
    is_full: bool


class Windows:
    """Finds the pair of parameters of one endpoint.

    ``params`` are sent with each question; ``cursor`` has the moments of the rows that come without a window.
    """

    def __init__(
        self,
        questions: Questions,
        finding: Finding,
        cursor: CursorField,
        params: dict[str, str | int],
        taken: frozenset[str],
    ) -> None:
        self._questions = questions
        self._settings = questions.settings
        self._cursor = cursor
        self._selector = str(finding.settings["data_selector"].value)
        self._finding = finding
        self._params = params
        # names that ask for a page
        self._taken = {
            *taken,
            *params,
            *(str(finding.settings[name].value) for name in _OF_PAGES & finding.settings.keys()),
        }
        # those that a refusal names, so that the API knows them
        self._refused: list[Pair] = []
        self._is_strict = False
        self._moments = sorted({moment for moment in cursor.moments if moment})
        self.proof: Asked | None = None
        """The last window, asked with nothing but the pair that was found."""

    def find_out(self, known: Known) -> None:
        """Say in the finding by which parameters the API filters, or that none of the usual ones does."""
        finding = self._finding
        found = None
        if known.window:
            start, end, form = known.window
            found = self._narrowed([(start, end)], form)
        for form in _FORMATS[self._cursor.form] if not found else ():
            found = self._narrowed(self._refused or self._free_pairs(), form)
            if found:
                break
        if not found and self._is_strict:
            form = _FORMATS[self._cursor.form][0]
            alone = (self._narrowed([pair], form) for pair in self._free_pairs() if self._questions.left)
            found = next(filter(None, alone), None)
        if found is None:
            finding.remarks += self._nothing_found()
            return
        pair, form, end = found
        names = self._named(pair)
        known.window = (*pair, form)
        note = f"asked for the time between two rows, {self.proof.rows if self.proof else 0} of that time came"
        finding.say("window_start_param", names[0], note)
        finding.say("window_end_param", names[1])
        finding.say("window_format", form)
        said = {
            "exclusive": "no row of the window's end came",
            "inclusive": "rows of the window's end came",
            "": "whether rows of the window's end come was not seen",
        }
        finding.say("window_end", end or "exclusive", said[end], is_sure=bool(end))

    def _narrowed(self, pairs: Sequence[Pair], form: str) -> tuple[Pair, str, str] | None:
        """Ask with all of the pairs, then with those that may have been heard, until one by itself has proved it."""
        is_heard = False
        units = self._units(form)
        while pairs and self._questions.left:
            if len(pairs) == 1:
                return self._proved(pairs[0], form, units)
            groups: dict[dt.datetime, Sequence[Pair]] = _groups(pairs, units)
            if is_heard and len(groups) == 1:
                # all for one window: by the half that is not asked it shows which it was
                groups = {start: pairs[: len(pairs) // 2] for start in groups}
            answer = self._questions.ask(self._params | self._asking(groups, form))
            if answer.status in _REFUSED:
                pairs = self._without_refused(pairs, answer)
                continue
            start = self._heard(answer, form, groups)
            if start is None:
                if not is_heard:
                    return None
                pairs = [pair for pair in pairs if pair not in next(iter(groups.values()))]
                continue
            is_heard, pairs = True, groups[start]
        return None

    def _proved(self, pair: Pair, form: str, units: list[dt.datetime]) -> tuple[Pair, str, str] | None:
        """Ask with that pair alone, from one moment that has rows to the next, and say whether the end's rows came."""
        place = max((len(units) - 1) // 2, 0)
        start = units[place]
        end = units[place + 1] if place + 1 < len(units) else start + _UNITS[form]
        answer = self._questions.ask(self._params | self._of_pair(pair, start, end, form))
        items, came = rows_at(answer, self._selector) or [], self._moments_of(answer)
        if not came or not all(start <= moment < end + _UNITS[form] for moment in came):
            return None
        if len(units) == 1 and not self._is_other_total(answer, len(came)):
            return None
        # a page that is full may have been cut before the end
        is_full = len(items) >= max(filter(None, map(_number, self._params.values())), default=len(items))
        self.proof = Asked(answer, len(items), len(came), is_full)
        at_end = [moment for moment in came if moment >= end]
        is_of_days = self._cursor.form == "date"
        if form == "date" and at_end and not is_of_days and not any(moment > end for moment in at_end):
            # rows of the end's first instant alone: an inclusive end would stand for the whole day
            return pair, form, ""
        if at_end:
            return pair, form, "inclusive"
        return pair, form, "exclusive" if end in units and not is_full else ""

    def _heard(self, answer: Answer, form: str, groups: dict[dt.datetime, Sequence[Pair]]) -> dt.datetime | None:
        """Return the start of the window that the rows are of; ``None`` where they are of none."""
        came = self._moments_of(answer)
        if not came:
            return None
        start = _floor(min(came), form)
        is_of_window = start in groups and max(came) < start + 2 * _UNITS[form]
        is_changed = len(self._units(form)) > 1 or self._is_other_total(answer, len(came))
        return start if is_of_window and is_changed else None

    def _is_other_total(self, answer: Answer, count: int) -> bool:
        """Say whether fewer rows are meant than without a window, where all that came are of one moment."""
        before = len([moment for moment in self._cursor.moments if moment])
        return count < before or any(total == count != before for total in totals(answer).values())

    def _moments_of(self, answer: Answer) -> list[dt.datetime]:
        rows = rows_at(answer, self._selector) or []
        return [moment for moment in self._cursor.moments_in(rows) if moment]

    def _units(self, form: str) -> list[dt.datetime]:
        return sorted({_floor(moment, form) for moment in self._moments})

    def _asking(self, groups: dict[dt.datetime, Sequence[Pair]], form: str) -> dict[str, str | int]:
        asked: dict[str, str | int] = {}
        for start, pairs in groups.items():
            for pair in pairs:
                asked |= self._of_pair(pair, start, start + _UNITS[form], form)
        return asked

    def _of_pair(self, pair: Pair, start: dt.datetime, end: dt.datetime, form: str) -> dict[str, str | int]:
        names = self._named(pair)
        settings = {"window_start_param": names[0], "window_end_param": names[1], "window_format": form}
        return Window(start, end).params(self._settings.model_copy(update={**settings, "window_end": "exclusive"}))

    def _named(self, pair: Pair) -> Pair:
        *_, field = self._cursor.path.split(".")
        return pair[0].format(cursor=field), pair[1].format(cursor=field)

    def _free_pairs(self) -> list[Pair]:
        return [pair for pair in PAIRS if not {*self._named(pair)} & self._taken]

    def _without_refused(self, pairs: Sequence[Pair], answer: Answer) -> list[Pair]:
        """Return the pairs that are still worth asking with, after a refusal of them together."""
        named = [pair for pair in pairs if any(is_named(name, answer.text) for name in self._named(pair))]
        if not named:
            self._is_strict = True
            return []
        if not speaks_of_unknown(answer.text):
            # it knows these, and does not like what was in them: another format may be right
            self._refused = named
        return [pair for pair in pairs if pair not in named]

    def _nothing_found(self) -> list[str]:
        tried = ", ".join(f"{start}/{end}" for start, end in map(self._named, self._free_pairs()))
        why = "" if self._questions.left else " before the requests that init may make were used up"
        names = "Name the vendor's own in window_start_param and window_end_param."
        wrong = "the API refuses them, or gives the whole list for a day; that day's rows are kept, and a check warns."
        none = 'A short list that is always whole can be read so: window_start_param = "" and window_end_param = ""'
        return [
            f"not sure: none of these filtered by time{why}, as datetime, date or epoch: {tried}",
            f"{names} Where they are wrong, {wrong} {none}",
        ]


def _groups(pairs: Sequence[Pair], units: list[dt.datetime]) -> dict[dt.datetime, Sequence[Pair]]:
    """Give each pair the start of a window; as many different ones, as far apart, as there are moments with rows."""
    count = min(len(pairs), len(units))
    starts = [units[place * len(units) // count] for place in range(count)]
    groups: dict[dt.datetime, list[Pair]] = {start: [] for start in starts}
    # two pairs that have the end in common can only be asked for the same window
    by_end: dict[str, dt.datetime] = {}
    for place, pair in enumerate(pairs):
        groups[by_end.setdefault(pair[1], starts[place % count])].append(pair)
    return {start: several for start, several in groups.items() if several}


def _number(value: str | int) -> int:
    return value if isinstance(value, int) else 0


def _floor(moment: dt.datetime, form: str) -> dt.datetime:
    unit = _UNITS[form]
    return _EPOCH + (moment - _EPOCH) // unit * unit
