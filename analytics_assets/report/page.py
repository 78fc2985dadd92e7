"""The page: what was read from the warehouse, in words, tables and pictures, and the file that it becomes."""

import datetime as dt
import os
from pathlib import Path
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

import jinja2

from analytics_assets.report.changes import SLACK_DAYS
from analytics_assets.report.charts import MOST_AGE, chart_of, settling, timeline_of
from analytics_assets.report.contents import Contents
from analytics_assets.report.glance import KINDS, Glance, ranked
from analytics_assets.report.headline import headline
from analytics_assets.report.top import Subject

_MOST_CHARTS = 12
"""Charts in a section; what is not drawn is in the table of all metrics."""


def page_of(contents: Contents) -> str:
    """Return the page, HTML that needs no other file and no script."""
    zone = ZoneInfo(contents.settings.timezone)
    sections = []
    for kind, words in KINDS.items():
        series = ranked(one for one in contents.series if one.adds_up == kind)
        charts = [(one, chart_of(one)) for one in series[:_MOST_CHARTS]]
        sections.append((words, charts, series[_MOST_CHARTS:]))
    ages = sorted({age.age for curve in contents.curves for age in curve.ages if age.age <= MOST_AGE})
    in_order = [one for kind in KINDS for one in ranked(contents.series) if one.adds_up == kind]
    return (
        _templates(zone)
        .get_template("page.html.j2")
        .render(
            contents=contents,
            headline=headline(contents),
            glances=[Glance(one, contents.calendar.today) for one in in_order],
            sections=sections,
            timeline=timeline_of(contents.runs, zone) if contents.runs else None,
            settling=settling(contents.curves) if ages else None,
            states=_STATES,
            ages=ages,
            nothing=NOTHING,
            kinds=KINDS,
            slack=SLACK_DAYS,
        )
    )


def _templates(zone: ZoneInfo) -> jinja2.Environment:
    templates = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    templates.filters |= {
        "day": day_in_words,
        "number": number_in_words,
        "link": link_of,
        "label": label_of,
        "moment": lambda moment: f"{moment.astimezone(zone):%-d %b %Y, %H:%M}",
        "duration": _duration,
    }
    return templates


_STATES = {
    "proven": "loaded after the day had ended, and proven whole",
    "partial": "loaded while the day lasted",
    "failed": "every try has failed",
    "missing": "never loaded",
}


def write_page(page: str, path: Path) -> int:
    """Put the page into its file, all of it at once, and return its size in bytes."""
    content = page.encode("utf-8", "replace")
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        part.write_bytes(content)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    return len(content)


NOTHING = "\N{EN DASH}"
_WHOLE = 1_000


def day_in_words(day: dt.date) -> str:
    """Write a day as 3 Nov 2026."""
    return f"{day:%-d %b %Y}"


def number_in_words(number: float | None) -> str:
    """Write a number with thousands separators, and with four digits where it is no whole one."""
    if number is None:
        return NOTHING
    if number == int(number) or abs(number) >= _WHOLE:
        return f"{number:,.0f}"
    return f"{number:,.4g}"


def link_of(subject: Subject) -> str | None:
    """Return an address of http or https among the texts of a subject, one that is named a link before the others."""
    found = sorted(
        (("link" not in name, text) for name, text in subject.texts.items() if _is_address(text)),
        key=lambda one: one[0],
    )
    return found[0][1] if found else None


def label_of(subject: Subject) -> str:
    """Return the text that tells most of a subject: the longest that has words in it, or else its name."""
    return max((text for text in subject.texts.values() if len(text.split()) > 1), key=len, default=subject.name)


def _is_address(text: str) -> bool:
    try:
        parts = urlsplit(text)
    except ValueError:
        return False
    return parts.scheme in {"http", "https"} and bool(parts.hostname) and text.isprintable() and " " not in text


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{seconds:.1f} s"
