"""The checks that every endpoint's asset has: their names, and what each one looks at."""

import warnings

import dagster as dg

from analytics_assets.ingest.endpoint import Endpoint
from analytics_assets.ingest.settings import Settings

DESCRIPTIONS = {
    "key_valid": "The API key is good for more than 14 days, by the setting key_expires_on.",
    "no_rows_rejected": "Every row can be loaded as it is; those that cannot are in {endpoint}__rejected.",
    "columns_as_expected": (
        "Every declared column was in at least one row of the window, and no column got values of another type "
        "than its own: these are in a column beside it, such as `mood__v_text`."
    ),
    "window_as_expected": (
        "The API returned no row outside of the window that it was asked for, and no day without rows stands "
        "between days that have some."
    ),
}
"""By name; ``{endpoint}`` is the asset's."""


def check_specs(endpoint: Endpoint, settings: Settings, partitions: dg.PartitionsDefinition) -> list[dg.AssetCheckSpec]:
    """Return the checks of an endpoint's asset; there is one of the key where the settings say when that ends."""
    with warnings.catch_warnings():
        # Without partitions Dagster plans a result of the day and stores another one of none; they are a preview.
        warnings.simplefilter("ignore", dg.PreviewWarning)
        return [
            dg.AssetCheckSpec(
                name, asset=endpoint.name, description=text.format(endpoint=endpoint.name), partitions_def=partitions
            )
            for name, text in DESCRIPTIONS.items()
            if name != "key_valid" or settings.key_expires_on
        ]
