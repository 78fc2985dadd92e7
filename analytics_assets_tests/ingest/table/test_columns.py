"""Columns that nobody declared: what the API sent is what the table holds, on DuckDB and on PostgreSQL."""

import json
from typing import Any

import pytest

from analytics_assets.ingest.errors import ApiError, explain
from analytics_assets.ingest.warehouse import warehouse as loaded_into
from analytics_assets.sandbox.app import Sandbox
from analytics_assets.sandbox.faults import Fault
from analytics_assets.sandbox.shape import Shape
from analytics_assets_tests.ingest.warehouse.test_emptiness import accept
from analytics_assets_tests.project import KEY, Project, Row, endpoint_of, stories
from analytics_assets_tests.warehouses import Duckdb, Postgres, Warehouse, contents, types

_PAGE = 4


def load_fields(project: Project, *loads: list[Row], page_size: int = _PAGE) -> Sandbox:
    """Load stories with these further fields, one list after the other; the ids go on counting."""
    sandbox = project.serve(rows={"stories": []}, shape=Shape(key=KEY, max_page_size=5_000))
    project.configure(page_size=page_size)
    first = 0
    for fields in loads:
        plain = stories(first + len(fields))[first:]
        sandbox.rows["stories"] = [{**row, **more} for row, more in zip(plain, fields, strict=True)]
        project.load()
        first += len(fields)
    return sandbox


def fields_of(warehouse: Warehouse, *names: str) -> list[Row]:
    """Return what the stories have in these columns, nulls left out."""
    return [{name: value for name, value in row.items() if name in names} for row in contents(warehouse, "stories")]


def rejected_rows(warehouse: Warehouse) -> list[tuple[str, Any]]:
    """Return reason and row of all that was set aside."""
    rows = warehouse.execute("SELECT reason, raw FROM analytics.stories__rejected ORDER BY raw")
    return [(str(reason), json.loads(str(raw))) for reason, raw in rows]


SAME: dict[str, tuple[list[Any], str, str]] = {
    "text": (
        ["01234", "0x10", "true", "2025-03-01", "1e5", "", " ", "NULL", "\\N", "a\n\\.\nb", '"'],
        "varchar",
        "character varying",
    ),
    # dlt decodes such text as numbers and times
    "private use": (["\uf0261.5", "\uf0272025-03-01", "\uf028", "\uf02cYQ=="], "varchar", "character varying"),
    "whole numbers": ([0, -1, 5, 2**53 + 1, 2**63 - 1, -(2**63)], "bigint", "bigint"),
    "decimals": ([0.1, 1e300, 5e-324, -0.5, 1.7976931348623157e308], "double", "double precision"),
    "whole, then decimal": ([7, 8, 9, 10, 7.5], "double", "double precision"),
    "decimal, then whole": ([7.5, 7, 2**53, 8], "double", "double precision"),
    "truth": ([True, False, True], "boolean", "boolean"),
    "objects": ([{"a": {"b": [1, 2.5, None, True]}}, {}, {"ü": "☕️"}], "json", "jsonb"),
    "lists": ([[], [1, "1", True], [[{}]]], "json", "jsonb"),
    "long numbers in JSON": ([{"n": 2**70}, [-(2**64)], {"deep": [{"n": 10**30}]}], "json", "jsonb"),
}


@pytest.mark.parametrize("case", SAME)
def test_values_arrive_as_sent(project: Project, warehouse: Warehouse, case: str) -> None:
    """A column that is not declared has the type of its values, and each value in it is the one that was sent."""
    values, duckdb_type, postgres_type = SAME[case]
    # a null between them, and values on more pages than one
    fields = [{"odd": value} for value in [None, *values, None]]
    load_fields(project, fields)
    assert fields_of(warehouse, "odd") == [{} if row["odd"] is None else row for row in fields]
    assert types(warehouse, "stories")["odd"] == (duckdb_type if isinstance(warehouse, Duckdb) else postgres_type)
    assert [type(row["odd"]) for row in fields_of(warehouse, "odd") if row][:1] == (
        [float] if "decimal" in case else [type(values[0])]
    )


def test_declared_columns_arrive_as_sent(project: Project, warehouse: Warehouse) -> None:
    """Empty text is not null, also where an undeclared column stands beside it."""
    rows = [{"caption": ""}, {"caption": "a", "odd": ""}, {"caption": None}]
    load_fields(project, rows)
    assert fields_of(warehouse, "caption", "odd") == [{"caption": ""}, {"caption": "a", "odd": ""}, {}]


@pytest.mark.postgres
def test_postgres_without_its_driver(project: Project, postgres: Postgres, monkeypatch: pytest.MonkeyPatch) -> None:
    """Dlt would load CSV then, and make '' null; the run fails and says what to install."""
    load_fields(project, [{"caption": "a"}])
    monkeypatch.setenv("DISABLE_ADBC_DETECTION", "true")
    with pytest.raises(ApiError, match="install adbc-driver-postgresql"):
        load_fields(project, [{"caption": ""}])
    assert fields_of(postgres, "caption") == [{"caption": "a"}]


VARIANTS: dict[str, tuple[list[Any], list[Row]]] = {
    "truth, number": ([True, 5], [{"odd": True}, {"odd__v_bigint": 5}]),
    "number, text": ([5, "2025-03-01"], [{"odd": 5}, {"odd__v_text": "2025-03-01"}]),
    "text, number, decimal": (["a", 1, 1.5], [{"odd": "a"}, {"odd__v_bigint": 1}, {"odd__v_double": 1.5}]),
    "number, object, list": ([1, {"a": 1}, [1]], [{"odd": 1}, {"odd__v_json": {"a": 1}}, {"odd__v_json": [1]}]),
    "a whole number no double holds, decimal": ([2**53 + 1, 0.5], [{"odd": 2**53 + 1}, {"odd__v_double": 0.5}]),
    "decimal, a whole number no double holds": ([0.5, 2**53 + 1], [{"odd": 0.5}, {"odd__v_bigint": 2**53 + 1}]),
}


@pytest.mark.parametrize("at_once", [True, False], ids=["one load", "a load each"])
@pytest.mark.parametrize("case", VARIANTS)
def test_another_type_goes_beside(project: Project, warehouse: Warehouse, case: str, at_once: bool) -> None:  # noqa: FBT001
    """A value of another type than its column's is kept as it is, in a column beside it, and a check names that."""
    values, expected = VARIANTS[case]
    fields = [{"odd": value} for value in values]
    load_fields(project, *([fields] if at_once else [[field] for field in fields]), page_size=1)
    found = [{name: row[name] for name in row if name.startswith("odd")} for row in contents(warehouse, "stories")]
    assert found == expected
    assert [{name: type(value) for name, value in row.items()} for row in found] == [
        {name: type(value) for name, value in row.items()} for row in expected
    ]


def test_staging_of_a_killed_run_is_not_loaded_into(
    project: Project, warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its columns have the types of then: a decimal would become a whole number in it, or its bits those of one."""
    with monkeypatch.context() as killed:
        killed.setattr(loaded_into.Warehouse, "drop_staging", lambda *_: None)
        sandbox = load_fields(project, [{"rate": 7}])
    assert warehouse.schemas() == ["analytics", warehouse.staging]
    sandbox.rows["stories"] = [{**stories(2)[1], "rate": 7.5}]
    project.load()
    assert fields_of(warehouse, "rate") == [{"rate": 7}, {"rate": 7.5}]
    assert warehouse.schemas() == ["analytics"]


def test_columns_stand_in_the_order_of_their_first_values(project: Project, warehouse: Warehouse) -> None:
    """On both warehouses alike: the declared ones, then the others as they came, also over pages and loads."""
    fields = [{"zeta": 1, "nil": None, "mid": {}}, {}, {"alpha": "a", "zeta": 2}, {}, {"nil": 0.5, "Kit": True}]
    load_fields(project, fields, [{"omega": 1, "beta": 2, "alpha": 3}], page_size=2)
    declared = len(endpoint_of("stories").columns)
    assert list(types(warehouse, "stories"))[declared:] == [
        "zeta",
        "mid",
        "alpha",
        "nil",
        "kit",
        "alpha__v_bigint",
        "omega",
        "beta",
    ]


NAMES: dict[str, tuple[Row, Row]] = {
    "a declared column keeps its name": ({"Id": "x", "Caption": "y"}, {"id_12156e92": "x", "caption_87d296ec": "y"}),
    "two fields, one name": (
        {"mediaId": 1, "media_id": 2, "a.b": 3, "a_b": 4, "Value": 5, "value": 6},
        {"media_id_9584046a": 1, "media_id": 2, "a_b_2e7336dc": 3, "a_b": 4, "value_8e37953d": 5, "value": 6},
    ),
    "one field": ({"mediaId": 1, "Likes": 2}, {"media_id": 1, "likes": 2}),
    "reserved": (
        {"xmin": 1, "ctid": 2, "_dlt_id": "a", "_dlt_load_id": "b", "rowid": 3, "tableoid": 4},
        {},
    ),
    "longer than PostgreSQL takes": ({"n" * 70 + "a": 1, "n" * 70 + "b": 2, "n" * 70 + "A": "3"}, {}),
    "nothing that a database knows": ({"": 1, " ": 2, "日本": 3, "中国": 4, "\0": 5, "\uf026": 6, "\u202e": 7}, {}),
    "words of SQL": ({"order": 1, "select": "a", "table": True, "user": 2.5}, {}),
    "like a column beside": ({"odd__v_text": 1, "odd_v_text": 2}, {}),
}


@pytest.mark.parametrize("case", NAMES)
def test_names_never_overwrite_each_other(project: Project, warehouse: Warehouse, case: str) -> None:
    """Every field has a column of its own, declared columns keep theirs, and the next load finds them again."""
    sent, expected = NAMES[case]
    load_fields(project, [sent, {}], [{}, dict(reversed(sent.items()))])
    first, second = (row for row in contents(warehouse, "stories") if len(row) > len(stories(1)[0]))
    declared = stories(1)[0]
    assert {name: first[name] for name in first if name not in declared} == {
        name: second[name] for name in second if name not in declared
    }
    found = {name: value for name, value in first.items() if name not in declared}
    assert sorted(map(str, found.values())) == sorted(map(str, sent.values()))
    assert all(name.isascii() and len(name) <= 63 for name in found)
    assert not expected or found == expected


def test_a_name_is_kept_by_the_field_that_had_it_first(project: Project, warehouse: Warehouse) -> None:
    """A field that comes later, and whose own name it is, does not mix with the one that has it."""
    load_fields(project, [{"mediaId": "camel"}], [{"mediaId": "camel", "media_id": "snake"}], [{"media_id": "snake"}])
    values = [{n: row[n] for n in row if n.startswith("media_id")} for row in contents(warehouse, "stories")]
    (other,) = set(values[2])
    assert other != "media_id"
    assert values == [{"media_id": "camel"}, {"media_id": "camel", other: "snake"}, {other: "snake"}]


@pytest.mark.parametrize(("key", "cursor"), [("postId", "createdAt"), ("order", "select"), ("ID", "Time Stamp")])
def test_declared_columns_of_any_name(project: Project, warehouse: Warehouse, key: str, cursor: str) -> None:
    """Id and cursor may be called what the vendor likes: merge and proof find them, beside columns of like names."""
    project.configure(endpoints__stories__id=key, endpoints__stories__cursor=cursor)
    sandbox = project.serve(rows={"stories": []}, shape=Shape(key=KEY, cursors={"stories": cursor}))
    for number in (1, 2):
        sandbox.rows["stories"] = [
            {key: row["id"], cursor: row["timestamp"], "rank": number, "id": "x", "timestamp": "y"}
            for row in stories(3)
        ]
        report = project.load()
        assert (report.rows_kept, report.rows_loaded) == (3, 3)
    rows = contents(warehouse, "stories", order="rank")
    assert [row["rank"] for row in rows] == [2, 2, 2]
    assert {len([value for value in row.values() if value in {"s000", "s001", "s002"}]) for row in rows} == {1}
    assert all({"x", "y"} < set(row.values()) for row in rows)


NUL = "holds a NUL character, which PostgreSQL cannot store"
BIG = "is out of the range of a 64-bit number"
SET_ASIDE: dict[str, tuple[Row, str]] = {
    "NUL in declared text": ({"caption": "a\0b"}, f"caption {NUL}"),
    "NUL in text": ({"odd": "a\0b"}, f"odd {NUL}"),
    "NUL in JSON": ({"odd": {"a": ["\0"]}}, f"odd {NUL}"),
    "NUL in a name in JSON": ({"odd": {"\0": 1}}, f"odd {NUL}"),
    "2**63": ({"odd": 2**63}, f"odd {BIG}"),
    "-2**70": ({"odd": -(2**70)}, f"odd {BIG}"),
}


@pytest.mark.parametrize("case", SET_ASIDE)
def test_what_a_warehouse_cannot_hold_is_set_aside(project: Project, warehouse: Warehouse, case: str) -> None:
    """The same on both warehouses: the row is in `stories__rejected`, exact, and its neighbours are loaded."""
    fields, reason = SET_ASIDE[case]
    load_fields(project, [{"odd": 1 if "2**" in case else None}, fields, {}])
    assert [row["id"] for row in contents(warehouse, "stories")] == ["s000", "s002"]
    assert rejected_rows(warehouse) == [(reason, {**stories(2)[1], **fields})]


def test_a_backslash_before_u0000_is_no_nul(project: Project, warehouse: Warehouse) -> None:
    """Text that looks like the escape of a NUL is text."""
    sent = [{"odd": {"a": "\\u0000"}}, {"odd": ["\\\\u0000"]}]
    load_fields(project, sent)
    assert fields_of(warehouse, "odd") == sent


def test_a_value_that_is_nested_too_deep_is_set_aside(project: Project, warehouse: Warehouse) -> None:
    """254 levels are kept, one more is not; as in a column that is declared."""
    deep: Any = 1
    for _ in range(254):
        deep = [deep]
    rows = json.dumps([{**row, "odd": "HERE"} for row in stories(2)])
    rows = rows.replace('"HERE"', json.dumps(deep), 1).replace('"HERE"', json.dumps([deep]))
    sandbox = project.serve()
    sandbox.faults = [Fault("body", content=f'{{"data": {rows}, "total": 2}}'.encode())]
    project.load()
    assert fields_of(warehouse, "odd") == [{"odd": deep}]
    [(reason, raw)] = rejected_rows(warehouse)
    assert (reason, raw["odd"]) == ("odd is nested too deep", "is nested too deep")


def test_a_column_that_comes_in_the_middle_of_a_window(project: Project, warehouse: Warehouse) -> None:
    """Pages before it are loaded too, and so are those without it."""
    fields: list[Row] = [{} for _ in range(30)]
    fields[17] = {"late": "x", "later": [1]}
    fields[25] = {"early": 1}
    load_fields(project, fields)
    assert fields_of(warehouse, "late", "later", "early") == fields


def test_a_window_without_rows_makes_the_table(project: Project, warehouse: Warehouse) -> None:
    """Also where each row was set aside; the next load finds it."""
    sandbox = load_fields(project, [])
    assert "caption" in types(warehouse, "stories")
    sandbox.rows["stories"] = [{**stories(1)[0], "odd": "\0"}]
    project.load()
    assert (contents(warehouse, "stories"), len(rejected_rows(warehouse))) == ([], 1)
    sandbox.rows["stories"] = [{**stories(1)[0], "odd": "a"}]
    project.load()
    assert fields_of(warehouse, "odd") == [{"odd": "a"}]


def test_a_full_refresh_of_nothing_empties_the_table(project: Project, warehouse: Warehouse) -> None:
    """Also where there is no file to load; what follows finds the columns."""
    name, [row] = "media_insights", stories(1)
    sandbox = project.serve(rows={name: [row | {"odd": 1}]})
    project.load(None, name)
    sandbox.rows[name] = []
    accept(None, name)
    assert contents(warehouse, name) == []
    sandbox.rows[name] = [row | {"odd": 0.5}]
    project.load(None, name)
    assert [found["odd"] for found in contents(warehouse, name)] == [0.5]


def test_a_column_of_nulls_is_no_column(project: Project, warehouse: Warehouse) -> None:
    """Nothing is known of its type; the first value decides."""
    load_fields(project, [{"odd": None}], [{"odd": 1}])
    assert fields_of(warehouse, "odd") == [{}, {"odd": 1}]


def test_a_column_that_was_dropped_from_the_rows(project: Project, warehouse: Warehouse) -> None:
    """A row that is restated without a field has null there: a row is replaced as a whole."""
    sandbox = load_fields(project, [{"odd": 1, "even": "a"}])
    sandbox.rows["stories"] = [{**stories(1)[0], "even": "b"}]
    project.load()
    assert fields_of(warehouse, "odd", "even") == [{"even": "b"}]


def test_new_columns_can_be_ignored(project: Project, warehouse: Warehouse) -> None:
    """What the table has goes on being loaded, what is new is left out and counted; a misfit sets its row aside."""
    sandbox = load_fields(project, [{"odd": 1}])
    project.configure(new_columns="ignore")
    sandbox.rows["stories"] = [
        {**row, **more}
        for row, more in zip(stories(4)[1:], [{"odd": 2}, {"odd": 3, "even": "a"}, {"odd": "x"}], strict=True)
    ]
    report = project.load()
    assert [{n: r[n] for n in r if n in {"odd", "even"}} for r in contents(warehouse, "stories")] == [
        {"odd": 1},
        {"odd": 2},
        {"odd": 3},
    ]
    assert "even" not in types(warehouse, "stories")
    assert report.ignored == {"even": 1}
    assert rejected_rows(warehouse) == [("odd is text, and its column holds bigint", {**stories(4)[3], "odd": "x"})]
    rows = warehouse.execute("SELECT CAST(new_columns AS TEXT) FROM analytics._analytics_windows ORDER BY started_at")
    assert [json.loads(str(row[0])) for row in rows] == [
        {"odd": {"columns": [{"column": "odd", "type": "bigint", "values": 1}]}},
        {
            "even": {"values": 1, "ignored": True},
            "odd": {"columns": [{"column": "odd", "type": "bigint", "values": 2}]},
        },
    ]


def test_new_columns_can_fail_the_run(project: Project, warehouse: Warehouse) -> None:
    """Nothing is loaded, the message names them, and so does the ledger; what the table has already is not new."""
    sandbox = load_fields(project, [{"odd": 1}])
    project.configure(new_columns="fail")
    sandbox.rows["stories"] = [{**stories(1)[0], "odd": 2}]
    project.load()
    sandbox.rows["stories"] = [{**row, "even": 2, "Odd": None} for row in stories(3)]
    with pytest.raises(Exception, match="even in 3 rows") as caught:
        project.load()
    problem = explain(caught.value)
    assert problem is not None
    assert (problem.kind, problem.is_transient) == ("wrong shape", False)
    assert 'new_columns = "fail"' in problem.message
    assert fields_of(warehouse, "odd", "even") == [{"odd": 2}]
    rows = warehouse.execute(
        "SELECT outcome, CAST(new_columns AS TEXT) FROM analytics._analytics_windows WHERE outcome = 'failed'"
    )
    assert [(outcome, json.loads(str(came))) for outcome, came in rows] == [
        ("failed", {"even": {"values": 3, "ignored": True}})
    ]


def test_more_columns_than_a_table_takes(project: Project) -> None:
    """An API that sends data as names of fields fails the run in words."""
    with pytest.raises(Exception, match="more than 1000 columns") as caught:
        load_fields(project, [{f"n{number}": 1} for number in range(1100)], page_size=1100)
    problem = explain(caught.value)
    assert problem is not None
    assert 'new_columns = "ignore"' in problem.message
