"""A lake in a folder and in a bucket: loaded, merged, proven and closed as a database is."""

import datetime as dt
import json
import logging
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import boto3
import duckdb
import pyarrow as pa
import pyarrow.parquet
import pytest
import requests
from deltalake import DeltaTable, write_deltalake
from moto.server import ThreadedMotoServer

from analytics_assets.ingest.configured import SettingError, load_settings
from analytics_assets.ingest.connection import check_warehouse
from analytics_assets.ingest.errors import ApiError, explain
from analytics_assets.ingest.load import WindowPipeline
from analytics_assets.ingest.opening import read_warehouse
from analytics_assets.ingest.warehouse import delta
from analytics_assets.ingest.warehouse.merge import Newest
from analytics_assets.report.contents import read_contents
from analytics_assets_tests.ingest.warehouse.test_emptiness import accept
from analytics_assets_tests.ingest.warehouse.test_merge import (
    STATES,
    test_a_full_refresh_leaves_what_was_read_since_it_began,
    test_a_full_refresh_takes_what_the_api_says_now,
)
from analytics_assets_tests.project import WINDOW, Project, Row, message_of, stories
from analytics_assets_tests.warehouses import Lake

# the rules of a merge, held here by the fixture `warehouse` below
__all__ = [
    "test_a_full_refresh_leaves_what_was_read_since_it_began",
    "test_a_full_refresh_takes_what_the_api_says_now",
]
PREFIX = "DESTINATION__WAREHOUSE"


@pytest.fixture
def warehouse(lake: Lake) -> Lake:
    """Return the lake, where a test is one of databases too."""
    return lake


@pytest.fixture(scope="module")
def server() -> Iterator[dict[str, str]]:
    """Start a server of S3 with a bucket, which checks what requests are signed with; return what it is reached by."""
    serving = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    serving.start()
    host, port = serving.get_host_and_port()
    address = {"endpoint_url": f"http://{host}:{port}", "region_name": "us-east-1"}
    nobody = {"aws_access_key_id": "nobody", "aws_secret_access_key": "nothing"}
    boto3.client("s3", **address, **nobody).create_bucket(Bucket="bucket")
    users = boto3.client("iam", **address, **nobody)
    users.create_user(UserName="loader")
    allowed = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]}
    users.put_user_policy(UserName="loader", PolicyName="all", PolicyDocument=json.dumps(allowed))
    key = users.create_access_key(UserName="loader")["AccessKey"]
    requests.post(f"{address['endpoint_url']}/moto-api/reset-auth", data=b"0", timeout=10)
    yield {**address, "aws_access_key_id": key["AccessKeyId"], "aws_secret_access_key": key["SecretAccessKey"]}
    requests.post(f"{address['endpoint_url']}/moto-api/reset-auth", data=b"inf", timeout=10)
    serving.stop()


@pytest.fixture
def bucket(lake: Lake, server: dict[str, str], monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Lake:
    """Make a lake in the bucket the warehouse."""
    monkeypatch.setenv(f"{PREFIX}__BUCKET_URL", f"s3://bucket/{request.node.originalname}/social")
    for name, value in server.items():
        monkeypatch.setenv(f"{PREFIX}__CREDENTIALS__{name.upper()}", value)
    return lake


@pytest.mark.parametrize("where", ["lake", pytest.param("bucket", marks=pytest.mark.slow)])
def test_what_is_loaded_is_merged_proven_and_closed(
    project: Project, request: pytest.FixtureRequest, where: str
) -> None:
    """A day twice, then all history: rows are changed, added and gone as the API says, and the ledger counts them."""
    held_by: Lake = request.getfixturevalue(where)
    sandbox = project.serve(rows={"media_insights": stories(3)})
    name = {"lake": "my lake", "bucket": "social"}[where]
    assert check_warehouse(load_settings()).message == f"filesystem {name} can be written to"
    project.load(WINDOW, "media_insights")
    sandbox.rows["media_insights"][0] |= {"profile_views": 7, "nobody_declared": "it's"}
    sandbox.rows["media_insights"] += [{"id": "bad", "timestamp": "never"}]
    report = project.load(WINDOW, "media_insights")
    assert (report.rows_loaded, report.rows_rejected) == (3, 1)
    asked = "SELECT id, profile_views, nobody_declared FROM media_insights ORDER BY id"
    held = [("s000", 7, "it's"), ("s001", None, None), ("s002", None, None)]
    assert held_by.execute(asked) == held
    assert len(held_by.execute("SELECT reason FROM media_insights__rejected")) == 1
    del sandbox.rows["media_insights"][1:]
    project.load(None, "media_insights")
    assert held_by.execute(asked) == held[:1]
    sandbox.rows["media_insights"].clear()
    with pytest.raises(Exception, match="no rows came for all history") as raised:
        project.load(None, "media_insights")
    assert held_by.execute(asked) == held[:1]
    accept(None, "media_insights")
    assert held_by.execute(asked) == []
    assert held_by.execute(
        "SELECT outcome, rows_kept, rows_loaded, reason FROM _analytics_windows ORDER BY started_at"
    ) == [
        ("loaded", 3, 3, None),
        ("loaded", 3, 3, None),
        ("loaded", 1, 1, None),
        ("failed", 0, None, explain(raised.value).message),
        ("loaded", 0, 0, "the API said total 0"),
    ]


def test_a_row_that_the_lake_has_not_got_fails_the_load(
    project: Project, lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was kept is looked for in the files that Delta says are the table; running it again repairs it."""
    project.serve(rows={"stories": stories(3)})
    original = WindowPipeline.load

    def lossy(self: WindowPipeline, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - dlt's signature
        info = original(self, *args, **kwargs)
        DeltaTable(project.path / "my lake" / "analytics" / "stories").delete("id = 's001'")
        return info

    with monkeypatch.context() as patch:
        patch.setattr(WindowPipeline, "load", lossy)
        with pytest.raises(ApiError, match="3 rows were kept, 3 reached the warehouse, 2 are in the table"):
            project.load()
    assert project.load().rows_loaded == 3
    assert lake.execute("SELECT outcome FROM _analytics_windows ORDER BY started_at") == [("failed",), ("loaded",)]


def test_a_file_that_is_gone_is_no_missing_table(project: Project, lake: Lake) -> None:
    """Whoever asks what the table holds would be told of nothing, and an empty window would be believed."""
    sandbox = project.serve(rows={"stories": stories(3)})
    project.load()
    for file in (project.path / "my lake" / "analytics" / "stories").glob("*.parquet"):
        file.unlink()
    sandbox.rows["stories"] = []
    with pytest.raises(Exception, match="No files found that match"):
        project.load()
    assert lake.execute("SELECT outcome FROM _analytics_windows ORDER BY started_at")[1:] == [("failed",)]


def _load(folder: Path, name: str, hours: int, rows: list[Row], newest: Newest) -> None:
    """Merge rows as a load that has read them at an hour does."""
    read_at = dt.datetime(2025, 3, 1, hours, tzinfo=dt.UTC)
    made = [{"_dlt_id": f"{name}{n}", "_analytics_read_at": read_at, "by": name} | row for n, row in enumerate(rows)]
    table = pa.Table.from_pylist(made)
    types = [(column.name, pa.int64() if column.name == "updated" else column.type) for column in table.schema]
    pyarrow.parquet.write_table(table.cast(pa.schema(types)), folder / name)
    with duckdb.connect() as connection:
        place = str(folder / "rows")
        delta.anew(lambda: delta.merge_files(connection, place, {}, [str(folder / name)], newest))


def _held(folder: Path, *columns: str) -> list[tuple[object, ...]]:
    rows = DeltaTable(folder / "rows").to_pyarrow_table().sort_by("id").to_pylist()
    return [tuple(row[name] for name in columns) for row in rows]


def test_two_runs_at_once_insert_no_row_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """There is no lock: Delta refuses the one that has not seen the other's rows, and it is merged anew."""
    original, looked = delta._to_stay, []  # noqa: SLF001 - between the look at the table and the commit

    def meanwhile(*args: Any) -> Any:  # noqa: ANN401 - whatever it takes
        looked.append(args)
        found = original(*args)
        if len(looked) == 1:
            _load(tmp_path, "second", 2, [{"id": "b"}, {"id": "c"}], Newest(key=["id"]))
        return found

    monkeypatch.setattr(delta, "_to_stay", meanwhile)
    _load(tmp_path, "first", 1, [{"id": "a"}, {"id": "b"}], Newest(key=["id"]))
    assert _held(tmp_path, "id", "by") == [("a", "first"), ("b", "second"), ("c", "second")]
    assert len(looked) == 3


@pytest.mark.parametrize("case", STATES)
def test_of_two_states_the_newer_one_is_in_the_lake(tmp_path: Path, case: str) -> None:
    """Whichever is loaded last, and also where both come in one load; a field that came no more is empty."""
    newest = Newest(key=["id"], restated_by="updated")
    held, came = STATES[case]
    _load(tmp_path, "held", 1, [{"id": "a", "updated": held, "more": 1}, {"id": "a", "updated": -1, "more": 2}], newest)
    _load(tmp_path, "came", 2, [{"id": "a", "updated": came}], newest)
    _load(tmp_path, "read before", 0, [{"id": "a", "updated": None}], newest)
    assert _held(tmp_path, "by", "more") == [("held", 1) if case == "older" else ("came", None)]


def test_a_row_beside_the_data_is_there_once(tmp_path: Path) -> None:
    """Rejected rows and the ledger's have no moment; one that comes twice, in a load or in two, is one."""
    for _ in range(2):
        pyarrow.parquet.write_table(pa.table({"id": ["a", "a"], "_dlt_id": ["1", "2"]}), tmp_path / "file")
        with duckdb.connect() as connection:
            delta.merge_files(connection, str(tmp_path / "rows"), {}, [str(tmp_path / "file")], Newest(key=["id"]))
    assert _held(tmp_path, "id") == [("a",)]


def test_a_column_of_another_type_is_refused(project: Project, lake: Lake) -> None:
    """Delta would turn one into the other; the sentence names both, and the table stays as it is."""
    sandbox = project.serve(rows={"stories": [row | {"seen": 1} for row in stories(1)]})
    project.load()
    place = project.path / "my lake" / "analytics" / "stories"
    shutil.rmtree(place)
    write_deltalake(place, pa.table({"id": ["s000"], "like_count": ["many"]}))
    sandbox.rows["stories"] = stories(2)
    with pytest.raises(Exception, match="setting: ") as raised:
        project.load()
    assert "stories.like_count comes as long, but the table has it as string" in explain(raised.value).message
    assert lake.execute("SELECT id, like_count FROM stories") == [("s000", "many")]


@pytest.mark.usefixtures("bucket")
def test_a_wrong_secret_is_told_without_it(
    project: Project, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The store says what is wrong; the secret is in no message, log or file."""
    wrong = "wrong+secret/of=the&lake"  # pragma: allowlist secret
    monkeypatch.setenv(f"{PREFIX}__CREDENTIALS__AWS_SECRET_ACCESS_KEY", wrong)
    project.serve(rows={"stories": stories(1)})
    with caplog.at_level(logging.DEBUG):
        result = project.materialize()
    told = message_of(result)
    assert "login refused: the store of the lake says: The request signature we calculated does not match" in told
    texts = [str(event) for event in result.all_events]
    forms = (wrong, quote(wrong, safe=""), quote(wrong))
    project.assert_nowhere(forms, told, caplog.text, *texts, check_warehouse(load_settings()).message)


@pytest.mark.usefixtures("lake")
def test_what_a_lake_cannot_have_is_refused_before_the_api_is_asked(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A place that would be read as a pattern, a missing library; later the report, and a ledger without the row."""
    sandbox = project.serve(rows={"stories": stories(1)})
    with monkeypatch.context() as patch:
        patch.setenv(f"{PREFIX}__BUCKET_URL", "lake[1]")
        with pytest.raises(SettingError, match=r"bucket_url has \[ \] in it"):
            project.load()
    with monkeypatch.context() as patch:
        patch.setattr("analytics_assets.ingest.warehouse.destination.find_spec", lambda _: None)
        with pytest.raises(
            SettingError, match=r"deltalake is not installed. Install it: pip install 'analytics-assets"
        ):
            project.load()
    assert sandbox.requests == []
    with pytest.raises(SettingError, match="made from DuckDB and PostgreSQL alone, and the warehouse is filesystem"):
        read_contents(load_settings())
    with read_warehouse() as client, pytest.raises(ApiError, match="_analytics_windows has no row of this load"):
        client.update_row("_analytics_windows", "nothing", {"outcome": "loaded"})
