"""Days that ``gap_filler`` asks for no more, as the ledger has them."""

from collections import defaultdict
from collections.abc import Mapping

from analytics_assets.ingest.opening import known_days
from analytics_assets.ingest.settings import Settings
from analytics_assets.ingest.warehouse.gaps import given_up


def given_up_days(settings: Settings, patience: float) -> Mapping[str, Mapping[str, str]]:
    """Return by endpoint the days that are given up, each with why it failed last.

    Raises what ``explain`` has words for where the warehouse cannot be read within ``patience`` seconds.
    """
    found: dict[str, dict[str, str]] = defaultdict(dict)
    for one in given_up(known_days(settings, patience), settings):
        found[one.endpoint][str(one.day)] = one.reason or ""
    return found
