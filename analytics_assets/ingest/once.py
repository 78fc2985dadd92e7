"""What dlt works out again and again, worked out once: half of what loading a few rows takes."""

import functools
import sys
import typing
from typing import Any

from dlt.common import validation
from dlt.common.destination import AnyDestination
from dlt.common.destination.client import DestinationClientConfiguration

_get_type_hints = typing.get_type_hints


@functools.cache
def _type_hints(spec: type) -> dict[str, Any]:
    module = sys.modules.get(spec.__module__)
    return _get_type_hints(spec, globalns=vars(module) if module else None)


def read_type_hints_once() -> None:
    """Have dlt's validation of schemas and configs read the annotations of each of its ``TypedDict`` once per process.

    It does so for each column and each time. Can go when the TODO in ``dlt.common.validation.validate_dict`` is gone.
    """

    def get_type_hints(spec: type, **_: object) -> dict[str, Any]:
        return _type_hints(spec)

    setattr(validation, typing.get_type_hints.__name__, get_type_hints)


def resolve_once(destination: AnyDestination) -> None:
    """Have the destination read its settings once; dlt does so sixteen times in a run."""
    resolve = destination.configuration
    resolved: dict[object, DestinationClientConfiguration] = {}

    def configuration(
        initial_config: DestinationClientConfiguration,
        accept_partial: bool = False,  # noqa: FBT001, FBT002 (dlt's)
    ) -> DestinationClientConfiguration:
        if initial_config.is_resolved():
            return resolve(initial_config, accept_partial)
        named = (getattr(initial_config, name, None) for name in ("dataset_name", "default_schema_name"))
        wanted = (*named, accept_partial)
        if wanted not in resolved:
            resolved[wanted] = resolve(initial_config, accept_partial)
        return resolved[wanted]

    destination.configuration = configuration  # type: ignore[method-assign]
