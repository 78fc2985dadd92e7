"""Write docs/reliability.md: the words below, and the table of the fault matrix.

python -m analytics_assets_tests.reliability.write_docs
"""

import itertools
from pathlib import Path

from analytics_assets.ingest.errors import Kind, Problem
from analytics_assets_tests.reliability.matrix import CASES, PLACES, Case

DOCUMENT = Path(__file__).parents[2] / "docs" / "reliability.md"

_INTRODUCTION = """\
# Reliability

<!-- Written by `python -m analytics_assets_tests.reliability.write_docs`; a test fails when it is out of date. -->

A load ends in one of two ways:

- **The run succeeds**, and the table holds every row the API has in the window, once, with the values the API sent.
  Rows that cannot be loaded as they are ([columns](columns.md)) are in `<endpoint>__rejected`, each with its reason.
- **The run fails**, or is cancelled, in words that name what was asked and what came. The table is as it was before,
  and the window's row in `_analytics_windows` says `failed`, or `cancelled`, and why.

Where an answer of the API shows that rows are missing, the run does not succeed. What no answer shows is listed under
[What cannot be seen](#what-cannot-be-seen).

## How a window is proven

| The API | What has to hold |
|---|---|
| gives a total | as many rows came as the total says, with as many different ids, and every page said the same total |
| gives none | each page begins with the last row of the one before, no id comes twice, nothing is behind the last row |
| either | after the load the warehouse is asked whether every row that was kept is in the table |

That is how offsets are proven. [vendors/pagination.md](vendors/pagination.md) says it of page numbers, cursors and
links, and what cannot be seen there.

When rows moved while they were read, the window is read again, up to three times. When the API asks for less data, it
is read again in [smaller pages](vendors/README.md#less-data-at-once), which are proven like others.

Where the last row may not be the last, one more request is made behind it, in three cases: there is no total; the
first page is full and its total says that this is all (some APIs give a page's own count as `total`); or the last page
is full and the total is a multiple of 100 (others cap it at 200, 1,000 or 10,000). If rows come, the run fails and
names `total_selector`. Any other answer means that this is the end: an empty list, `null`, a page of HTML, 204, 400,
404, 416, or the last page again. If the server fails or refuses the key, the question is not answered, and the run
fails.

## What cannot be seen

- **With a total**: changes between two page requests that cancel each other out. If a row is removed before the place
  that was reached and another one is added behind it, the total stays the same, and a row moves past the reader. Pages
  are requested a few at a time, so the moments in question are milliseconds apart, and the next load of the window
  brings the row. Without a total, the row that two pages share shows such a change.
- **An API whose answers are wrong in the same way throughout**: one that leaves a row out of both its pages and its
  total, or that caps its pages below `page_size` and calls the capped page's count the total, or caps its total at a
  number that is no multiple of 100.
- **A window that wrongly comes empty twice**, and of which the table holds no rows: nothing tells it from an empty
  one. The run succeeds and says so (`why_empty`); where the days beside it have rows, the check `window_as_expected`
  warns.
- **A window that the API understands as another one, without any answer that shows it**: as one that lies within the
  window that was asked for (unless it leaves out the last day), or as one that is always empty. `make check` finds
  these.
- **Pages of a single row and no total** (`page_size = 1`, or a server that sends one row at a time): they have no room
  for the row that two pages share.
- **Changes after the last page was read**: the next load of the window brings them.
- **Decimals with more digits than a 64-bit floating-point number has**: JSON readers round them to the nearest one.

## What a failure means

{failures}
Where it *may pass*, the step begins anew by itself, twice, after 30 and 90 seconds; all else is red at once, and
so is an `incomplete` window whose pages did not fit together twice in the same way. That comes on top of the retries of
a single request. An API that is down makes a run red after about four minutes.

## The fault matrix

Each fault is played over HTTP by the sandbox while 250 rows are read in pages of 100, on the first page, the middle
one and the last. *Retries* and *reading again* are counted exactly, and the table is compared value by value.
"""

_FAILURES: dict[Kind, tuple[str, str]] = {
    "unreachable": (
        "No connection, or it broke, or the answer took too long; all retries are used up",
        "See whether the API is up; `connect_timeout`, `read_timeout`, `response_timeout`",
    ),
    "key refused": (
        "401, or 403 of which the answer does not say that something does not exist",
        "Check `API_KEY`, `key_location` and `key_name`",
    ),
    "path not found": ("404", "Check `base_url` and the endpoint's `path`"),
    "request refused": (
        "Any other status from 400, or a redirect that was not followed; or less data cannot be asked for",
        "Read what the API says, which is quoted; check the names and formats of the parameters",
    ),
    "API failing": (
        "429, 500, 502, 503 or 504, after all retries; 520 and up, a proxy's own",
        "Run it again later, or ask more slowly",
    ),
    "wrong shape": (
        "An answer came, but not the list of rows that the settings describe",
        "Read the message: it quotes the answer. `data_selector`, `total_selector`, `page_size`, `max_response_mb`",
    ),
    "incomplete": (
        "Rows moved in each of four passes; or the pages did not fit together twice in the same way, so it is no move",
        (
            "Run it again when the data rests; the settings of `pagination`, `limit_param`, or no `total_selector` if "
            "its total is wrong"
        ),
    ),
    "warehouse busy": ("Another program holds the DuckDB file, for more than a minute", "Close it"),
    "cannot connect": ("The database does not answer", "See whether it runs; check its host and port"),
    "cannot open": ("The file is no DuckDB database, or one of a newer version", "Check its name"),
    "login refused": ("The database refuses the user, the password, or the name of the database", "Check them"),
    "no permission": ("The user may not create or write, or the file may not be written", "Grant it"),
    "disk full": ("The disk of the warehouse, or that of the temporary folder", "Make room"),
    "value refused": (
        "A row breaks a constraint that was added to the table, or does not fit a type that was changed",
        "Take the constraint away, or mend the rows",
    ),
    "connection lost": ("The database closed the connection", "Nothing, where the step's retries help"),
    "warehouse failing": (
        "The database refuses for a reason that may pass: a deadlock, a timeout",
        "Run it again later",
    ),
    "cancelled": (
        "Ctrl-C, SIGTERM, a closed terminal, or *Terminate* in Dagster's UI; `_analytics_windows` says `cancelled` too",
        "Run it again to have the window",
    ),
    "setting": ("A setting is missing or wrong", "The message names it and what is allowed"),
}


def render() -> str:
    """Return the whole document."""
    lines = [
        f"| `{kind}` | {what} | {to_do} | {'yes' if Problem(kind, '').is_transient else 'no'} |"
        for kind, (what, to_do) in _FAILURES.items()
    ]
    failures = "\n".join(["| Kind | What happened | What to do | May pass |", "|---|---|---|---|", *lines, ""])
    parts = [_INTRODUCTION.replace("{failures}", failures)]
    for section, cases in itertools.groupby(CASES, key=lambda case: case.section):
        lines = [f"### {section}", "", "| Fault | First page | Middle page | Last page |", "|---|---|---|---|"]
        parts.append("\n".join([*lines, *map(_line, cases)]) + "\n")
    played = sum(len(case.places) for case in CASES)
    loaded = sum(len(case.loads) for case in CASES)
    parts.append(f"{len(CASES)} faults, {played} times played, {loaded} of these down to the warehouse.\n")
    return "\n".join(parts)


def _line(case: Case) -> str:
    cells = [str(case.outcome_at(place)) if place in case.places else "" for place in PLACES]
    if case.places == ("first",):
        # what concerns all pages, or the API as a whole
        cells = [cells[0]] * 3
    return f"| {' | '.join([case.name.replace('|', chr(92) + '|'), *cells])} |"


if __name__ == "__main__":
    DOCUMENT.write_text(render())
