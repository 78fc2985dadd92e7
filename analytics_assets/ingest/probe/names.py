"""What APIs call their parameters, the usual names first, and how a refusal tells which of them it means."""

import re

Pair = tuple[str, str]

LIMITS = [
    "limit",
    "per_page",
    "page_size",
    "pageSize",
    "perPage",
    "take",
    "count",
    "size",
    "page[size]",
    "page[limit]",
    "$top",
    "top",
    "first",
    "max_results",
    "rows",
]
OFFSETS = ["offset", "skip", "start", "from", "startIndex", "start_index", "$skip", "page[offset]", "_start"]
PAGES = ["page", "page_number", "pageNumber", "page[number]", "p", "pageIndex"]
# the parameter for a cursor is mostly called like the field that has it, without what says that it is the next
CURSORS = [
    "after",
    "cursor",
    "page_token",
    "pageToken",
    "next_token",
    "next_cursor",
    "starting_after",
    "continuation",
    "token",
    "page[after]",
]

PAIRS: tuple[Pair, ...] = (
    ("since", "until"),
    ("start", "end"),
    ("from", "to"),
    ("start_date", "end_date"),
    ("start_time", "end_time"),
    ("filter[{cursor}][_gte]", "filter[{cursor}][_lt]"),
    ("{cursor}__gte", "{cursor}__lt"),
    ("{cursor}_gte", "{cursor}_lt"),
    ("{cursor}[gte]", "{cursor}[lt]"),
    ("created_after", "created_before"),
    ("created__gte", "created__lt"),
    ("startDate", "endDate"),
    ("startTime", "endTime"),
    ("from_date", "to_date"),
    ("date_from", "date_to"),
    ("{cursor}_from", "{cursor}_to"),
    ("{cursor}_after", "{cursor}_before"),
    ("begin", "end"),
    ("after", "before"),
)
"""The two ends of a window; the cursor's name stands in the place of ``{cursor}``."""
# a sentence has these without naming a parameter
_WORDS = frozenset(
    {
        "since",
        "until",
        "start",
        "end",
        "from",
        "to",
        "after",
        "before",
        "count",
        "size",
        "rows",
        "first",
        "top",
        "page",
        "p",
    }
)
_UNKNOWN = (
    "unknown",
    "unrecogni",
    "unexpected",
    "not allowed",
    "not permitted",
    "unsupported",
    "extra ",
    "no such",
    "not a valid param",
)


def is_named(name: str, text: str) -> bool:
    """Say whether a text names a parameter: by a word that can be nothing else, or as one names something."""
    name, text = name.lower(), text.lower()
    word = rf"(?<![\w\[]){re.escape(name)}(?![\w\[])"
    if name in _WORDS:
        kinds = "parameters?|fields?|params?|arguments?"
        listed = rf"({kinds}):? ([^.]*, ?)?['\"`]?{word}|['\"`]{word}['\"`]|{word} (must|should|is|has)"
        return bool(re.search(listed, text))
    return bool(re.search(word, text))


def speaks_of_unknown(refusal: str) -> bool:
    """Say whether a refusal is about parameters that the API does not know."""
    return any(word in refusal.lower() for word in _UNKNOWN)
