"""Days that ``gap_filler`` asks for no more, as the ledger has them."""

import datetime as dt
import logging
import zoneinfo
from collections.abc import Mapping

from analytics_assets.ingest.opening import read_warehouse
from analytics_assets.ingest.settings import Settings
from analytics_assets.ingest.warehouse.coverage import coverage

_DAY = dt.timedelta(days=1)


def given_up_days(settings: Settings, log: logging.Logger, patience: float) -> Mapping[str, Mapping[str, str]]:
    """Return by endpoint the days that are given up, each with why it failed last.

    Raises what ``explain`` has words for where the warehouse cannot be read within ``patience`` seconds.
    """
    yesterday = dt.datetime.now(zoneinfo.ZoneInfo(settings.timezone)).date() - _DAY
    if yesterday < settings.start_date:
        return {}
    with read_warehouse(log, patience) as client:
        known = coverage(client, settings, settings.start_date, yesterday)
    found = {
        name: {
            str(day): one.reason or ""
            for day, one in days.items()
            if one.state != "proven" and one.tries >= settings.gap_tries
        }
        for name, days in known.items()
    }
    return {name: days for name, days in found.items() if days}
