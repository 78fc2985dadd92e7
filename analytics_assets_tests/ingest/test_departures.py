"""What departs from dlt does what it is there for, and dlt does not do it by itself."""

import functools
import inspect
import typing
from collections import Counter
from pathlib import Path
from typing import Annotated, Any

import dlt
import pytest
from dlt.common import configuration, validation
from dlt.common.configuration import resolve, resolve_configuration
from dlt.common.configuration.providers import environ
from dlt.common.configuration.specs import BaseConfiguration
from dlt.common.destination import Destination, reference
from dlt.common.schema import Schema
from dlt.common.schema.typing import TTableSchema
from dlt.common.typing import TSecretStrValue
from dlt.destinations.job_client_impl import SqlJobClientBase
from dlt.destinations.sql_jobs import SqlMergeFollowupJob

from analytics_assets.ingest import departures
from analytics_assets.ingest.configured import load_settings
from analytics_assets.ingest.opening import open_pipeline
from analytics_assets.ingest.source import build_source
from analytics_assets.ingest.window import Window
from analytics_assets_tests.project import WINDOW, Project, endpoint_of, stories
from analytics_assets_tests.warehouses import Postgres, types


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


def test_a_type_is_told_from_a_secret_once(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """By itself dlt finds out for each place where it looks for a value, thousands of times in a load."""
    looked_at: Counter[type] = Counter()

    def is_secret_hint(hint: type) -> bool:
        looked_at[hint] += 1
        return configuration.is_secret_hint(hint)

    for module in (environ, resolve):
        monkeypatch.setattr(module, "is_secret_hint", is_secret_hint)
    known = functools.cache(is_secret_hint)
    monkeypatch.setattr(departures, "_known_as_secret", known)
    project.serve(rows={"stories": stories(3)})
    source, reading = build_source(endpoint_of("stories"), load_settings(), WINDOW)
    with open_pipeline(reading) as pipeline:
        # by now ours stands in place of those above
        looked_at.clear()
        known.cache_clear()
        pipeline.run(source)
    assert looked_at
    assert set(looked_at.values()) == {1}
    is_secret: Any = vars(resolve)["is_secret_hint"]
    hints: list[Any] = [TSecretStrValue, Annotated[str, []], str]
    assert [is_secret(hint) for hint in hints] == [configuration.is_secret_hint(hint) for hint in hints]
    assert [is_secret(hint) for hint in hints] == [True, False, False]


@pytest.mark.postgres
@pytest.mark.parametrize("window", [WINDOW, None], ids=["window", "full refresh"])
def test_a_declared_json_column_is_jsonb(project: Project, postgres: Postgres, window: Window | None) -> None:
    """By itself dlt makes ``json`` of it, in which no value can be compared with another."""
    project.serve(rows={"media_insights": [{"id": "m1", "timestamp": "2025-03-01T00:00:00Z", "value": {"a": 1}}]})
    project.load(window, "media_insights")
    assert types(postgres, "media_insights")["value"] == "jsonb"
    assert postgres.execute("SELECT id FROM analytics.media_insights WHERE value = '{\"a\": 1}'") == [("m1",)]


def test_the_file_format_is_left_out_for_the_block_alone() -> None:
    """What is loaded afterwards is Parquet as before, also where making the table has failed."""
    schema = Schema("analytics_api")
    schema.update_table({"name": "stories", "columns": {}, "file_format": "parquet"})

    def fails() -> None:
        with departures.as_jsonb(schema, "stories"):
            assert "file_format" not in schema.tables["stories"]
            raise LookupError

    with pytest.raises(LookupError):
        fails()
    assert schema.tables["stories"]["file_format"] == "parquet"


@pytest.mark.parametrize("kind", ["duckdb", "postgres"])
def test_dlt_by_itself_merges_without_a_transaction(kind: str) -> None:
    """Once dlt says of both kinds that they have transactions, ``destination_arguments`` need not."""
    assert not Destination.from_reference(kind).capabilities().supports_transactions


def test_dlt_by_itself_makes_json_of_json_columns_in_parquet() -> None:
    """Once dlt makes ``jsonb`` of them, ``as_jsonb`` can go."""
    mapper = dlt.destinations.postgres().capabilities().get_type_mapper()
    made = {
        file_format: mapper.to_destination_type(
            {"name": "value", "data_type": "json"}, {"name": "t", "columns": {}, "file_format": file_format}
        )
        for file_format in ("parquet", "insert_values")
    }
    assert made == {"parquet": "json", "insert_values": "jsonb"}


@pytest.mark.parametrize("kind", ["duckdb", "postgres"])
def test_a_merge_of_dlt_by_itself_begins_with_its_delete(kind: str) -> None:
    """Once dlt takes statements for the transaction of a merge, ``before_merge`` can go.

    Both kinds make the job of a merge as dlt's base class does, by a method that is not theirs.
    """
    [made_by] = {
        vars(one)[departures._MERGE_JOBS]  # noqa: SLF001 - of dlt, and named there
        for one in Destination.from_reference(kind).client_class.__mro__
        if departures._MERGE_JOBS in vars(one)  # noqa: SLF001
    }
    assert made_by is vars(SqlJobClientBase)[departures._MERGE_JOBS]  # noqa: SLF001
    taken = inspect.signature(SqlMergeFollowupJob.gen_merge_sql).parameters
    assert list(taken) == ["table_chain", "sql_client"]


@pytest.mark.usefixtures("warehouse")
def test_a_merge_begins_with_what_it_is_given() -> None:
    """The statements stand before dlt's own, and what was given before does not stay."""
    _, reading = build_source(endpoint_of("stories"), load_settings(), WINDOW)
    chain: Any = [{"name": "stories", "write_disposition": "merge", "columns": {}}]
    with open_pipeline(reading) as pipeline:
        departures.before_merge(pipeline.destination, lambda *_: ("SELECT 1",))
        departures.before_merge(pipeline.destination, lambda table, _: (f"SELECT '{table['name']}'",))
        with pipeline.destination_client() as client:
            [job] = client.create_table_chain_completed_followup_jobs(chain)
    first, second, *_ = Path(job.new_file_path()).read_text().splitlines()
    assert first == "SELECT 'stories'"
    assert second.startswith("INSERT")
