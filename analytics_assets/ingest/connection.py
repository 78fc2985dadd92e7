"""Whether the API can be reached with the settings as they are: two cheap requests, one worded verdict."""

import datetime as dt
import zoneinfo
from dataclasses import dataclass

from tenacity import Retrying, retry_if_exception, stop_after_attempt

from analytics_assets.ingest.endpoints import Endpoint
from analytics_assets.ingest.errors import Kind, RefusedError, causes, explain
from analytics_assets.ingest.report import WindowReport
from analytics_assets.ingest.settings import Settings
from analytics_assets.ingest.source import read_only
from analytics_assets.ingest.window import HOW_IT_IS_ASKED, Window

# Somebody stands before the screen.
_LONGEST_WAIT = 30.0


@dataclass(frozen=True)
class Verdict:
    """What one endpoint answered: ``fine``, or the kind of problem, and a sentence about it."""

    endpoint: str
    kind: Kind | None
    message: str

    @property
    def is_fine(self) -> bool:
        """Whether the endpoint answered as the settings describe."""
        return self.kind is None

    def __str__(self) -> str:
        return f"{self.endpoint}: {self.message if self.kind else f'fine: {self.message}'}"


def check_endpoint(endpoint: Endpoint, settings: Settings) -> Verdict:
    """Ask an endpoint for one row, and for the day of it. Problems come back in the verdict; only bugs of ours raise.

    Nothing is asked again but what was refused for its pace, once: other runs may be using it up, and say nothing of
    the settings.
    """
    asked = {
        "max_retries": 0,
        "max_retry_after": min(settings.max_retry_after, _LONGEST_WAIT),
        "rejected_rows": "set_aside",
    }
    once = settings.model_copy(update=asked)
    try:
        first = _read_page(endpoint, once.model_copy(update={"page_size": 1}), None)
        misread = _misread_window(endpoint, once, first)
    except Exception as error:
        problem = explain(error)
        if problem is None:
            raise
        return Verdict(endpoint.name, problem.kind, problem.message)
    if misread:
        return Verdict(endpoint.name, "setting", misread)
    total = first.total
    return Verdict(endpoint.name, None, "rows come" if total is None else f"{total:,} rows in all")


def _misread_window(endpoint: Endpoint, settings: Settings, first: WindowReport) -> str | None:
    """Ask for the day of a row that came, and say what shows that the API takes that for another window."""
    moment = next((row.get(endpoint.cursor) for row in first.preview), None)
    if not isinstance(moment, dt.datetime):
        return None
    zone = zoneinfo.ZoneInfo(settings.timezone)
    report = _read_page(endpoint, settings, Window.of_day(moment.astimezone(zone).date(), zone))
    what = f"a row of {moment:%Y-%m-%dT%H:%M:%SZ} came, and asked for its day ({dict(report.asked)})"
    if report.strays.count:
        return f"{what} the API returned {report.strays}: check {HOW_IT_IS_ASKED}"
    # else another page may have it
    is_all = report.rows_read == (report.total or 0)
    if is_all and (report.latest is None or report.latest < moment):
        return f"{what} the API returned {report.rows_read} rows without it: check {HOW_IT_IS_ASKED}"
    return None


def _read_page(endpoint: Endpoint, settings: Settings, window: Window | None) -> WindowReport:
    once_more = Retrying(stop=stop_after_attempt(2), retry=retry_if_exception(_is_refusal), reraise=True)
    return once_more(read_only, endpoint, settings, window, pages=1).report()


def _is_refusal(error: BaseException) -> bool:
    return any(isinstance(cause, RefusedError) for cause in causes(error))
