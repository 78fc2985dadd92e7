"""What Dagster loads."""

import click

from analytics_assets.build import build_definitions
from analytics_assets.ingest.configured import SettingError


class SettingsError(click.ClickException):
    """A setting is wrong: of an exception of this kind, Dagster's commands print the message and no traceback."""


try:
    defs = build_definitions()
except SettingError as error:
    raise SettingsError(str(error)) from None
