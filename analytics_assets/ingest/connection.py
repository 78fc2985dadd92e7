"""Whether API and warehouse can be used with the settings as they are: a few cheap questions, a verdict each."""

import datetime as dt
import logging
import zoneinfo
from dataclasses import dataclass

from tenacity import Retrying, retry_if_exception, stop_after_attempt

from analytics_assets.ingest.endpoints import Endpoint
from analytics_assets.ingest.errors import Kind, RefusedError, WindowMovedError, causes, explain
from analytics_assets.ingest.key import key_end
from analytics_assets.ingest.load import open_warehouse
from analytics_assets.ingest.report import WindowReport
from analytics_assets.ingest.settings import Settings
from analytics_assets.ingest.source import read_only
from analytics_assets.ingest.window import HOW_IT_IS_ASKED, Window

# Somebody stands before the screen.
_LONGEST_WAIT = 30.0
_LOG = logging.getLogger("analytics_assets")
# no social network is that old
_BEFORE_ALL = Window.of_day(dt.date(1970, 1, 2))


@dataclass(frozen=True)
class Verdict:
    """What an endpoint, or the warehouse, answered: ``fine``, or the kind of problem, and a sentence about it."""

    endpoint: str
    """Its name, or ``warehouse``."""
    kind: Kind | None
    message: str
    is_warning: bool = False
    """Whether nothing is wrong yet, but will be."""

    @property
    def is_fine(self) -> bool:
        """Whether the answer was as the settings describe."""
        return self.kind is None

    def __str__(self) -> str:
        return f"{self.endpoint}: {self.message if self.kind or self.is_warning else f'fine: {self.message}'}"


def check_endpoint(endpoint: Endpoint, settings: Settings) -> Verdict:
    """Ask an endpoint for one row, look into it, and ask for its day. Problems come back in the verdict.

    Only a 429 is asked again, once: other runs may be using up the rate limit, which says nothing about the settings.
    Only bugs of this project raise.
    """
    asked = {
        "max_retries": 0,
        "max_retry_after": min(settings.max_retry_after, _LONGEST_WAIT),
        "rejected_rows": "set_aside",
    }
    once = settings.model_copy(update=asked)
    try:
        first = _read_page(endpoint, once.model_copy(update={"page_size": 1}), None)
        said = _unlike_the_settings(endpoint, once, first) or _misread_window(endpoint, once, first)
    except Exception as error:
        problem = explain(error)
        if problem is None:
            raise
        return Verdict(endpoint.name, problem.kind, problem.message)
    if said:
        return Verdict(endpoint.name, "setting", said)
    no_total = "rows come, and no total"
    if settings.total_selector:
        no_total += f" (the answer has no {settings.total_selector!r}: setting total_selector)"
    return Verdict(endpoint.name, None, no_total if first.total is None else f"{first.total:,} rows in all")


def check_key(settings: Settings) -> list[Verdict]:
    """Return a verdict on a key that has ended, or does so soon; no request is made for it."""
    end = key_end(settings)
    if end is None:
        return []
    return [
        Verdict("key", "setting", f"setting: {end}") if end.is_over else Verdict("key", None, f"{end}", is_warning=True)
    ]


def check_warehouse(settings: Settings, log: logging.Logger = _LOG) -> Verdict:
    """Open the warehouse and try to write to it, which changes nothing. Problems come back in the verdict."""
    try:
        with open_warehouse(log) as warehouse:
            where, is_tried = warehouse.location, warehouse.try_writing(one.name for one in settings.resolved_endpoints)
    except Exception as error:
        problem = explain(error)
        if problem is None:
            raise
        return Verdict("warehouse", problem.kind, problem.message)
    return Verdict("warehouse", None, f"{where} can be written to" if is_tried else f"{where} cannot be tried")


def _unlike_the_settings(endpoint: Endpoint, settings: Settings, first: WindowReport) -> str | None:
    """Say what the first answer does not have, though the settings name it."""
    its_setting = f"analytics_api.endpoints.{endpoint.name}"
    if first.rejected:
        reasons = "; ".join(first.rejected)
        return f"the row that came cannot be loaded: {reasons}. Check {its_setting}.id and .cursor"
    if first.rows_without_cursor:
        has = f"it has {', '.join(sorted(first.fields))}"
        return f"the row that came has no {endpoint.cursor!r}, and {has}: name its time in {its_setting}.cursor"
    # a vendor without a total is fine, as long as nobody says where it is
    if first.total is None and settings.total_selector and "total_selector" in settings.model_fields_set:
        advice = 'where the vendor gives no total, set total_selector = ""'
        return f"the answer has no {settings.total_selector!r} (setting total_selector): {advice}"
    return None


def _misread_window(endpoint: Endpoint, settings: Settings, first: WindowReport) -> str | None:
    """Ask for the day of a row that came, and say what shows that the API takes that for another window."""
    if not settings.has_window:
        return None
    moment = next((row.get(str(endpoint.cursor)) for row in first.preview), None)
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
    if report.total is not None and report.rows_read < report.total == first.total:
        # a day may well have all rows that there are; a day before all of them has none
        return _misread_total(endpoint, settings)
    return None


def _misread_total(endpoint: Endpoint, settings: Settings) -> str | None:
    try:
        _read_page(endpoint, settings, _BEFORE_ALL)
    except Exception as error:
        if not any(isinstance(cause, WindowMovedError) for cause in causes(error)):
            raise
        said = f"asked for {_BEFORE_ALL.start:%Y-%m-%d}, the API returned no row, and a total of more than that"
        return f'{said}: its total is not the window\'s. Check total_selector; "" reads without a total'
    return None


def _read_page(endpoint: Endpoint, settings: Settings, window: Window | None) -> WindowReport:
    once_more = Retrying(stop=stop_after_attempt(2), retry=retry_if_exception(_is_refusal), reraise=True)
    return once_more(read_only, endpoint, settings, window, pages=1).report()


def _is_refusal(error: BaseException) -> bool:
    return any(isinstance(cause, RefusedError) for cause in causes(error))
