"""Whether the total that the API states is the number of rows that it returns."""

from analytics_assets.ingest.questions.asker import Seen

# As `_ROUND` of the walk: totals that are multiples of it may be a limit.
_ROUND = 100
# behind that, search engines refuse to look
_DEEPEST = 10_000
_ADVICE = 'Check total_selector; "" reads without a total'


def has_total(seen: Seen) -> str | None:
    """Compare the totals that came, and look at the places where they say that the last row is, and none behind it."""
    selector, settings = seen.asker.settings.total_selector, seen.asker.settings
    if not selector:
        return None
    if seen.row.total is None:
        what = f"the answer has no {selector!r} (setting total_selector)"
        if "total_selector" in settings.model_fields_set:
            none = 'where the vendor gives no total, set total_selector = ""'
            return f"{what}: {none}; some give it only where extra_params asks for it"
        seen.notes.append(what)
        return None
    return _of_all_history(seen) or _of_a_page(seen) or _ends_early(seen) or _capped(seen)


def _of_all_history(seen: Seen) -> str | None:
    """Say where a window's total is that of all history: it has no row, or not all rows that are known."""
    moments = [moment for page in (seen.page, *seen.days[1:]) for moment in page.moments.values()]
    for number, page in enumerate(seen.days):
        window = f"asked for {dict(page.asked)}, the API"
        if not page.rows and page.total:
            return f"{window} returned no row, and a total of {page.total:,}: its total is not the window's. {_ADVICE}"
        day = page.window
        are_elsewhere = day and any(not day.start <= moment < day.end for moment in moments)
        if not number and page.total == seen.row.total and are_elsewhere:
            what = f"says a total of {page.total:,}, as it does without a window, and other days have rows too"
            return f"{window} {what}: its total is not the window's. {_ADVICE}"
    return None


def _of_a_page(seen: Seen) -> str | None:
    one, page = seen.row, seen.page
    if page.total is not None and one.total == one.rows_read < len(page.rows) == page.total:
        what = f"the API says a total of {one.total} when asked for one row, and of {page.total:,} for {page.limit:,}"
        return f"{what}: it counts the rows of a page. {_ADVICE}"
    if page.total is not None and page.total < len(page.rows):
        return f"the API says a total of {page.total:,}, and {len(page.rows):,} rows came. {_ADVICE}"
    return None


def _ends_early(seen: Seen) -> str | None:
    """Say where no row stands at the place at which a total says that the last one does."""
    if not seen.asker.skips:
        return None
    said = "the API says a total of {:,}, but its pages end before: it counts rows that it does not return. {}"
    if seen.tail and not seen.tail.rows:
        return f"asked for {dict(seen.tail.asked)}, {said.format(seen.tail.total or seen.days[0].total or 0, _ADVICE)}"
    total = seen.page.total or 0
    if total <= len(seen.page.rows):
        return None
    is_last_there = total > _DEEPEST or _ids_at(seen, total - 1)
    return None if seen.is_more_behind and is_last_there else said.format(total, _ADVICE)


def _capped(seen: Seen) -> str | None:
    """Say where rows follow behind a total that may be a limit: a round one, or the number of rows of a full page."""
    total = seen.page.total or 0
    if not seen.asker.skips or not total:
        return None
    is_more = seen.is_more_behind
    if total > len(seen.page.rows):
        # some APIs return the last row again
        is_round = total <= _DEEPEST and total % _ROUND == 0
        is_more = is_round and not _ids_at(seen, total) <= _ids_at(seen, total - 1)
    what = f"the API says a total of {total:,}, and rows follow behind that: it is capped, or counts one page only"
    return f"{what}. {_ADVICE}" if is_more else None


def _ids_at(seen: Seen, offset: int) -> set[str]:
    """Return the id of the row at an offset of all history, where there is one."""
    return set(seen.asker.page(None, limit=1, offset=offset, is_behind=True).ids)
