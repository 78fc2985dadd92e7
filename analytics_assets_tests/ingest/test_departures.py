"""What departs from dlt does what it is there for, and dlt does not do it by itself."""

import typing
from collections import Counter
from typing import Any

import pytest
from dlt.common import validation
from dlt.common.configuration import resolve_configuration
from dlt.common.configuration.specs import BaseConfiguration
from dlt.common.destination import reference
from dlt.common.schema.typing import TTableSchema

from analytics_assets.ingest import departures
from analytics_assets_tests.project import Project, stories


def test_the_destination_reads_its_settings_once(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """By itself dlt resolves them sixteen times in a run, which is a fifth of a small one."""
    resolved = []

    def resolve(config: BaseConfiguration, **kwargs: Any) -> BaseConfiguration:  # noqa: ANN401 - dlt's signature
        if not config.is_resolved():
            resolved.append(config)
        return resolve_configuration(config, **kwargs)

    monkeypatch.setattr(reference, "resolve_configuration", resolve)
    project.serve(rows={"stories": stories(3)})
    project.load()
    # with and without the dataset; and what only tells the capabilities
    assert 1 <= len(resolved) <= 4


def test_annotations_are_read_once(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """By itself dlt reads those of a column's ``TypedDict`` for each column, hundreds of times in a run."""
    read: Counter[type] = Counter()

    def get_type_hints(spec: type, **kwargs: Any) -> dict[str, Any]:  # noqa: ANN401 - typing's signature
        read[spec] += 1
        return typing.get_type_hints(spec, **kwargs)

    for module, name in ((validation, "get_type_hints"), (departures, "_get_type_hints")):
        monkeypatch.setattr(module, name, get_type_hints)
    departures._type_hints.cache_clear()  # noqa: SLF001 - else an earlier test has had them read
    project.serve(rows={"stories": stories(3)})
    project.load()
    assert read[TTableSchema] == 1
    assert set(read.values()) == {1}
    # the load has put its own in place of the one above
    assert validation.get_type_hints(TTableSchema) == typing.get_type_hints(TTableSchema)  # type: ignore[attr-defined]
