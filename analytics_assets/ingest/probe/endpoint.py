"""One endpoint, from the first question to the last: what is asked in which order, and what each answer settles."""

from analytics_assets.ingest.fields import Row
from analytics_assets.ingest.probe.answers import FirstPage, totals
from analytics_assets.ingest.probe.columns import called_by_us, say_columns
from analytics_assets.ingest.probe.findings import Finding, Known, Said
from analytics_assets.ingest.probe.opening import Opening, paths_of
from analytics_assets.ingest.probe.paging import Paging
from analytics_assets.ingest.probe.questions import Answer, NoRequestLeftError, Questions
from analytics_assets.ingest.probe.rows import CursorField, cursor_field, fields_of, id_fields, nested_list
from analytics_assets.ingest.probe.windows import Asked, Windows
from analytics_assets.ingest.settings import Settings
from analytics_assets.ingest.table.unnest import unnested

# the window is asked for 2 to 4 times, so much is kept for it
_FOR_WINDOWS = 5


def look_at(name: str, named_path: str | None, questions: Questions, known: Known) -> Finding:
    """Ask an endpoint, 12 times at most, and return what that shows; ``known`` learns from it.

    ``named_path`` is its path, if somebody has named it. Raises what ``errors.explain`` has words for.
    """
    finding = Finding(name)
    try:
        _Look(questions, known, finding).open(paths_of(name, named_path, questions.settings.base_url, known.prefix))
    except NoRequestLeftError:
        finding.remarks.append("not sure: the requests that init may make were used up by redirects and retries")
    finding.requests = questions.asked
    return finding


class _Look:
    """What has come from one endpoint so far."""

    def __init__(self, questions: Questions, known: Known, finding: Finding) -> None:
        self._questions = questions
        self._known = known
        self._finding = finding
        self._is_total_doubted = False
        ours = Settings().resolved_endpoints
        self._ours = next((one for one in ours if one.name == finding.name), None)

    def open(self, paths: list[str]) -> None:
        """Ask for the first page, and go on where there is one."""
        opening = Opening(self._questions, self._known)
        first = opening.first_page(paths)
        finding = self._finding
        if first is None:
            finding.problem = opening.problem
            return
        finding.path = self._questions.path
        if finding.path.endswith(f"/{finding.name}"):
            self._known.prefix = finding.path.removesuffix(f"/{finding.name}")
        place = self._questions.place
        finding.say("key_location", place.location, f"{place} was accepted")
        if place.name:
            finding.say("key_name", place.name)
        rows, rivals = first.list.rows, ", ".join(first.list.rivals)
        note = f"{len(rows)} rows came" + (f"; as long are {rivals}" if rivals else "")
        finding.say("data_selector", first.list.selector, note, is_sure=not rivals)
        if rows:
            self._read(first)
        else:
            finding.remarks.append("not sure: no row came, so nothing is known of id, cursor, columns and window")

    def _read(self, first: FirstPage) -> None:
        paging = Paging(self._questions, self._known, self._finding, first)
        paging.find_out()
        self._known.limit_param = paging.limit_param or self._known.limit_param
        self._known.offset_param = paging.offset_param or self._known.offset_param
        likely = self._likely_totals(first.answer, len(first.list.rows), paging.small)
        total = next(iter(likely.values()), None)
        if self._questions.left > _FOR_WINDOWS:
            paging.find_page_size(total)
        cursor = self._look_into(paging.largest)
        proof = None
        if cursor:
            windows = Windows(self._questions, self._finding, cursor, paging.params, paging.names)
            windows.find_out(self._known)
            proof = windows.proof
        paging.find_page_size(total)
        self._say_total(likely, proof)

    def _look_into(self, items: list[Row]) -> CursorField | None:
        """Say cursor, id and columns by the rows; return the cursor."""
        finding, ours = self._finding, self._ours
        cursor_name = ours.cursor if ours else None
        fields = fields_of(items)
        cursor = cursor_field(fields, cursor_name)
        unnest = nested_list(items, has_cursor=cursor is not None)
        if unnest:
            rows, _ = unnested(items, unnest)
            fields = fields_of([row for row in rows if isinstance(row, dict)])
            cursor = cursor_field(fields, cursor_name, unnest)
            finding.say("unnest", unnest, f"each of {len(items)} items has a list of rows, {len(rows)} in all")
        self._say_cursor(cursor)
        paths, is_sure = id_fields(fields, finding.name)
        rows_seen = len(next(iter(fields.values()), []))
        names = [self._declare(path, "text", is_cursor=cursor is not None and path == cursor.path) for path in paths]
        if names:
            note = f"no value came twice in {rows_seen} rows"
            finding.say("id", names[0] if len(names) == 1 else names, note, is_sure=is_sure)
        else:
            finding.remarks.append(
                f"not sure: no field, and no few of them together, tell {rows_seen} rows apart: name them in id"
            )
        say_columns(finding, ours, fields, is_unnested=bool(unnest))
        return cursor

    def _say_cursor(self, cursor: CursorField | None) -> None:
        if cursor is None:
            note = "no field has times, so the list is read whole each time, and replaces the table"
            self._finding.say("window_start_param", "", note, is_sure=False)
            self._finding.say("window_end_param", "")
            return
        name = self._declare(cursor.path, "timestamp", is_cursor=True)
        seen = sum(moment is not None for moment in cursor.moments)
        self._finding.say("cursor", name, f"{seen} times in {len(cursor.moments)} rows", is_sure=cursor.is_sure)

    def _declare(self, path: str, data_type: str, *, is_cursor: bool) -> str:
        """Return the column for id or cursor; where the field is called otherwise, say that it is its source."""
        name = called_by_us(path, self._ours, is_unnested="unnest" in self._finding.settings)
        self._finding.sources[name] = path
        if name != path and name not in self._finding.columns:
            spec = {"from": path, "data_type": "timestamp" if is_cursor else data_type}
            self._finding.columns[name] = Said(spec)
        return name

    def _likely_totals(self, first: Answer, count: int, small: tuple[Answer, int] | None) -> dict[str, int]:
        """Return the numbers that may be the total: not fewer than the rows, and the same where fewer rows came."""
        likely = {selector: number for selector, number in totals(first).items() if number >= count}
        if small and small[1] < count:
            again = totals(small[0])
            # a number of the page's rows follows them
            return {name: number for name, number in likely.items() if again.get(name, -1) > small[1]}
        if may_be_of_page := [name for name, number in likely.items() if number == count]:
            what = f"{', '.join(may_be_of_page)} may be the total (total_selector), or the number of the page's rows"
            self._finding.remarks.append(f"not sure: {what}")
            self._is_total_doubted = True
        return {name: number for name, number in likely.items() if number > count}

    def _say_total(self, likely: dict[str, int], proof: Asked | None) -> None:
        """Say where the total is; where a window was asked for, it has to be the number of the window's rows."""
        seen = list(likely)
        if proof:
            said = totals(proof.answer)
            likely = {
                name: number
                for name, number in likely.items()
                if said.get(name) == proof.items or (proof.is_full and said.get(name, -1) > proof.items)
            }
        if likely:
            selector, number = next(iter(likely.items()))
            note = f"it said {number:,}"
            others = f"; so may be {', '.join([*likely][1:])}" if len(likely) > 1 else ""
            self._finding.say("total_selector", selector, note + others, is_sure=bool(proof))
        elif self._is_total_doubted:
            return
        elif seen:
            what = f"{', '.join(seen)} is another number than that of the rows when a window is asked for"
            self._finding.say("total_selector", "", what)
        else:
            self._finding.say("total_selector", "", "the answer has no number that is the rows'")
