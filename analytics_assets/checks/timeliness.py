"""What is so now, whatever was loaded: yesterday arrived, rows that expire were read of late, and the key is good."""

import datetime as dt
import zoneinfo

from analytics_assets.checks.seen import Seen, Verdict, could_not_look, counted
from analytics_assets.ingest.key import key_end
from analytics_assets.ingest.warehouse.coverage import DayOfEndpoint
from analytics_assets.ingest.warehouse.quality import Unknown


def yesterday_arrived(seen: Seen) -> Verdict:
    """Look into the ledger for the last day that should be there, where the days before it are loaded day by day."""
    recent = seen.newest.recent
    if isinstance(recent, Unknown):
        return could_not_look(recent)
    *before, due = sorted(recent.get(seen.endpoint.name, {}).values(), key=lambda one: one.day)
    missing = [one for one in before if one.state != "proven"]
    figures = {"days_missing_of_last_8": len(missing) + (due.state != "proven")}
    if due.day < seen.settings.start_date:
        return Verdict([], f"No day is expected yet: the first is {seen.settings.start_date}.", figures)
    if due.state == "proven":
        return Verdict([], f"{due.day} is loaded, and proven whole.", figures)
    if len(missing) == len(before):
        return Verdict([], f"{due.day} is not expected: none of the days before it is loaded either.", figures)
    return Verdict([f"{due.day} {_why_not(due)}."], "", figures)


def _why_not(due: DayOfEndpoint) -> str:
    if due.state == "partial":
        return "was loaded only while it lasted, so the rest of it is missing"
    if due.state == "missing":
        return "was never loaded"
    return f"failed {counted(due.tries, 'time')}, the last time because of this: {due.reason}"


def expiring_rows_read(seen: Seen) -> Verdict:
    """Look for rows that the API stops returning soon, and that were read long ago."""
    found = seen.newest.expiring
    if isinstance(found, Unknown):
        return could_not_look(found)
    soon, long = _hours(found.soon), _hours(found.long)
    odd = []
    if found.rows and found.next:
        first = found.next.astimezone(zoneinfo.ZoneInfo(seen.settings.timezone))
        expire, were = ("expires", "was") if found.rows == 1 else ("expire", "were")
        coming = f"{counted(found.rows, 'row')} {expire} within {soon}, the first at {first:%Y-%m-%d %H:%M %Z}"
        odd.append(f"{coming}, and {were} last read more than {long} ago.")
    fine = f"No row that expires within {soon} was last read more than {long} ago."
    return Verdict(odd, fine, {"rows": found.rows})


def _hours(span: dt.timedelta) -> str:
    hours = round(span.total_seconds() / 3600, 1)
    return f"{hours:g} {'hour' if hours == 1 else 'hours'}"


def key_valid(seen: Seen) -> Verdict:
    """Look at the setting that says when the key ends."""
    end, day = key_end(seen.settings), str(seen.settings.key_expires_on)
    odd = [f"{str(end)[:1].upper()}{str(end)[1:]}."] if end else []
    return Verdict(odd, f"The API key ends on {day}.", {"key_expires_on": day})
