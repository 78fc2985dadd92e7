"""How much of a list is asked for at once: what the settings say, or less where the API asks for that."""

import datetime as dt
import json
from dataclasses import dataclass
from typing import Any, Self

from analytics_assets.ingest.settings import Settings

# After that the API is asked for as much as the settings say again, for it may have been busy, or a day was heavy.
_REMEMBERED = dt.timedelta(days=7)


@dataclass
class Portion:
    """Rows of a page, and days of a window. Whoever asks for a page of the window that is being loaded looks here."""

    page_size: int | None
    """``None``: the API has a page size of its own."""
    max_days: int
    configured: tuple[int | None, int]
    """The page size and the days that the settings say."""
    halvings: int = 0
    """How often the page size was halved since the load was begun."""
    since: dt.datetime | None = None
    """When the API asked for less the last time; ``None``: it did not."""

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """Return what the settings say."""
        page_size = settings.page_size if settings.limit_param else None
        return cls(page_size, settings.max_window_days, (page_size, settings.max_window_days))

    @property
    def is_single_row(self) -> bool:
        """Whether pages have become as small as that."""
        return self.page_size == 1 != self.configured[0]

    def halve_pages(self) -> bool:
        """Halve the page size; ``False`` where it cannot be smaller."""
        if self.page_size is None or self.page_size == 1:
            return False
        self.page_size //= 2
        self.halvings += 1
        self.since = dt.datetime.now(dt.UTC)
        return True

    def cut_windows(self, days: int) -> None:
        """Note that longer windows than these were refused."""
        self.max_days = min(days, self.max_days)
        self.since = dt.datetime.now(dt.UTC)

    def begin_with(self, noted: object) -> None:
        """Begin with what an earlier load has noted, unless that was long ago, or under other settings."""
        found: Any = json.loads(noted) if isinstance(noted, str) else noted
        if not found or found["configured"] != list(self.configured):
            return
        since = dt.datetime.fromisoformat(found["since"])
        if dt.datetime.now(dt.UTC) - since < _REMEMBERED:
            self.page_size = found["page_size"]
            self.max_days = min(found["max_window_days"], self.max_days)
            self.since = self.since or since

    def noted(self) -> dict[str, Any] | None:
        """Return what the next load is to begin with; ``None`` where that is what the settings say."""
        if self.since is None:
            return None
        now = {"page_size": self.page_size, "max_window_days": self.max_days}
        return {**now, "configured": list(self.configured), "since": self.since.isoformat()}

    def __str__(self) -> str:
        page_size, days = self.configured
        pages = f"pages of {self.page_size} rows instead of {page_size}" if self.page_size != page_size else ""
        pages += f" (halved {self.halvings} times in this load)" if self.halvings else ""
        windows = f"windows of {self.max_days} days instead of {days}" if self.max_days < days else ""
        return ", ".join(filter(None, [pages, windows]))
