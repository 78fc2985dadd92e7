"""Whether the pages of a list fit together: the offset and the page size are honoured, and the order stays the same."""

from analytics_assets.ingest.questions.asker import Page, Seen

# Rows asked for to see whether the offset is honoured, as (offset, limit), by how many rows there are. As a load asks:
# with a total, at multiples of the limit; without one, not at them, since pages overlap by a row.
_WITH_TOTAL = ((5, (4, 2)), (3, (2, 2)), (1, (1, 1)))
_WITHOUT = ((4, (3, 2)), (2, (1, 2)))


def honours_offset(seen: Seen) -> str | None:
    """Ask for rows that stand inside the first page, and for what is behind it."""
    settings, page = seen.asker.settings, seen.page
    probes = _WITHOUT if page.total is None else _WITH_TOTAL
    offset, limit = next((probe for rows, probe in probes if len(page.rows) >= rows), (0, 0))
    if not offset or (len(page.rows) == 1 and (page.total or 0) <= 1):
        # too few rows to see it
        return None
    part = seen.asker.page(None, limit=limit, offset=offset)
    expected = page.ids[offset : offset + 1]
    if part.ids[:1] != expected and (expected or part.ids[:1] == page.ids[:1]):
        return keeps_order(seen) or _misread(page, part, offset, settings.offset_param)
    if len(page.rows) == settings.page_size or not seen.is_more_behind:
        return None
    came = len(page.rows)
    asked_for = f"asked for {settings.page_size} rows ({settings.limit_param!r}), the API returned {came}"
    if came > settings.page_size or len(part.rows) > part.limit:
        less = f", and {len(part.rows)} when asked for {part.limit}" if len(part.rows) > part.limit else ""
        return f"{asked_for}{less}: it does not honour limit_param. Check its name, or set page_size = {came}"
    seen.notes.append(f"its pages end at {came} rows: set page_size = {came}")
    return None


def keeps_order(seen: Seen) -> str | None:
    """Ask for the first page a second time; new rows at its head are no other order."""
    first, again = seen.page.ids, seen.page_again.ids
    head = again.index(first[0]) if first and first[0] in again else 0
    are_new = not set(again[:head]) & set(first)
    if are_new and first[: len(again) - head] == again[head : head + len(first)]:
        return None
    what = "another order" if sorted(first) == sorted(again) else "other rows"
    return f"the same page, asked for twice, brought {what}: ask for an order in extra_params, such as one by id"


def _misread(page: Page, part: Page, offset: int, name: str) -> str:
    """Say what the API made of an offset at which another row came than should stand there."""
    known, size = page.ids, part.limit
    at = known.index(part.ids[0]) if part.ids and part.ids[0] in known else None
    asked = f"asked for {size} rows from offset {offset} ({name!r})"
    if at == 0:
        return f"{asked}, the API returned the first ones again: it does not honour offset_param. Check its name"
    if at is not None and at == offset // size * size:
        without = "without a total, pages have to overlap by a row. Name a total in total_selector"
        return f"{asked}, the API returned those from {at}: it rounds to whole pages, and {without}"
    if at is None or at in {(offset - 1) * size, offset * size}:
        came = "no row" if not part.ids else f"rows that stand at {at}" if at is not None else "rows of another page"
        instead = 'it takes the offset for a page number. Check offset_param, or set pagination = "page"'
        return f"{asked}, the API returned {came}: {instead}"
    return f"{asked}, the API returned those from {at}: check offset_param, and ask for an order in extra_params"
