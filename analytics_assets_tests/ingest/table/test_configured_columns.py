"""Columns that the settings declare, at the wire: renamed, reached into, hashed, left out, on both warehouses."""

import hashlib
import hmac
import json
from typing import Any

import pytest

from analytics_assets.sandbox.shape import Shape
from analytics_assets_tests.project import DAY, KEY, Project, Row, settings_of
from analytics_assets_tests.warehouses import Postgres, Warehouse, contents, types

SALT = "a salt for the tests, long enough"
MAIL = "ada@example.org"
ROWS: list[Row] = [
    {
        "uuid": f"s{number}",
        "id": number,
        "postedAt": f"{DAY}T0{number}:00:00+0000",
        "likeCount": number * 10,
        "like_count": "not ours",
        "user": {"mail": MAIL, "city": "Zürich"},
        "insights": {"data": [{"name": "reach", "values": [{"value": 7 + number}]}, {"name": "saves", "values": []}]},
        "owner": 17_841_400_000_000_000 + number,
        "debug": {"secret": MAIL},
        "mood": "fine",
    }
    for number in range(1, 6)
]
COLUMNS: dict[str, Any] = {
    "id": {"from": "uuid"},
    "timestamp": {"from": "postedAt"},
    "like_count": {"from": "likeCount"},
    "reach": {"from": "insights.data[?(@.name=='reach')].values[0].value", "data_type": "bigint"},
    "city": {"from": "user.city", "data_type": "text"},
    "mail": {"from": "user.mail", "hash": True},
    "owner": {"hash": True},
    "insights": {"ignore": True},
    "debug": {"ignore": True},
}


def _hash(text: str) -> str:
    return hmac.new(SALT.encode(), text.encode(), hashlib.sha256).hexdigest()


@pytest.fixture
def vendor(project: Project, monkeypatch: pytest.MonkeyPatch) -> Project:
    """Serve rows whose names are not ours, two a page, and declare them by settings alone."""
    monkeypatch.setenv("HASH_SALT", SALT)
    project.serve(rows={"stories": [dict(row) for row in ROWS]}, shape=Shape(key=KEY, cursors={"stories": "postedAt"}))
    project.configure(
        page_size=2, endpoints__stories__columns=COLUMNS, endpoints__stories__declared_columns="only mine"
    )
    return project


def test_rows_arrive_in_the_columns_that_the_settings_declare(vendor: Project, warehouse: Warehouse) -> None:
    """A field of the API that is called like one of these columns gets a column under another name."""
    report = vendor.load()
    assert (report.rows_kept, report.rows_loaded) == (5, 5)
    declared = types(warehouse, "stories")
    assert [*declared][:7] == ["id", "timestamp", "like_count", "reach", "city", "mail", "owner"]
    others = {name for name in declared if name not in COLUMNS}
    assert len(others) == 3
    assert {"mood"} < others
    row = next(row for row in contents(warehouse, "stories") if row["id"] == "s3")
    assert (row["like_count"], row["reach"], row["city"]) == (30, 10, "Zürich")
    assert (row["mail"], row["owner"]) == (_hash(MAIL), _hash("17841400000000003"))
    assert sorted(str(row[name]) for name in others) == ["3", "fine", "not ours"]


def test_what_is_hashed_or_left_out_stands_nowhere(vendor: Project, warehouse: Warehouse) -> None:
    """Not in the table, in no file of the project, and not in a row that is set aside."""
    rows = vendor_rows(vendor)
    rows[0]["likeCount"] = "many"
    rows[1]["user"]["mail"] = {"is": MAIL}
    report = vendor.load()
    assert report.rows_rejected == 2
    assert set(report.rejected) == {
        "like_count is text, not a whole number",
        "mail is an object, not text",
    }
    raw = [json.loads(str(row)) for (row,) in warehouse.execute("SELECT raw FROM analytics.stories__rejected")]
    assert [(row["user"], row["debug"], row["owner"]) for row in raw] == [("***", "***", "***")] * 2
    assert all(row["mood"] == "fine" for row in raw)
    vendor.assert_nowhere([MAIL], json.dumps(raw))
    if isinstance(warehouse, Postgres):
        assert MAIL not in str(contents(warehouse, "stories"))


def vendor_rows(vendor: Project) -> list[Row]:
    """Serve rows of this test's own, and return them."""
    rows: list[Row] = json.loads(json.dumps(ROWS))
    sandbox = vendor.serve(rows={"stories": rows}, shape=Shape(key=KEY, cursors={"stories": "postedAt"}))
    assert sandbox.rows["stories"] is rows
    return rows


def test_ids_at_a_path_prove_the_window_without_a_total(project: Project) -> None:
    """Pages overlap by a row that is known by an id inside of an object."""
    rows = [
        {"node": {"id": f"n{number}", "at": f"{DAY}T00:00:{number:02d}Z", "changed": None}, "n": number}
        for number in range(25)
    ]
    shape = Shape(key=KEY, total_path=None)
    sandbox = project.serve(rows={"stories": rows}, shape=shape)
    project.configure(
        total_selector="",
        page_size=10,
        endpoints__stories__declared_columns="only mine",
        endpoints__stories__columns={
            "id": {"from": "node.id"},
            "timestamp": {"from": "node.at"},
            "updated_at": {"from": "node.changed", "data_type": "timestamp"},
        },
    )
    report = project.load()
    assert (report.rows_loaded, report.distinct_ids) == (25, 25)
    sandbox.rows["stories"] = [*rows[:20], *rows[12:17]]
    with pytest.raises(Exception, match="only 20 different ones"):
        project.load()


def test_a_column_that_nothing_stands_in_is_missed(vendor: Project) -> None:
    """The check knows a path by whether anything stood at it."""
    vendor.configure(
        endpoints__stories__columns={
            **COLUMNS,
            "saves": {"from": "insights.data[?(@.name=='saves')].values[0].value", "data_type": "bigint"},
            "views": "bigint",
        }
    )
    result = vendor.materialize()
    check = next(one for one in result.get_asset_check_evaluations() if one.check_name == "columns_as_expected")
    assert (check.passed, check.metadata["missing"].value) == (False, "saves, views")


def test_a_list_without_a_window_is_read_whole_each_time(project: Project) -> None:
    """It is asked for without dates, and a day's run replaces the table."""
    sandbox = project.serve(rows={"accounts": [{"id": 1, "name": "a"}, {"id": 2, "name": "b"}]}, shape=_accounts())
    project.configure(
        endpoints__accounts__path="/v1/accounts",
        endpoints__accounts__window_start_param="",
        endpoints__accounts__window_end_param="",
        endpoints__accounts__columns={"name": "text"},
    )
    assert not settings_of("accounts").has_window
    assert project.materialize("accounts").success
    assert set(sandbox.requests[-1].params) == {"offset", "limit"}
    sandbox.rows["accounts"] = [{"id": 2, "name": "c"}]
    result = project.materialize("accounts", day="2025-03-05", until="2025-03-07")
    assert result.success
    assert [(row["id"], row["name"]) for row in project.table("accounts")] == [("2", "c")]
    (check,) = {one.passed for one in result.get_asset_check_evaluations()}
    assert check


def _accounts() -> Shape:
    return Shape(key=KEY, paths={"accounts": "/v1/accounts"}, cursors={})


def test_an_added_endpoint_is_an_asset_like_the_others(project: Project) -> None:
    """Window, checks, catalogue and ledger are its own; rows that nobody asked for are dropped."""
    rows = [{"id": f"c{n}", "at": f"2025-03-0{n}T08:00:00Z", "text": {"de": "ja"}} for n in range(1, 4)]
    shape = Shape(key=KEY, paths={"comments": "/v1/comments"}, cursors={"comments": "at"})
    sandbox = project.serve(rows={"comments": rows}, shape=shape)
    project.configure(
        endpoints__comments__path="/v1/comments",
        endpoints__comments__cursor="at",
        endpoints__comments__description="What people say.",
        endpoints__comments__extra_params={"fields": "all"},
    )
    result = project.materialize("comments", day=DAY, until="2025-03-02")
    assert result.success
    assert [row["id"] for row in project.table("comments")] == ["c1", "c2"]
    assert sandbox.requests[0].params["fields"] == "all"
    ledger = project.table("_analytics_windows", "endpoint")
    assert [(row["endpoint"], row["rows_loaded"]) for row in ledger] == [("comments", 2)]
