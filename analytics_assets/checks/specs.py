"""The checks: their names, what each looks at, when it is red, what to do then, and which endpoints have it.

The names are the field's own and stay; docs/checks.md is a table of these.
"""

import warnings
from collections.abc import Callable
from dataclasses import dataclass

import dagster as dg

from analytics_assets.checks.bounds import numbers_in_bounds
from analytics_assets.checks.columns import columns_as_expected
from analytics_assets.checks.complete import complete_window
from analytics_assets.checks.references import references_covered
from analytics_assets.checks.rows import ids_unique, no_rows_rejected
from analytics_assets.checks.schema import schema_unchanged
from analytics_assets.checks.seen import Seen, Verdict
from analytics_assets.checks.timeliness import expiring_rows_read, key_valid, yesterday_arrived
from analytics_assets.checks.volume import volume_as_usual
from analytics_assets.checks.window import window_as_expected
from analytics_assets.ingest.endpoint import Endpoint
from analytics_assets.ingest.settings import Settings


@dataclass(frozen=True, kw_only=True)
class Check:
    """A check; ``advice`` is what to do when it is red. One that is blocking holds back what is made of the table."""

    name: str
    judge: Callable[[Seen], Verdict]
    looks_at: str
    red_when: str
    advice: str
    is_of: Callable[[Endpoint, Settings], bool] = lambda _endpoint, _settings: True
    is_blocking: bool = False


def _has_numbers(endpoint: Endpoint, _settings: Settings) -> bool:
    return bool(endpoint.measured)


def _refers(endpoint: Endpoint, settings: Settings) -> bool:
    there = {one.name: one for one in settings.resolved_endpoints}
    parents = [there[one.references] for one in endpoint.columns if one.references in there and not one.is_hashed]
    return any(len(parent.merge_key) == 1 for parent in parents)


CHECKS: tuple[Check, ...] = (
    Check(
        name="complete_window",
        judge=complete_window,
        looks_at="The window's row in the ledger, and the rows that the table has of it",
        red_when="asked, total, read, kept and loaded disagree, or the table holds fewer rows than were loaded",
        advice="Load the day again; if it stays red, something else writes to these tables.",
        is_blocking=True,
    ),
    Check(
        name="ids_unique",
        judge=ids_unique,
        looks_at="The ids of what was loaded, in the table",
        red_when="two rows have one id, or a row has none",
        advice="Look who else writes to the table; delete the rows that are too many, and load the day again.",
        is_blocking=True,
    ),
    Check(
        name="no_rows_rejected",
        judge=no_rows_rejected,
        looks_at="Rows that could not be loaded as they are",
        red_when="a row was set aside",
        advice="Look into the table of rejected rows; declare the column with the type that comes, and load again.",
    ),
    Check(
        name="columns_as_expected",
        judge=columns_as_expected,
        looks_at="The fields that came, and the columns that are declared",
        red_when="no row has a declared column, or values of another type came, which are in a column beside it",
        advice="Ask for the field (extra_params), say where it stands (columns.<name>.from), or ignore it.",
    ),
    Check(
        name="window_as_expected",
        judge=window_as_expected,
        looks_at="The days of the rows that came",
        red_when="rows came that nobody asked for, or a day without rows stands between days that have some",
        advice="Run make check, which says how the API understands a day; load an empty day once more.",
    ),
    Check(
        name="schema_unchanged",
        judge=schema_unchanged,
        looks_at="Columns and metrics of each day, beside those of the eight weeks before",
        red_when="one appeared, vanished (it was there on half of the days of four weeks) or changed its type",
        advice="Read the vendor's release notes; what is built on a name that vanished has to be changed.",
    ),
    Check(
        name="volume_as_usual",
        judge=volume_as_usual,
        looks_at="Rows of a day, beside those of the same weekday in the eight weeks before",
        red_when="they differ from the median by more than 5 deviations (MAD), a quarter of it, and 3 rows",
        advice="Compare with the vendor's own page; if rows are missing there too, load the day again later.",
    ),
    Check(
        name="numbers_in_bounds",
        judge=numbers_in_bounds,
        looks_at="The least and the largest number of each metric and column that was loaded",
        red_when="one is outside of bounds, or below zero where metrics says that it is a sum or unique",
        advice="Ask the vendor, or correct the settings bounds and metrics.",
        is_of=_has_numbers,
    ),
    Check(
        name="references_covered",
        judge=references_covered,
        looks_at="Rows that refer to another endpoint's, such as insights to their story, and the rows referred to",
        red_when="a row refers to nothing that is loaded, or nothing refers to one after insights_after_hours",
        advice="Load the other endpoint's day, and this one's again; the vendor may measure later than it says.",
        is_of=_refers,
    ),
    Check(
        name="yesterday_arrived",
        judge=yesterday_arrived,
        looks_at="The ledger's word on yesterday, from 6 o'clock on; before that, on the day before",
        red_when="it is not proven whole, though a day of the week before it is",
        advice="Look at its last run, and load it; is the schedule daily_load switched on?",
    ),
    Check(
        name="expiring_rows_read",
        judge=expiring_rows_read,
        looks_at="Rows that the API stops returning within 3 hours, or twice stories_minutes",
        red_when="they were last read more than an hour ago, or twice stories_minutes",
        advice="Load today and yesterday now; what they become until they expire is lost otherwise.",
        is_of=lambda endpoint, _: endpoint.expires_by is not None,
    ),
    Check(
        name="key_valid",
        judge=key_valid,
        looks_at="The setting key_expires_on",
        red_when="the key ends within 14 days, or has ended",
        advice="Get a new key, put it into the place of the old one, and correct key_expires_on.",
        is_of=lambda _, settings: bool(settings.key_expires_on),
    ),
)


def checks_of(endpoint: Endpoint, settings: Settings) -> list[Check]:
    """Return the checks that an endpoint has."""
    return [check for check in CHECKS if check.is_of(endpoint, settings)]


def check_specs(
    endpoint: Endpoint, settings: Settings, partitions: dg.PartitionsDefinition | None = None
) -> list[dg.AssetCheckSpec]:
    """Return the specs of an endpoint's checks, each with a result per partition."""
    with warnings.catch_warnings():
        # Dagster calls the partitions of a check a preview; without them it keeps a day's result as one of no day
        warnings.simplefilter("ignore", dg.PreviewWarning)
        return [
            dg.AssetCheckSpec(
                check.name,
                asset=endpoint.name,
                description=f"{check.looks_at}. Red when {check.red_when}. What to do: {check.advice}",
                blocking=check.is_blocking,
                partitions_def=partitions,
            )
            for check in checks_of(endpoint, settings)
        ]
