"""The first question: at which path an endpoint answers, and with the key in which place."""

from collections.abc import Iterator
from urllib.parse import urlsplit

from analytics_assets.ingest.probe.answers import FirstPage, row_list
from analytics_assets.ingest.probe.findings import Known
from analytics_assets.ingest.probe.names import LIMITS, OFFSETS, PAGES, is_named
from analytics_assets.ingest.probe.questions import KEY_PLACES, USUAL_PLACES, Answer, KeyPlace, Questions

_NOT_FOUND = frozenset({404, 405, 410})
_BAD = frozenset({400, 422})
# the values that ask for the first page
_FIRST_PAGE = ((0, OFFSETS), (1, PAGES), (100, LIMITS))


def paths_of(name: str, named: str | None, base_url: str, prefix: str | None) -> list[str]:
    """Return the paths at which an endpoint may be, below ``base_url``; the one that somebody has ``named`` alone."""
    base = urlsplit(base_url).path.rstrip("/")
    if named:
        below = named.removeprefix(base) if base and named.startswith(f"{base}/") else named
        return list(dict.fromkeys([below, named]))
    before = ["", "/v1"] if base else ["/v1", ""]
    if prefix is not None:
        before.sort(key=lambda one: one != prefix)
    return [f"{one}/{form}" for form in dict.fromkeys([name, name.replace("_", "-")]) for one in before]


class Opening:
    """Tries paths and places of the key until rows come."""

    def __init__(self, questions: Questions, known: Known) -> None:
        self._questions = questions
        self._known = known
        self._params: dict[str, str | int] = {known.limit_param: 100, known.offset_param: 0}
        self._refusal = ""
        self._refused: list[KeyPlace] = []
        self.problem = ""

    def first_page(self, paths: list[str]) -> FirstPage | None:
        """Return the first page; ``None`` where no path answers with rows, and then ``problem`` says what came."""
        places = self._places()
        self._questions.place = next(places)
        for path in paths:
            self._questions.path = path
            while self._questions.left:
                answer = self._ask()
                if self._refuses_key(answer) and (place := next(places, None)):
                    self._refused.append(self._questions.place)
                    self._questions.place = place
                    continue
                found = row_list(answer) if answer.is_fine else None
                if found is not None:
                    self._known.place = self._questions.place
                    return FirstPage(answer, self._params, found)
                self._note(answer)
                break
        return None

    def _ask(self) -> Answer:
        answer = self._questions.ask(self._params)
        self._refusal += answer.text if self._refuses_key(answer) else ""
        hinted: dict[str, str | int] = {}
        while answer.status in _BAD and not self._refuses_key(answer) and self._questions.left and self._params:
            named = {name: value for name, value in _named_in(answer.text).items() if name not in self._params}
            hinted |= named
            self._params = dict(hinted) if named else {}
            answer = self._questions.ask(self._params)
        return answer

    def _refuses_key(self, answer: Answer) -> bool:
        """Say whether an answer is about the key, or about the name of the parameter that has it."""
        place = self._questions.place
        is_unknown = answer.status in _BAD and place.location == "query" and is_named(place.name, answer.text)
        return is_unknown or answer.is_about_the_key

    def _places(self) -> Iterator[KeyPlace]:
        """Yield the places to try: what is known, what a refusal names, and then the usual ones."""
        yield self._known.first_place
        tried = {self._known.first_place}
        if self._known.place:
            return
        while True:
            named = [place for place in KEY_PLACES if place not in tried and place.is_named_in(self._refusal)]
            usual = [place for place in KEY_PLACES[:USUAL_PLACES] if place not in tried]
            if not (named or usual):
                return
            place = (named or usual)[0]
            tried.add(place)
            yield place

    def _note(self, answer: Answer) -> None:
        path = self._questions.path
        if self._refuses_key(answer):
            tried = ", ".join(map(str, [*self._refused, self._questions.place]))
            what = f"{path} answered {answer.status} to the key, in each of these places: {tried}"
        elif answer.is_fine:
            what = f"{path} answered without a list of rows"
        else:
            what = f"{path} answered {answer.status}"
            if answer.status not in _NOT_FOUND:
                what += answer.said
        self.problem = f"{self.problem}; {what}" if self.problem else what


def _named_in(refusal: str) -> dict[str, str | int]:
    """Return the parameters that a refusal names, with values that ask for the first page."""
    return {name: value for value, names in _FIRST_PAGE for name in names if is_named(name, refusal)}
