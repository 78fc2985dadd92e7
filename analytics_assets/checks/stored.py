"""What the warehouse says of a load behind it: the window's row in the ledger, and ids. These are errors."""

from collections.abc import Sequence

import dagster as dg

from analytics_assets.catalogue import Loaded
from analytics_assets.ingest.endpoint import Endpoint
from analytics_assets.ingest.warehouse.quality import Quality


def stored_results(endpoint: Endpoint, loaded: Sequence[Loaded]) -> list[dg.AssetCheckResult]:
    """Return the results for the windows that were loaded.

    Where the warehouse could not be looked into they fail as warnings, which hold back nothing: the rows have arrived.
    """
    if unseen := next((part.quality.unseen for part in loaded if part.quality.unseen), None):
        text = f"The rows have arrived, but this could not be looked at: {unseen}. Load the days again."
        return [
            dg.AssetCheckResult(check_name=name, passed=False, severity=dg.AssetCheckSeverity.WARN, description=text)
            for name in ("window_complete", "ids_unique")
        ]
    return [_complete(endpoint, loaded), _ids(endpoint, [part.quality for part in loaded])]


def _complete(endpoint: Endpoint, loaded: Sequence[Loaded]) -> dg.AssetCheckResult:
    odd = [f"{part.report.window or 'all history'}: {why}" for part in loaded if (why := _incomplete(endpoint, part))]
    kept = sum(part.report.rows_kept for part in loaded)
    return dg.AssetCheckResult(
        check_name="window_complete",
        passed=not odd,
        severity=dg.AssetCheckSeverity.ERROR,
        description=f"{'; '.join(odd)}. Load these days again."
        if odd
        else f"Each window is in the ledger as loaded, and its figures agree; {kept:,} rows were kept.",
        metadata={"windows": len(loaded), "windows_incomplete": len(odd), "rows_kept": kept},
    )


def _incomplete(endpoint: Endpoint, part: Loaded) -> str | None:
    """Say what a window's row in the ledger lacks."""
    row = part.quality.ledger
    if not row:
        return "the ledger has no row of it"
    if row["outcome"] != "loaded":
        return f"the ledger says {row['outcome']}, not loaded"
    read, kept, found = row["rows_read"], row["rows_kept"], row["rows_loaded"]
    accounted = kept + row["rows_outside"] + row["rows_rejected"]
    if row["api_total"] is not None and row["api_total"] > read and not endpoint.unnest:
        return f"the API has {row['api_total']:,} rows, and {read:,} were read"
    if accounted != read:
        return f"{read:,} rows were read, and {accounted:,} were kept, left out or set aside"
    # fewer are of this load where the table had some in a newer state, as was proven
    return f"{kept:,} rows were kept, and {found:,} are in the table" if found > kept else None


def _ids(endpoint: Endpoint, found: Sequence[Quality]) -> dg.AssetCheckResult:
    rows, without, repeated = (sum(getattr(one, name) for one in found) for name in ("rows", "without_id", "repeated"))
    names = ", ".join(endpoint.merge_key)
    odd = [
        *([f"{without:,} of {rows:,} rows have no {names}."] if without else []),
        *([f"{repeated:,} of {rows:,} rows have the {names} of another one."] if repeated else []),
    ]
    advice = (
        f"No load does this: look at who else writes to {endpoint.name}, delete these rows, and load the days again."
    )
    return dg.AssetCheckResult(
        check_name="ids_unique",
        passed=not odd,
        severity=dg.AssetCheckSeverity.ERROR,
        description=" ".join([*odd, advice]) if odd else f"{rows:,} rows, no two with the same {names}.",
        metadata={"rows": rows, "without_id": without, "repeated": repeated},
    )
