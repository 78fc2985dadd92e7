"""What an answer has beside and around its rows: where the list is, totals, next links, cursors, numbers of pages."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlsplit

from analytics_assets.ingest.fields import Row
from analytics_assets.ingest.probe.names import LIMITS, OFFSETS, PAGES
from analytics_assets.ingest.probe.questions import Answer

# the total of what was asked for goes before the total of all that there is
_TOTALS = [
    "filtercount",
    "total",
    "totalcount",
    "totalresults",
    "totalitems",
    "totalrows",
    "totalrecords",
    "totalelements",
    "totalhits",
    "recordstotal",
    "numfound",
    "nbhits",
    "resultcount",
    "rowcount",
    "count",
]
_TOTAL_HEADERS = ("X-Total-Count", "X-Total", "X-WP-Total", "Total-Count", "X-Pagination-Total-Count")
_PAGES = frozenset(["totalpages", "pagecount", "numpages", "lastpage", "pages"])
_LINKS = frozenset(["next", "nextlink", "nexturl", "nextpageurl", "nextpage", "odatanextlink"])
_CURSORS = [
    "nextcursor",
    "after",
    "endcursor",
    "nextpagetoken",
    "nexttoken",
    "continuationtoken",
    "continuation",
    "pagetoken",
    "cursor",
    "next",
]
_LISTS = [
    "data",
    "items",
    "results",
    "value",
    "values",
    "records",
    "rows",
    "entries",
    "content",
    "list",
    "hits",
    "objects",
]
_WHOLE = re.compile(r"[0-9]{1,15}", re.ASCII)
_PLAIN = re.compile(r"[A-Za-z_]\w*", re.ASCII)


@dataclass(frozen=True)
class RowList:
    """The list of an answer: its JSONPath, its objects, and the paths of other lists that are as long."""

    selector: str
    rows: list[Row]
    rivals: tuple[str, ...] = ()


@dataclass(frozen=True)
class FirstPage:
    """The first answer that has rows: what it was asked with, and its list."""

    answer: Answer
    params: Mapping[str, str | int]
    list: RowList


def selector_of(path: Sequence[str]) -> str:
    """Write the names that lead to a value as a JSONPath; ``$`` is the whole answer."""
    return ".".join(name if _PLAIN.fullmatch(name) else f"'{name}'" for name in path) or "$"


def row_list(answer: Answer) -> RowList | None:
    """Return the longest list of objects; where all are empty, the one whose name says so; ``None`` without one."""
    lists = {path: value for path, value in answer.leaves() if isinstance(value, list)}
    full = {path: rows for path, rows in lists.items() if rows and all(isinstance(row, dict) for row in rows)}
    if full:
        longest = max(len(rows) for rows in full.values())
        first, *others = (path for path, rows in full.items() if len(rows) == longest)
        return RowList(selector_of(first), full[first], tuple(map(selector_of, others)))
    empty = [path for path, rows in lists.items() if not rows and (not path or path[-1].lower() in _LISTS)]
    return RowList(selector_of(empty[0]), []) if empty else None


def rows_at(answer: Answer, selector: str) -> list[Row] | None:
    """Return the rows of a later answer, whose list stands where the first one's did."""
    if not answer.is_fine:
        return None
    for path, value in answer.leaves():
        if isinstance(value, list) and selector_of(path) == selector:
            return [row for row in value if isinstance(row, dict)]
    return None


def totals(answer: Answer) -> dict[str, int]:
    """Return the whole numbers that may be the number of rows, by JSONPath or ``header:…``; the likeliest first."""
    found: list[tuple[int, str, int]] = []
    for path, value in answer.leaves():
        name = _letters(path[-1]) if path else ""
        if name in _TOTALS and (number := _whole(value)) is not None:
            found.append((_TOTALS.index(name), selector_of(path), number))
    headers = {name.lower(): value for name, value in answer.headers.items()}
    for place, name in enumerate(_TOTAL_HEADERS, len(_TOTALS)):
        if (number := _whole(headers.get(name.lower()))) is not None:
            found.append((place, f"header:{name}", number))
    return {selector: number for _, selector, number in sorted(found, key=lambda one: one[0])}


def page_totals(answer: Answer) -> dict[str, int]:
    """Return the whole numbers that may be the number of pages, by JSONPath."""
    leaves = {path: _whole(value) for path, value in answer.leaves() if path and _letters(path[-1]) in _PAGES}
    return {selector_of(path): number for path, number in leaves.items() if number is not None}


def next_links(answer: Answer) -> dict[str, str]:
    """Return the addresses of a next page, by JSONPath or ``header:Link``."""
    found = {
        selector_of(path): value
        for path, value in answer.leaves()
        if isinstance(value, str) and value.startswith(("http://", "https://", "/", "?")) and _leads_on(path)
    }
    return found | ({"header:Link": answer.next_link} if answer.next_link else {})


def next_cursors(answer: Answer) -> dict[str, str]:
    """Return the texts that may be the cursor of the next page, by JSONPath; the likeliest first."""
    found = []
    for path, value in answer.leaves():
        name = _letters(path[-1]) if path else ""
        is_cursor = isinstance(value, str) and value and not value.startswith(("http://", "https://", "/", "?"))
        if is_cursor and name in _CURSORS:
            found.append((_CURSORS.index(name), selector_of(path), value))
    return {selector: value for _, selector, value in sorted(found, key=lambda one: one[0])}


def names_in_link(answer: Answer) -> dict[str, str]:
    """Return the query parameters of the next page's address, which are the API's own names for them."""
    link = next(iter(next_links(answer).values()), "")
    try:
        return dict(parse_qsl(urlsplit(link).query))
    except ValueError:
        return {}


def echoed_names(answer: Answer, count: int) -> dict[str, int]:
    """Return the names of parameters that stand in an answer of so many rows with the value that they have for it."""
    found = {}
    for path, value in answer.leaves():
        name = path[-1] if path else ""
        is_limit = name in LIMITS and value == count
        if isinstance(value, int) and (is_limit or (name in OFFSETS and value == 0) or (name in PAGES and value <= 1)):
            found[name] = value
    return found


def _leads_on(path: tuple[str, ...]) -> bool:
    names = [_letters(name) for name in path[-2:]]
    return names[-1] in _LINKS or (names[-1] in {"href", "url"} and names[0] == "next")


def _whole(value: object) -> int | None:
    if isinstance(value, str) and _WHOLE.fullmatch(value):
        return int(value)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def _letters(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())
