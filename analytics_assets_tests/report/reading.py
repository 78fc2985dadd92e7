"""The page as a test reads it: its text, its links, and its tables cell by cell."""

import html.parser
import re
from dataclasses import dataclass, field

from analytics_assets.ingest.configured import load_settings
from analytics_assets.report.contents import read_contents
from analytics_assets.report.page import page_of

Attributes = list[tuple[str, str | None]]


@dataclass
class Table:
    """A table: its caption, or else the name of the region it is in, and the texts of its cells, row by row."""

    name: str
    rows: list[list[str]] = field(default_factory=list)

    def row(self, name: str) -> list[str]:
        """Return the cells of the row that begins so, without that first one."""
        return next(row[1:] for row in self.rows if row[0] == name)


class Page(html.parser.HTMLParser):
    """A page of the report."""

    def __init__(self, source: str) -> None:
        """Read it."""
        super().__init__()
        self.source = source
        self.text = ""
        self.links: list[str] = []
        self.tags: set[str] = set()
        self.tables: list[Table] = []
        self._open: list[str] = []
        self._region = ""
        self.feed(source)

    @property
    def headline(self) -> str:
        """What the page says first."""
        return self.source.split("<h1")[1].split(">", 1)[1].split("<")[0]

    @property
    def months(self) -> list[str]:
        """The months of the calendar, in the order of the page."""
        return [table.name for table in self.tables if re.fullmatch(r"[A-Z][a-z]+ \d{4}", table.name)]

    def table(self, name: str) -> Table:
        """Return the table whose name begins so."""
        return next(table for table in self.tables if table.name.startswith(name))

    def days(self, month: str, endpoint: str) -> dict[int, str]:
        """Return what the calendar says of an endpoint's days, by their number; without those it leaves blank."""
        return {number: text for number, text in enumerate(self.table(month).row(endpoint), 1) if text}

    def handle_starttag(self, tag: str, attrs: Attributes) -> None:
        """Note a tag."""
        given = dict(attrs)
        self.tags.add(tag)
        if tag == "a":
            self.links.append(str(given.get("href")))
        if given.get("role") == "region":
            self._region = str(given.get("aria-label"))
        if tag == "table":
            self.tables.append(Table(self._region))
        if tag == "caption":
            self.tables[-1].name = ""
        if tag == "tr":
            self.tables[-1].rows.append([])
        if tag in {"td", "th"}:
            self.tables[-1].rows[-1].append("")
        self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        """Close what is open, and what was not closed in it."""
        if tag in {"td", "th"}:
            row = self.tables[-1].rows[-1]
            row[-1] = " ".join(row[-1].split())
        while tag in self._open and self._open.pop() != tag:
            pass

    def handle_data(self, data: str) -> None:
        """Keep a text."""
        if {"style", "script"} & {*self._open}:
            return
        self.text += data
        if {"td", "th"} & {*self._open}:
            self.tables[-1].rows[-1][-1] += data
        elif "caption" in self._open:
            self.tables[-1].name += data


def report() -> Page:
    """Return the report of what is in the warehouse."""
    return Page(page_of(read_contents(load_settings())))
