"""The fault matrix, as data: what the API does, on which page, and what must come of it.

What belongs here: the cases. How one is played stands in ``stage.py``, and ``write_docs.py`` makes the table of
``docs/reliability.md`` from them.
"""

import datetime as dt
import gzip
import itertools
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Literal
from urllib.parse import quote

from analytics_assets.ingest.errors import Kind
from analytics_assets.sandbox.shape import ABSENT
from analytics_assets_tests.project import KEY

Row = dict[str, Any]
Span = tuple[dt.datetime | None, dt.datetime | None]
Place = Literal["first", "middle", "last"]

PLACES: tuple[Place, ...] = ("first", "middle", "last")
PAGE_SIZE = 100
ROWS = 250
RETRIED = (429, 500, 502, 503, 504)
STRUCK = 5
"""Which row of the page a fault of a single row strikes."""


@dataclass(frozen=True, kw_only=True)
class Whole:
    """The load succeeds, and the table is exactly what the API has."""

    retries: int = 0
    rereads: int = 0

    def __str__(self) -> str:
        return "whole table" + (", after a retry" if self.retries else "") + (", read again" if self.rereads else "")


@dataclass(frozen=True, kw_only=True)
class SetAside:
    """The load succeeds, and the table is exact but for one row, which is in ``stories__rejected`` with this reason."""

    reason: str

    def __str__(self) -> str:
        return "whole table; the row is set aside"


@dataclass(frozen=True, kw_only=True)
class Outside:
    """The load succeeds, and the table is exact but for one row, which lies outside of the window and is counted."""

    def __str__(self) -> str:
        return "whole table; the row is dropped and counted"


@dataclass(frozen=True, kw_only=True)
class Failed:
    """The run fails with this kind, and its message contains these words; the table stays as it was."""

    kind: Kind
    words: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"fails: {self.kind}"


Outcome = Whole | SetAside | Outside | Failed


@dataclass(frozen=True, kw_only=True)
class Strike:
    """A sandbox fault on the page in question; ``times`` ``None`` is for ever, ``everywhere`` is on every page."""

    kind: str
    options: Mapping[str, Any] = field(default_factory=dict)
    times: int | None = None
    everywhere: bool = False


@dataclass(frozen=True, kw_only=True)
class Case:
    """One line of the matrix.

    ``strike`` is a fault of the answer. ``change`` alters the API's rows when the page is asked for, once or, with
    ``restless``, in every pass. ``row`` makes another of one row of the page; ``becomes`` are the values it then has in
    the table. ``rows`` replaces all of the API's rows, ``key`` the key that is configured. ``refuses`` has the server
    refuse connections from that page on, ``unlimited`` has the page bring all rows that follow, and ``read_as`` takes
    the window for another one.
    ``loads`` names the places at which the case is played down to the warehouse; at the others it is only read.
    """

    section: str
    name: str
    outcome: Outcome
    at: Mapping[Place, Outcome] = field(default_factory=dict)
    strike: Strike | None = None
    change: Callable[[list[Row]], None] | None = None
    restless: bool = False
    row: Callable[[Row], Any] | None = None
    becomes: Mapping[str, Any] = field(default_factory=dict)
    rows: tuple[Row, ...] | None = None
    key: str | None = None
    refuses: bool = False
    unlimited: bool = False
    read_as: Callable[[Span], Span] | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    has_total: bool = True
    places: tuple[Place, ...] = PLACES
    loads: tuple[Place, ...] = ()

    def outcome_at(self, place: Place) -> Outcome:
        """Return what must come of it on that page."""
        return self.at.get(place, self.outcome)

    def outcome_is_kept(self, place: Place) -> bool:
        """Whether the row that is struck is in the table."""
        return isinstance(self.outcome_at(place), Whole)

    def offset_of(self, place: Place) -> int:
        """Return the offset of that page; without a total each page begins with the last row of the one before."""
        return PLACES.index(place) * (PAGE_SIZE if self.has_total else PAGE_SIZE - 1)


def window_rows(count: int = ROWS) -> list[Row]:
    """Return stories of 1 March 2025, every column of every kind, some null and some not plain ASCII."""
    captions = ("New in the shop today ☕️", "תודה רבה", "", None, 'She said "hello",\nthen left \\o/', "100 % 夏")
    return [
        {
            "id": f"s{number:03d}",
            "user_id": f"user_{number % 5}",
            "media_type": ("IMAGE", "VIDEO", None)[number % 3],
            "media_url": f"https://cdn.social.example/{number}.jpg" if number % 7 else None,
            "permalink": None,
            "caption": captions[number % len(captions)],
            "like_count": number if number % 11 else None,
            "is_shared_to_feed": (True, False, None)[number % 3],
            "timestamp": f"2025-03-01T{number // 60:02d}:{number % 60:02d}:00Z",
            "expires_at": f"2025-03-02T{number // 60:02d}:{number % 60:02d}:00Z",
        }
        for number in range(count)
    ]


def undeclared(number: int) -> Row:
    """Return fields that no endpoint declares, of every kind, some null and one with a name that has to change."""
    return {
        "mediaId": f"0{number}",
        "rank": number - 7 if number % 9 else None,
        "score": number / 8,
        "pinned": number % 2 == 0,
        "tags": [number, "a"] if number % 5 else None,
    }


def newcomer(name: str) -> Row:
    """Return a story that was not there before."""
    return {**window_rows(1)[0], "id": name}


def _kind_of(status: int) -> Kind:
    named: dict[int, Kind] = {401: "key refused", 403: "key refused", 404: "path not found"}
    return "API failing" if status in RETRIED or status >= 520 else named.get(status, "request refused")


def _statuses() -> list[Case]:
    """Every status that has a name from 400 to 504, and some beyond."""
    named = [status.value for status in HTTPStatus if 400 <= status <= 504]
    cases = [
        Case(
            section="Statuses",
            name=f"{status} {HTTPStatus(status).phrase}" if status in named else f"{status}, a vendor's own",
            strike=Strike(kind="status", options={"status": status}),
            outcome=Failed(
                kind=_kind_of(status),
                words=(f"answered {status}", *(("max_requests_per_second = ",) if status == 429 else ())),
            ),
            # smaller pages begin where none is refused
            at={"middle": Whole(), "last": Whole()} if status == 413 else {},
            loads=("middle",) if status in {401, 404, 413, 422, 429, 503} else (),
        )
        for status in [*named, 507, 520, 599]
    ]
    return (
        cases
        + [
            Case(
                section="Statuses",
                name=f"{status} twice, then the page",
                strike=Strike(kind="status", options={"status": status}, times=2),
                outcome=Whole(retries=2),
                loads=("middle",) if status == 503 else (),
            )
            for status in RETRIED
        ]
        + [
            Case(
                section="Statuses",
                name="every second request is refused (429)",
                strike=Strike(
                    kind="rate_limit",
                    options={"allows": itertools.cycle([False, True]).__next__, "retry_after": None},
                    everywhere=True,
                ),
                outcome=Whole(retries=3),
                places=("first",),
                loads=("first",),
            )
        ]
    )


def _retry_after() -> list[Case]:
    forms = {
        "`7`": "7",
        "`0`": "0",
        "`-5`": "-5",
        "`1.5`": "1.5",
        "`soon`": "soon",
        "empty": "",
        "a date gone by": "Wed, 01 Jan 2020 00:00:00 GMT",
        "an impossible date": "Fri, 31 Feb 2025 25:61:00 GMT",
        "a date beyond the calendar": "Fri, 01 Jan 99999 00:00:00 GMT",
    }
    too_long = {
        "a year": str(365 * 86_400),
        "a date to come": "Fri, 01 Jan 2100 00:00:00 GMT",
        "5,000 digits": "9" * 5_000,
    }
    return (
        [
            Case(
                section="`Retry-After`",
                name=f"429 twice with `Retry-After`: {form}",
                strike=Strike(kind="status", options={"status": 429, "headers": {"Retry-After": text}}, times=2),
                outcome=Whole(retries=2),
                loads=("last",) if text == "7" else (),
            )
            for form, text in forms.items()
        ]
        + [
            Case(
                section="`Retry-After`",
                name=f"429 twice with `Retry-After`: {form}",
                strike=Strike(kind="status", options={"status": 429, "headers": {"Retry-After": text}}, times=2),
                outcome=Failed(kind="API failing", words=("answered 429", "longer than max_retry_after")),
            )
            for form, text in too_long.items()
        ]
        + [
            Case(
                section="`Retry-After`",
                name="503 for ever with `Retry-After`: `1`",
                strike=Strike(kind="status", options={"status": 503, "headers": {"Retry-After": "1"}}),
                outcome=Failed(kind="API failing", words=("answered 503",)),
            ),
        ]
    )


_BROKEN: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
    "closed before an answer": ("close", {}, {}),
    "reset before an answer": ("close", {"reset": True}, {}),
    "closed after the headers": ("truncate", {"keep": 0.0}, {}),
    "reset after the headers": ("truncate", {"keep": 0.0, "reset": True}, {}),
    "closed within the body": ("truncate", {"keep": 0.5}, {}),
    "reset within the body": ("truncate", {"keep": 0.5, "reset": True}, {}),
    "closed one byte before the end": ("truncate", {"keep": 1.0}, {}),
    "no answer in time": ("latency", {"seconds": 1.5}, {"read_timeout": 0.5}),
    "a body that drips": ("slow_body", {"delay": 0.3, "chunks": 8}, {"response_timeout": 0.6}),
}


def _connections() -> list[Case]:
    cases = []
    for name, (kind, options, settings) in _BROKEN.items():
        fewer = {"max_retries": 1} if settings else {}
        cases += [
            Case(
                section="Connections",
                name=f"{name}, once",
                strike=Strike(kind=kind, options=options, times=1),
                settings=settings,
                outcome=Whole(retries=1),
                loads=("first",) if kind == "truncate" and options == {"keep": 0.5} else (),
            ),
            Case(
                section="Connections",
                name=f"{name}, for ever",
                strike=Strike(kind=kind, options=options),
                settings=settings | fewer,
                outcome=Failed(kind="unreachable", words=("offset={offset}",)),
                loads=("middle",) if name in {"reset before an answer", "a body that drips"} else (),
            ),
        ]
    return [
        *cases,
        *(
            Case(
                section="Connections",
                name=f"an informational answer ({name}) before the answer",
                strike=Strike(kind="early_hints", options={"status": status}),
                outcome=Whole(),
            )
            for status, name in ((100, "100 Continue"), (102, "102 Processing"), (103, "103 Early Hints"))
        ),
        Case(
            section="Connections",
            name="refused",
            refuses=True,
            # a page that was asked for ahead may be the first to find the door closed
            outcome=Failed(kind="unreachable", words=("/v1/stories", "offset=")),
            loads=("first",),
        ),
        Case(
            section="Connections",
            name="a redirect to another host",
            strike=Strike(kind="redirect", options={"location": "http://127.0.0.1:9/v1/stories"}),
            outcome=Failed(kind="request refused", words=("another host", "127.0.0.1:9")),
        ),
        Case(
            section="Connections",
            name="a redirect without the key",
            strike=Strike(kind="redirect", options={"location": "?limit=100&offset=0"}),
            outcome=Failed(kind="key refused", words=("answered 401",)),
        ),
    ]


_SHAPES: dict[str, tuple[str, dict[str, Any], str]] = {
    "an HTML page": ("html", {}, "no valid JSON"),
    "an error object": ("error_in_200", {"message": "try later"}, "try later"),
    "an error text": ("body", {"content": b'{"error": "no such account"}'}, "no such account"),
    "a list of errors": ("body", {"content": b'{"errors": ["no such account"]}'}, "no such account"),
    "an error beside an empty `data`": ("body", {"content": b'{"data": [], "error": "try later"}'}, "try later"),
    "no `data`": ("no_data", {}, "it has no 'data'"),
    "`data` null": ("null_data", {}, "its 'data' is None"),
    "`data` an object": ("data_not_list", {"value": {"a": 1}}, "its 'data' is {'a': 1}"),
    "`data` text": ("data_not_list", {"value": "rows"}, "its 'data' is 'rows'"),
    "`data` a number": ("data_not_list", {"value": 250}, "its 'data' is 250"),
    "an empty body": ("body", {"content": b""}, "no valid JSON"),
    "204 No Content": ("body", {"content": b"", "status": 204}, "answered 204"),
    "304 Not Modified": ("body", {"content": b"", "status": 304}, "answered 304"),
    "`null`": ("body", {"content": b"null"}, "it has no 'data'"),
    "a number": ("body", {"content": b"250"}, "it has no 'data'"),
    "a text": ("body", {"content": b'"rows"'}, "it has no 'data'"),
    "a bare list": ("body", {"content": b"[1, 2]"}, "it has no 'data'"),
    "`NaN`": ("body", {"content": b'{"data": [{"id": "a", "like_count": NaN}]}'}, "no valid JSON"),
    "invalid UTF-8": ("body", {"content": b'{"data": [{"id": "a\xff"}]}'}, "no valid JSON"),
    "Latin-1": ("body", {"content": '{"data": [{"id": "Käse"}]}'.encode("latin-1")}, "no valid JSON"),
    "UTF-16": ("body", {"content": '{"data": []}'.encode("utf-16")}, "no valid JSON"),
    "half of a surrogate": ("body", {"content": rb'{"data": [{"id": "\ud800"}]}'}, "no valid JSON"),
    "JSON 100,000 lists deep": ("body", {"content": b"[" * 100_000 + b"]" * 100_000}, "no valid JSON"),
    "two JSON documents": ("body", {"content": b'{"data": []}\n{"data": []}'}, "no valid JSON"),
    "`total` text": ("total", {"value": "many"}, "its 'total' is 'many'"),
    "`total` negative": ("total", {"value": -1}, "its 'total' is -1"),
    "`total` 2.5": ("total", {"value": 2.5}, "its 'total' is 2.5"),
    "`total` true": ("total", {"value": True}, "its 'total' is True"),
    "`total` an object": ("total", {"value": {"value": 250}}, "its 'total' is {'value': 250}"),
}


def _shapes() -> list[Case]:
    cases = [
        Case(
            section="Answers with status 200 that are none",
            name=name,
            strike=Strike(kind=kind, options=options),
            outcome=Failed(kind="wrong shape", words=("offset={offset}", words)),
            loads=("middle",) if name in {"an HTML page", "an error object", "`data` null", "`total` text"} else (),
        )
        for name, (kind, options, words) in _SHAPES.items()
    ]
    cases += [
        Case(
            section="Answers with status 200 that are none",
            name=f"{name}, once",
            strike=Strike(kind=kind, options=options, times=1),
            outcome=Whole(retries=1),
            loads=("middle",) if kind == "html" else (),
        )
        for name, (kind, options) in {
            "an HTML page": ("html", {}),
            "a JSON document that is cut": ("body", {"content": b'{"total": 250, "data": [{"id": "s000"}, {"id": "s0'}),
            "an empty body": ("body", {}),
        }.items()
    ]
    return [
        *cases,
        Case(
            section="Answers with status 200 that are none",
            name="a broken gzip body",
            strike=Strike(kind="body", options={"content": b"no gzip", "headers": {"Content-Encoding": "gzip"}}),
            outcome=Failed(kind="wrong shape", words=("offset={offset}", "gzip")),
        ),
        Case(
            section="Answers with status 200 that are none",
            name="a page above `max_response_mb`",
            strike=Strike(kind="body", options={"content": b'{"data": ["' + b"a" * 2**21 + b'"]}'}),
            settings={"max_response_mb": 1},
            outcome=Failed(kind="wrong shape", words=("offset={offset}", "more than 1 MiB", "page_size")),
            loads=("middle",),
        ),
        Case(
            section="Answers with status 200 that are none",
            name="a gzip body that unpacks to 64 MiB",
            strike=Strike(
                kind="body", options={"content": gzip.compress(bytes(2**26)), "headers": {"Content-Encoding": "gzip"}}
            ),
            settings={"max_response_mb": 1},
            outcome=Failed(kind="wrong shape", words=("offset={offset}", "more than 1 MiB")),
        ),
    ]


def _incomplete(*words: str) -> Failed:
    return Failed(kind="incomplete", words=("incomplete: ", *words, "asked {'since': '2025-03-01"))


def _pages() -> list[Case]:
    section = "Pages"
    repeats = _incomplete("repeats rows")
    cases = [
        Case(
            section=section,
            name="a page capped at 40 rows" + without,
            strike=Strike(kind="cap", options={"rows": 40}),
            outcome=Whole(),
            has_total=has_total,
            loads=("middle",) if has_total else (),
        )
        for has_total, without in ((True, ""), (False, ", no total"))
    ]
    return [
        *cases,
        Case(
            section=section,
            name="every page capped at 40 rows",
            strike=Strike(kind="cap", options={"rows": 40}, everywhere=True),
            outcome=Whole(),
            places=("first",),
            loads=("first",),
        ),
        Case(
            section=section,
            name="every page capped at 40 rows, no total",
            strike=Strike(kind="cap", options={"rows": 40}, everywhere=True),
            outcome=Whole(),
            has_total=False,
            places=("first",),
        ),
        Case(
            section=section,
            name="the limit ignored: all rows that follow",
            unlimited=True,
            outcome=Whole(),
            loads=("first",),
        ),
        Case(
            section=section,
            name="the offset ignored, once",
            strike=Strike(kind="ignore_offset", times=1),
            outcome=Whole(rereads=1),
            at={"first": Whole()},
            loads=("middle",),
        ),
        Case(
            section=section,
            name="the offset ignored, for ever",
            strike=Strike(kind="ignore_offset"),
            outcome=repeats,
            at={"first": Whole()},
            loads=("last",),
        ),
        Case(
            section=section,
            name="the offset ignored, for ever, no total",
            strike=Strike(kind="ignore_offset"),
            outcome=_incomplete("does not begin with the row it should"),
            at={"first": Whole()},
            has_total=False,
        ),
        Case(
            section=section,
            name="a page without rows",
            strike=Strike(kind="data_not_list", options={"value": []}),
            outcome=_incomplete("total 250", "end after {offset} rows"),
            loads=("middle",),
        ),
        Case(
            section=section,
            name="a page without rows, no total",
            strike=Strike(kind="data_not_list", options={"value": []}),
            outcome=_incomplete("does not begin with the row it should"),
            has_total=False,
            # nothing tells it from an empty window
            places=("middle", "last"),
        ),
        Case(
            section=section,
            name="a page without rows, once",
            strike=Strike(kind="data_not_list", options={"value": []}, times=1),
            outcome=Whole(rereads=1),
        ),
        Case(
            section=section,
            name="a row twice in a page",
            strike=Strike(kind="duplicate"),
            outcome=_incomplete("ids came"),
            at={"last": _incomplete("total 250", "251 rows")},
            loads=("middle",),
        ),
        Case(
            section=section,
            name="one id on two pages",
            rows=(*window_rows(), newcomer("s003")),
            outcome=_incomplete("total 251", "250 ids"),
            places=("last",),
            loads=("last",),
        ),
    ]


def _totals() -> list[Case]:
    section = "Totals"

    def everywhere(name: str, value: object, outcome: Outcome, *loads: Place) -> Case:
        strike = Strike(kind="total", options={"value": value}, everywhere=True)
        return Case(section=section, name=name, strike=strike, outcome=outcome, places=("first",), loads=loads)

    def here(name: str, value: object, became: str, first: Outcome) -> Case:
        strike = Strike(kind="total", options={"value": value})
        return Case(section=section, name=name, strike=strike, outcome=_incomplete(became), at={"first": first})

    return [
        everywhere("missing on every page", ABSENT, Whole(), "first"),
        everywhere("null on every page", None, Whole()),
        everywhere('"250", as text', "250", Whole()),
        everywhere("250.0", 250.0, Whole()),
        everywhere("capped at 200 on every page", 200, _incomplete("total 200", "250 rows", "total_selector")),
        everywhere("too low on every page", 120, _incomplete("total 120", "200 rows")),
        everywhere("too high on every page", 300, _incomplete("total 300", "end after 250 rows"), "first"),
        everywhere("0 on every page", 0, _incomplete("total 0", "100 rows")),
        everywhere("the page's count instead, 100", 100, _incomplete("total 100", "200 rows")),
        here("missing on this page", ABSENT, "was 250 and became None", _incomplete("was None and became 250")),
        here("null on this page", None, "was 250 and became None", _incomplete("was None and became 250")),
        here("too low on this page", 120, "was 250 and became 120", _incomplete("was 120 and became 250")),
        here("too high on this page", 300, "was 250 and became 300", _incomplete("was 300 and became 250")),
    ]


def _remove_head(rows: list[Row]) -> None:
    del rows[0]


def _remove_tail(rows: list[Row]) -> None:
    del rows[-1]


def _insert_head(rows: list[Row]) -> None:
    rows.insert(0, newcomer(f"new{len(rows)}"))


def _insert_tail(rows: list[Row]) -> None:
    rows.append(newcomer(f"new{len(rows)}"))


def _remove_all(rows: list[Row]) -> None:
    rows.clear()


def _drift() -> list[Case]:
    section = "Rows that move between two pages"
    cases = []
    moves: dict[str, tuple[Callable[[list[Row]], None], bool]] = {
        "a row removed at the head": (_remove_head, True),
        "a row inserted at the head": (_insert_head, True),
        "a row removed at the tail": (_remove_tail, False),
        "a row added at the tail": (_insert_tail, False),
        "all rows removed": (_remove_all, True),
    }
    for name, (change, shifts) in moves.items():
        # before the first page is answered, a change is no change
        cases.append(
            Case(
                section=section,
                name=name,
                change=change,
                outcome=Whole(rereads=1),
                at={"first": Whole()},
                # what a load says of a window that has become empty stands under "Windows"
                loads={_remove_head: ("middle", "last"), _remove_all: ()}.get(change, ("middle",)),
            )
        )
        cases.append(
            Case(
                section=section,
                name=f"{name}, no total",
                change=change,
                outcome=Whole(rereads=1) if shifts else Whole(),
                at={"first": Whole()},
                has_total=False,
                loads=("last",) if change is _remove_head else (),
            )
        )
    for name, change in {"a row removed at the head": _remove_head, "a row inserted at the head": _insert_head}.items():
        cases += [
            Case(
                section=section,
                name=f"{name} in every pass",
                change=change,
                restless=True,
                outcome=_incomplete("the total was"),
                at={"first": Whole()},
                loads=("middle",) if change is _insert_head else (),
            ),
            Case(
                section=section,
                name=f"{name} in every pass, no total",
                change=change,
                restless=True,
                outcome=_incomplete("does not begin with the row it should"),
                at={"first": Whole()},
                has_total=False,
            ),
        ]
    return cases


def _later(hours: int) -> Callable[[Span], Span]:
    delta = dt.timedelta(hours=hours)
    return lambda span: tuple(edge and edge + delta for edge in span)  # type: ignore[return-value]


def _windows() -> list[Case]:
    section = "Windows"
    empty = Strike(kind="body", options={"content": '{"data": [], "total": 0}'}, times=1)
    first: tuple[Place, ...] = ("first",)
    return [
        # those of the table have expired
        Case(section=section, name="no rows", rows=(), outcome=Whole(), places=first, loads=first),
        Case(
            section=section,
            name="no rows, no total",
            rows=(),
            outcome=Whole(),
            has_total=False,
            places=first,
            loads=first,
        ),
        Case(
            section=section,
            name="an empty answer, once",
            strike=empty,
            outcome=Whole(rereads=1),
            places=first,
            loads=first,
        ),
        *(
            Case(
                section=section,
                name=f"days that begin {abs(hours)} hours {'later' if hours > 0 else 'earlier'}",
                read_as=_later(hours),
                rows=tuple({**row, "timestamp": row["timestamp"].replace("T0", "T1")} for row in window_rows())
                + tuple(neighbour(place, 2 if hours > 0 else -1) for place in range(5)),
                outcome=Failed(kind="setting", words=("when it was asked for with one more day", "timezone")),
                places=first,
                loads=first,
            )
            for hours in (-13, 11)
        ),
    ]


def neighbour(place: int, day: int) -> Row:
    """Return a story of a day beside that of the window, in its first hours or its last."""
    moment = f"2025-03-02T00:0{place}:00Z" if day > 1 else f"2025-02-28T23:0{place}:00Z"
    return {**window_rows(1)[0], "id": f"beside{place}", "timestamp": moment}


def _with(**values: object) -> Callable[[Row], Row]:
    return lambda row: {**row, **values}


def _without(name: str) -> Callable[[Row], Row]:
    return lambda row: {key: value for key, value in row.items() if key != name}


def _deep(levels: int) -> object:
    value: object = 1
    for _ in range(levels):
        value = [value]
    return value


def _rows() -> list[Case]:
    section = "Single rows"
    rejected: dict[str, tuple[Callable[[Row], Any], str]] = {
        "id null": (_with(id=None), "id is missing"),
        "id missing": (_without("id"), "id is missing"),
        "id true": (_with(id=True), "id is a boolean, not text"),
        "id an object": (_with(id={"n": 1}), "id is an object, not text"),
        "id 10^30": (_with(id=1e30), "id is a number, not text"),
        "text in a number": (_with(like_count="many"), "like_count is text, not a whole number"),
        "3.5 in a whole number": (_with(like_count=3.5), "like_count is a number, not a whole number"),
        "10^30 in a whole number": (_with(like_count=1e30), "like_count is out of the range of a 64-bit number"),
        "2^63 in a whole number": (_with(like_count=2**63), "like_count is out of the range of a 64-bit number"),
        "true in a whole number": (_with(like_count=True), "like_count is a boolean, not a whole number"),
        "a list in a whole number": (_with(like_count=[1]), "like_count is a list, not a whole number"),
        "an object in a text": (_with(caption={"en": "Hi"}), "caption is an object, not text"),
        "text in a boolean": (_with(is_shared_to_feed="yes"), "is_shared_to_feed is text, not true or false"),
        "1 in a boolean": (_with(is_shared_to_feed=1), "is_shared_to_feed is a number, not true or false"),
        "a time that is none": (_with(expires_at="tomorrow"), "expires_at is no ISO 8601 time"),
        "a time before year 1": (_with(expires_at="0001-01-01T00:00:00+02:00"), "expires_at is no ISO 8601 time"),
        "a time after year 9999": (_with(expires_at="9999-12-31T23:59:59-02:00"), "expires_at is no ISO 8601 time"),
        "a time in microseconds": (
            _with(expires_at=1740787200000000),
            "expires_at is no time in epoch seconds or milliseconds",
        ),
        "a NUL character": (_with(caption="a\0b"), "caption holds a NUL character, which PostgreSQL cannot store"),
        "a row that is a number": (lambda _: 7, "is a number, not an object"),
        "a row that is null": (lambda _: None, "is null, not an object"),
        "a row that is a list": (lambda row: [row], "is a list, not an object"),
    }
    taken: dict[str, tuple[Callable[[Row], Any], dict[str, Any]]] = {
        "a whole number as text": (_with(like_count="12"), {"like_count": 12}),
        "a whole number as 12.0": (_with(like_count=12.0), {"like_count": 12}),
        "the largest whole number": (_with(like_count=2**63 - 1), {"like_count": 2**63 - 1}),
        "a number in a text": (_with(caption=12), {"caption": "12"}),
        "a column left out": (_without("caption"), {"caption": None}),
        "the cursor null": (_with(timestamp=None), {"timestamp": None}),
        "the cursor missing": (_without("timestamp"), {"timestamp": None}),
        "1,000,000 characters": (_with(caption="a" * 1_000_000), {"caption": "a" * 1_000_000}),
    }
    loaded = {"a NUL character", "id null", "text in a number", "a row that is a number", "10^30 in a whole number"}
    return [
        *(
            Case(
                section=section,
                name=name,
                row=row,
                outcome=SetAside(reason=reason),
                loads=("middle",) if name in loaded else (),
            )
            for name, (row, reason) in rejected.items()
        ),
        *(
            Case(
                section=section,
                name=name,
                row=row,
                becomes=values,
                outcome=Whole(),
                loads=("last",) if name == "the cursor null" else (),
            )
            for name, (row, values) in taken.items()
        ),
        Case(
            section=section,
            name="a cursor outside of the window",
            row=_with(timestamp="2025-02-28T23:59:59Z"),
            outcome=Outside(),
            loads=("middle",),
        ),
        Case(
            section=section,
            name="a wrong type, `rejected_rows = fail`",
            row=_with(like_count="many"),
            settings={"rejected_rows": "fail"},
            outcome=Failed(kind="wrong shape", words=("stories", "like_count is text, not a whole number")),
            loads=("middle",),
        ),
        Case(
            section=section,
            name="a new column",
            row=_with(mood="fine"),
            becomes={"mood": "fine"},
            outcome=Whole(),
            loads=("first", "middle"),
        ),
        Case(
            section=section,
            name="a new column 200 lists deep",
            row=_with(mood=_deep(200)),
            becomes={"mood": json.dumps(_deep(200))},
            outcome=Whole(),
        ),
        Case(
            section=section,
            name="a rejected row 200 lists deep",
            row=_with(like_count=_deep(200)),
            outcome=SetAside(reason="like_count is a list, not a whole number"),
        ),
    ]


_ECHO = f"see /v1/stories?api_key={quote(KEY, safe='')}&limit=100"
_ESCAPED = Strike(kind="escape", options={"characters": "=&+/%"})


def _key() -> list[Case]:
    """Whatever the API does with the key: it is stored and told nowhere, and no row is changed for it."""
    section = "The key"
    host = f"https://{quote(KEY, safe='')}/v1/stories"
    every = {"caption": _ECHO}
    held = "caption holds the API key"
    return [
        Case(
            section=section,
            name="repeated in a row",
            row=_with(caption=_ECHO),
            outcome=SetAside(reason=held),
            loads=("middle",),
        ),
        Case(
            section=section,
            name="repeated in a row, with `=`, `&`, `+`, `/`, `%` as `\\u003d` and so on",
            row=_with(caption=f"{KEY} and {_ECHO}"),
            strike=_ESCAPED,
            outcome=SetAside(reason=held),
            loads=("last",),
        ),
        Case(
            section=section,
            name="repeated as the name of a field",
            row=_with(**{KEY: 1}),
            outcome=SetAside(reason="the name of a field holds the API key"),
        ),
        Case(
            section=section,
            name="repeated in a row, `rejected_rows = fail`",
            row=_with(caption=_ECHO),
            settings={"rejected_rows": "fail"},
            outcome=Failed(kind="wrong shape", words=("stories", held)),
        ),
        Case(
            section=section,
            name="repeated in every row",
            rows=tuple({**row, **every} for row in window_rows()),
            outcome=Failed(kind="wrong shape", words=("stories", "every row", held, "extra_params")),
            places=("first",),
            loads=("first",),
        ),
        Case(
            section=section,
            name="repeated in an error, with `\\u003d` and so on",
            strike=Strike(
                kind="body",
                options={
                    "content": json.dumps({"error": f"no such {KEY}"}).replace("=", "\\u003d").replace("/", "\\/")
                },
            ),
            outcome=Failed(kind="wrong shape", words=("no such ***",)),
            loads=("middle",),
        ),
        Case(
            section=section,
            name="repeated in a header that is none",
            strike=Strike(kind="header", options={"line": f"asked for {KEY}"}),
            outcome=Whole(),
            loads=("middle",),
        ),
        Case(
            section=section,
            name="a redirect to a host that is named as the key",
            strike=Strike(kind="redirect", options={"location": host}),
            outcome=Failed(kind="request refused", words=("another host, https://***",)),
            loads=("middle",),
        ),
        *(
            Case(
                section=section,
                name=f"a key that is {what}",
                key=key,
                outcome=Failed(kind="setting", words=(words,)),
                places=("first",),
            )
            for what, key, words in (
                ("a column's name", "timestamp", "the name of an endpoint, a path or a column"),
                ("a date of the data", "2025-03-01", "is a date"),
                ("shorter than 8 characters", "s00", "fewer than 8 characters"),
            )
        ),
    ]


CASES: tuple[Case, ...] = (
    *_statuses(),
    *_retry_after(),
    *_connections(),
    *_shapes(),
    *_pages(),
    *_totals(),
    *_drift(),
    *_windows(),
    *_rows(),
    *_key(),
)
