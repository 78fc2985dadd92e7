"""Whether all of it is there, in words."""

from dataclasses import dataclass

from analytics_assets.report.contents import Contents

_MOST_GAPS = 8


@dataclass(frozen=True)
class Headline:
    """The first sentence of the page, whether it is good news, and what is missing, a sentence each."""

    text: str
    is_good: bool
    gaps: tuple[str, ...] = ()


def headline(contents: Contents) -> Headline:
    """Say whether every day of every endpoint is proven, and if not, which are not."""
    calendar = contents.calendar
    first, over = calendar.first, calendar.over
    if not contents.has_tables:
        return Headline("Nothing is loaded yet", is_good=False)
    if first is None:
        return Headline(f"No day since {contents.first:%-d %b %Y} is loaded", is_good=False)
    if not over:
        return Headline("Only today is loaded, and it is not over", is_good=False)
    gaps = calendar.gaps()
    if not gaps:
        return Headline("All of it is there: every day of every endpoint is proven", is_good=True)
    open_days = len(over) - calendar.proven
    what = (
        f"{open_days:,} of {len(over):,} days are not proven"
        if open_days > 1
        else f"1 of {len(over):,} days is not proven"
    )
    told = []
    for name, state, begin, end in gaps[:_MOST_GAPS]:
        days = (end - begin).days + 1
        span = f"{begin:%-d %b %Y}" if days == 1 else f"{begin:%-d %b} to {end:%-d %b %Y}, {days:,} days"
        told.append(f"{name}: {state}, {span}")
    if len(gaps) > _MOST_GAPS:
        told.append(f"and {len(gaps) - _MOST_GAPS:,} more, in the calendar below")
    return Headline(f"Not all of it is there: {what}", is_good=False, gaps=tuple(told))
