"""Odd rows: what is kept is what dlt itself makes of them, and what is not kept is set aside with its reason."""

import itertools
import json
import math
from pathlib import Path
from typing import Any

import dlt
import duckdb
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from analytics_assets.ingest.endpoint import Column, DataType, Endpoint
from analytics_assets.ingest.errors import explain
from analytics_assets.ingest.settings import Settings
from analytics_assets.ingest.source import build_source
from analytics_assets.sandbox.faults import Fault
from analytics_assets_tests.project import WINDOW, Project, endpoint_of
from analytics_assets_tests.reliability.matrix import Row, newcomer, window_rows
from analytics_assets_tests.reliability.stage import Api, Read, load, read

_TYPES: tuple[DataType, ...] = ("text", "bigint", "double", "bool", "timestamp", "json")
_TIME = "2025-03-01T12:00:00Z"
ODD = Endpoint(
    name="odd",
    path="/v1/odd",
    cursor="moment",
    description="A column of every type.",
    columns=(
        Column(name="id", data_type="text", description="The id", nullable=False),
        Column(name="moment", data_type="timestamp", description="The cursor"),
        *(Column(name=f"a_{kind}", data_type=kind, description=kind) for kind in _TYPES),
    ),
)
COLUMNS = [column.name for column in ODD.columns]

_VALUES: dict[DataType, list[Any]] = {
    "text": [
        "",
        " ",
        "a",
        "NULL",
        "null",
        "12",
        "☕️",
        "תודה",
        "a\nb\tc",
        "a\0b",
        '"',
        "'; --",
        "\\N",
        "é",
        "é",
        0,
        -7,
        2**63,
    ],
    "bigint": [
        0,
        -1,
        2**53 + 1,
        2**63 - 1,
        -(2**63),
        12.0,
        -0.0,
        1e15,
        "12",
        "-12",
        "+12",
        "012",
        3.5,
        2**63,
        1e30,
        "1.5",
    ],
    "double": [0, 0.0, -0.0, 1.5, 1e308, 5e-324, 2**53 + 1, "1.5", "-1e3", "1e400", "nan", "inf", "1,5"],
    "bool": [True, False, 0, 1, "true", "yes", ""],
    "timestamp": [
        "2025-03-01T12:00:00Z",
        "2025-03-01T12:00:00+02:00",
        "2025-03-01T12:00:00+0230",
        "2025-03-01T12:00:00.5Z",
        "2025-03-01T12:00:00.123456Z",
        "2025-03-01T12:00:00.123456+05:30",
        "2025-03-01T12:00:00",
        "2025-03-01 12:00:00",
        "2025-03-01",
        "2025-03-01T12:00Z",
        "1969-12-31T23:59:59.999999Z",
        "0001-01-01T00:00:00Z",
        "9999-12-31T23:59:59.999999Z",
        0,
        1740830400,
        1740830400.5,
        -1,
        "2025-02-30T00:00:00Z",
        "2025-03-01T24:00:00Z",
        "2025-03-01T23:59:60Z",
        "01/03/2025",
        "today",
        "",
    ],
    "json": [0, 1.5, True, "text", "", {}, [], {"a": None}, [1, [2, {"b": "ü"}]], {"follower": 1, "non_follower": 2}],
}
_MISFITS: list[Any] = [True, 7, 1.5, "text", {"a": 1}, [1]]


def _row(name: str, **values: object) -> Row:
    return {"id": name, "moment": _TIME, **values}


_CURATED = [
    _row(f"{kind}{number:02d}", **{f"a_{kind}": value})
    for kind in _TYPES
    for number, value in enumerate([*_VALUES[kind], *_MISFITS, None])
]

_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)
_CELL = st.one_of(*(st.sampled_from(_VALUES[kind]) for kind in _TYPES), _JSON)
_ROW = st.fixed_dictionaries({}, optional={f"a_{kind}": st.sampled_from(_VALUES[kind]) | _CELL for kind in _TYPES})
# shrinking takes minutes where an example is a load
_PHASES = (Phase.explicit, Phase.generate)
_QUIET = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large]
_NUMBERS = itertools.count()


def _named(rows: list[Row]) -> list[Row]:
    return [_row(f"r{number:03d}", **row) for number, row in enumerate(rows)]


def _whole(found: Read, asked: int) -> None:
    """Check that every row that was read is somewhere."""
    report = found.report
    assert report.rows_read == asked
    assert report.rows_kept + report.rows_rejected + report.rows_outside == asked
    assert (len(found.rows), len(found.rejected)) == (report.rows_kept, report.rows_rejected)
    assert all(row["reason"] and row["raw"] for row in found.rejected)


@given(rows=st.lists(_ROW, min_size=1, max_size=12))
@settings(max_examples=60, deadline=None, derandomize=True, database=None, suppress_health_check=_QUIET, phases=_PHASES)
def test_a_row_does_not_depend_on_its_neighbours(api: Api, rows: list[Row]) -> None:
    """A page of rows becomes what pages of one row become: the same values, the same rejections, the same reasons."""
    named = _named(rows)
    together = read(api.serve(named, endpoint=ODD), ODD)
    alone = read(api.serve(named, endpoint=ODD, page_size=1), ODD)
    _whole(together, len(rows))
    assert together.rows == alone.rows
    assert _reasons(together) == _reasons(alone)


def _reasons(found: Read) -> dict[str, str]:
    return {json.loads(row["raw"])["id"]: row["reason"] for row in found.rejected}


def _plain_dlt(rows: list[Row], endpoint_settings: Settings, folder: Path) -> tuple[dict[str, Row], dict[str, str]]:
    """Load rows as dlt does on its own, with the same columns declared; the rows by id, and the columns' types."""
    name = f"plain{next(_NUMBERS)}"
    source, _ = build_source(ODD, endpoint_settings, None)
    hints = source.resources["odd"].columns
    pipeline = dlt.pipeline(
        name,
        pipelines_dir=str(folder / "plain"),
        destination=dlt.destinations.duckdb(str(folder / "plain.duckdb")),
        dataset_name=name,
    )
    try:
        pipeline.run(
            dlt.resource(rows, name="odd", primary_key="id", columns=hints, max_table_nesting=0),
            loader_file_format="parquet",
        )
    finally:
        pipeline.deactivate()
    return _table(folder / "plain.duckdb", name)


def _table(file: Path, dataset: str) -> tuple[dict[str, Row], dict[str, str]]:
    with duckdb.connect(file, config={"python_enable_replacements": "false"}) as connection:
        found = connection.sql(f"SELECT * EXCLUDE (_analytics_read_at, _dlt_id, _dlt_load_id) FROM {dataset}.odd")  # noqa: S608
        types = dict(zip(found.columns, map(str, found.types), strict=True))
        rows = [dict(zip(found.columns, row, strict=True)) for row in found.fetchall()]
    return {row["id"]: row for row in rows}, types


def _same(ours: object, theirs: object, kind: str) -> bool:
    if kind == "json" and isinstance(ours, str) and isinstance(theirs, str):
        return bool(json.loads(ours) == json.loads(theirs))
    return ours == theirs or (isinstance(ours, float) and isinstance(theirs, float) and math.isclose(ours, theirs))


def _compare(api: Api, folder: Path, rows: list[Row]) -> int:
    """Load rows both ways and compare those that both accept, column by column; how many these are."""
    (folder / "warehouse.duckdb").unlink(missing_ok=True)
    report = load(api.serve(rows, endpoint=ODD), ODD, window=None)
    assert report.rows_kept + report.rows_rejected == len(rows)
    ours, our_types = _table(folder / "warehouse.duckdb", "analytics")
    theirs, their_types = _plain_dlt([row for row in rows if row["id"] in ours], api.serve(rows, endpoint=ODD), folder)
    assert {name: our_types[name] for name in COLUMNS} == {name: their_types[name] for name in COLUMNS}
    compared = 0
    for name, row in ours.items():
        plain = theirs[name]
        for column in ODD.columns:
            if any(plain[other] is not None for other in plain if other.startswith(f"{column.name}__v_")):
                # dlt found no place for it in the declared column
                continue
            compared += 1
            assert _same(row[column.name], plain[column.name], column.data_type), (column.name, row, plain)
    return compared


def test_curated_rows_become_what_dlt_makes_of_them(project: Project, api: Api) -> None:
    """Every value of every kind in every column: what both accept is the same value in the same type."""
    assert _compare(api, project.path, _CURATED) > 200


@given(rows=st.lists(_ROW, min_size=1, max_size=25))
@settings(max_examples=8, deadline=None, derandomize=True, database=None, suppress_health_check=_QUIET, phases=_PHASES)
def test_generated_rows_become_what_dlt_makes_of_them(project: Project, api: Api, rows: list[Row]) -> None:
    """The same for rows nobody has thought of."""
    _compare(api, project.path, [_row("plain"), *_named(rows)])


def test_what_is_rejected_is_kept_with_its_reason(project: Project, api: Api) -> None:
    """Each rejected row is in `odd__rejected` as it came, with column and reason; the same again does not add to it."""
    for _ in range(2):
        report = load(api.serve(_CURATED, endpoint=ODD), ODD)
    rejected = project.table("odd__rejected")
    assert len(rejected) == report.rows_rejected
    raw = {row["id"]: row for row in map(json.loads, (row["raw"] for row in rejected))}
    sent = {row["id"]: row for row in _CURATED}
    assert all(raw[name] == sent[name] for name in raw)
    assert len(raw) + len(project.table("odd")) == len(_CURATED)
    assert all(row["reason"].startswith("a_") for row in rejected)


def _deep(levels: int, name: str) -> bytes:
    """Return a page of two rows, in one of which a column is that many lists deep."""
    rows = [{**newcomer("plain")}, {**newcomer("deep"), name: "HERE"}]
    return json.dumps({"data": rows, "total": 2}).replace('"HERE"', "[" * levels + "]" * levels).encode()


@pytest.mark.parametrize("levels", [200, 300, 900])
@pytest.mark.parametrize("name", ["like_count", "caption"])
def test_a_deep_value_that_does_not_fit_is_set_aside(api: Api, levels: int, name: str) -> None:
    """However deep a value is, its row is set aside and the others are kept."""
    asked = api.serve([])
    api.sandbox.faults = [Fault("body", content=_deep(levels, name))]
    found = read(asked)
    assert [row["id"] for row in found.rows] == ["plain"]
    assert [row["reason"].partition(" ")[0] for row in found.rejected] == [name]
    raw = json.loads(found.rejected[0]["raw"])
    assert raw["id"] == "deep"
    assert raw[name] == ("is nested too deep" if levels > 200 else json.loads("[" * levels + "]" * levels))


@pytest.mark.parametrize("levels", [200, 300, 900])
def test_a_deep_value_in_a_json_column(api: Api, levels: int) -> None:
    """A JSON column takes what it can, and a value too deep for it sets its row aside; the others are kept."""
    rows = [_row("plain"), _row("deep", a_json="HERE")]
    body = json.dumps({"data": rows, "total": 2}).replace('"HERE"', "[" * levels + "]" * levels).encode()
    asked = api.serve([], endpoint=ODD)
    api.sandbox.faults = [Fault("body", content=body)]
    found = read(asked, ODD)
    _whole(found, 2)
    assert "plain" in [row["id"] for row in found.rows]


def test_an_object_survives_beside_a_new_column(project: Project, api: Api) -> None:
    """A JSON column holds the same with and without an undeclared column on the page."""
    values: list[Any] = [{"follower": 1}, 7, "text", [1, 2], None, True]
    plain = [_row(f"r{number}", a_json=value) for number, value in enumerate(values)]
    load(api.serve(plain, endpoint=ODD), ODD)
    without = [row["a_json"] for row in project.table("odd")]
    load(api.serve([{**row, "mood": {"is": "fine"}} for row in plain], endpoint=ODD), ODD)
    beside = project.table("odd")
    assert [row["a_json"] and json.loads(row["a_json"]) for row in beside] == values
    assert [value and json.loads(value) for value in without] == values
    assert {json.dumps(json.loads(row["mood"])) for row in beside} == {'{"is": "fine"}'}


MEDIA = endpoint_of("media_insights")


def _measured(value: int, updated: str, name: str = "m1") -> Row:
    return {
        "id": name,
        "metric": "reach",
        "value": value,
        "timestamp": _TIME,
        "updated_at": f"2025-03-01T{updated}:00Z",
    }


@pytest.mark.parametrize("newer_first", [True, False])
def test_of_two_rows_with_one_id_the_newer_stays(project: Project, api: Api, newer_first: bool) -> None:  # noqa: FBT001
    """Where the API gives no total, an id may come twice in a load: the one updated last is kept."""
    rows = [_measured(1, "13:00"), _measured(2, "14:00")]
    rows = rows[::-1] if newer_first else rows
    load(api.serve(rows, endpoint=MEDIA, has_total=False, total_selector=""), MEDIA)
    (row,) = project.table("media_insights")
    assert json.loads(row["value"]) == 2


@pytest.mark.parametrize("window", [WINDOW, None], ids=["window", "full refresh"])
def test_an_older_state_does_not_overwrite_a_newer_one(project: Project, api: Api, window: Any) -> None:  # noqa: ANN401
    """A backfill that brings an older state passes over the row; its neighbours are loaded."""
    load(api.serve([_measured(2, "14:00"), _measured(5, "14:00", "m2")], endpoint=MEDIA), MEDIA, window)
    report = load(api.serve([_measured(1, "13:00"), _measured(6, "15:00", "m2")], endpoint=MEDIA), MEDIA)
    assert [json.loads(row["value"]) for row in project.table("media_insights")] == [2, 6]
    assert (report.rows_kept, report.rows_loaded) == (2, 1)


def test_a_row_without_updated_at_is_loaded(project: Project, api: Api) -> None:
    """Not knowing when a row was updated is no reason to pass over it."""
    load(api.serve([_measured(2, "14:00")], endpoint=MEDIA), MEDIA)
    load(api.serve([{**_measured(3, "14:00"), "updated_at": None}], endpoint=MEDIA), MEDIA)
    assert [json.loads(row["value"]) for row in project.table("media_insights")] == [3]


def test_rejected_rows_can_fail_the_run(project: Project, api: Api, warehouse: Path) -> None:
    """With `rejected_rows = "fail"` nothing is loaded, and the message counts the reasons."""
    before = project.table()
    rows = [{**row, "like_count": "many"} if number in {3, 4} else row for number, row in enumerate(window_rows(9))]
    with pytest.raises(Exception, match="like_count") as caught:
        load(api.serve(rows, rejected_rows="fail"))
    problem = explain(caught.value)
    assert problem is not None
    assert problem.kind == "wrong shape"
    assert "{'like_count is text, not a whole number': 2}" in problem.message
    assert project.table() == before
    assert warehouse.exists()


def test_figures_add_up(api: Api) -> None:
    """Of the curated rows none is lost: kept, rejected and outside are all that were read."""
    asked = api.serve(_CURATED, endpoint=ODD)
    late = {"moment": "2025-03-02T00:00:00Z"}
    api.sandbox.faults = [Fault("mutate_rows", offset=0, change=lambda page: [{**page[0], **late}, *page[1:]])]
    found = read(asked, ODD)
    _whole(found, len(_CURATED))
    assert found.report.rows_outside == 1
