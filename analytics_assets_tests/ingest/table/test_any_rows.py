"""Whatever JSON the API sends, in several pages and loads: each value is in the table as sent, or its row is set aside.

The same rows go to DuckDB and to PostgreSQL, and both hold the same afterwards, in columns of the same names.
"""

import itertools
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st

from analytics_assets.sandbox.shape import Shape
from analytics_assets_tests.project import DAY, KEY, Project, Row
from analytics_assets_tests.warehouses import Duckdb, Postgres, Warehouse, contents, types

pytestmark = pytest.mark.postgres

_DECLARED = ("id", "timestamp", "caption", "like_count", "is_shared_to_feed")
_NAMES = [
    "a",
    "A",
    "aB",
    "a_b",
    "a.b",
    "id_",
    "Id",
    "_dlt_id",
    "_dlt_load_id",
    "xmin",
    "rowid",
    "order",
    "",
    "caption_x",
]
_SPECIAL: list[Any] = [
    *(0, 1, -1, 2**53, 2**53 + 1, -(2**53) - 1, 2**63 - 1, 2**63, 2**64, -(2**63), -(2**63) - 1, 10**30),
    *(0.5, 7.0, -0.0, 1e300, 5e-324, 2.0**53, 2.0**63, 1e19, 0.1),
    *("", " ", "01234", "0x10", "true", "null", "1e5", "2025-03-01", "2025-03-01T00:00:00Z", "\\N", "\\.", "a\n\\.\nb"),
    *("a\0b", "\\u0000", "\uf0261.5", "\uf027", "\u202e", "é", "☕", '"', "'", "\x7f", "\ud7ff", "\U0010ffff"),
    *(
        True,
        False,
        {},
        [],
        {"": None},
        [None],
        {"\0": 1},
        ["\0"],
        {"n": 2**64},
        [10**40],
        {"a": {"b": [1, 2.5, "x", {}]}},
    ),
]
_SCALAR = st.one_of(
    st.sampled_from(_SPECIAL),
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=6),
)
_VALUE = st.recursive(
    _SCALAR,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)
_FIELDS = st.dictionaries(st.sampled_from(_NAMES) | st.text(max_size=8), _VALUE, max_size=5)
# declared columns with values of their own kind, so that rows are not set aside for these
_OWN = st.fixed_dictionaries(
    {}, optional={"caption": st.text(max_size=4), "like_count": st.integers(-5, 5), "is_shared_to_feed": st.booleans()}
)
_ROW = st.tuples(st.integers(0, 9), _OWN, _FIELDS)
_LOAD = st.lists(_ROW, min_size=1, max_size=7, unique_by=lambda row: row[0])
_QUIET = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large]
_PHASES = (Phase.explicit, Phase.generate)
_NUMBERS = itertools.count()


def _rows(load: list[tuple[int, Row, Row]]) -> list[Row]:
    declared = {"id", "timestamp", "user_id", "media_type", "media_url", "permalink", "expires_at", *_DECLARED}
    return [
        {"id": f"r{number}", "timestamp": f"{DAY}T12:00:00Z", **own}
        | {name: value for name, value in fields.items() if name not in declared}
        for number, own, fields in load
    ]


def _same(sent: object, held: object) -> bool:
    """Compare as JSON does: a number is a number, but true is not 1, and no digit may differ."""
    if isinstance(sent, dict) and isinstance(held, dict):
        return sent.keys() == held.keys() and all(_same(value, held[name]) for name, value in sent.items())
    if isinstance(sent, list) and isinstance(held, list):
        return len(sent) == len(held) and all(map(_same, sent, held))
    if isinstance(sent, bool) or isinstance(held, bool):
        return sent is held
    if isinstance(sent, float) or isinstance(held, float):
        # PostgreSQL writes 1e300 with all its zeros: the same decimal, and read as a double the same number
        return isinstance(sent, int | float) and isinstance(held, int | float) and float(sent) == float(held)
    return type(sent) is type(held) and sent == held


def _columns_of_fields(warehouse: Warehouse) -> dict[str, list[str]]:
    """Return which columns hold a field's values, as the stored schema says."""
    [(text,)] = warehouse.execute(
        "SELECT schema FROM analytics._dlt_version "
        "WHERE schema_name = 'analytics_api' ORDER BY inserted_at DESC LIMIT 1"
    )
    found: dict[str, list[str]] = {}
    for name, column in json.loads(str(text))["tables"]["stories"]["columns"].items():
        found.setdefault(column.get("x-api-field", name), []).append(name)
    return found


def _check(warehouse: Warehouse, loads: list[list[Row]]) -> list[Row]:
    """Check every row that was sent, and return what the table holds."""
    held = {row["id"]: row for row in contents(warehouse, "stories")}
    if "stories__rejected" in {name for (name,) in _tables(warehouse)}:
        found = warehouse.execute("SELECT raw FROM analytics.stories__rejected")
        rejected = [json.loads(str(raw)) for (raw,) in found]
    else:
        rejected = []
    expected: dict[str, Row] = {}
    for row in itertools.chain(*loads):
        if not any(_same(row, raw) for raw in rejected):
            expected[row["id"]] = row
    assert held.keys() == expected.keys()
    columns = _columns_of_fields(warehouse)
    for key, row in expected.items():
        left = {name: value for name, value in held[key].items() if name != "timestamp"}
        for field, value in row.items():
            if value is None or field == "timestamp":
                continue
            found = [left.pop(name) for name in columns[field] if name in left]
            assert len(found) == 1, (field, value, held[key])
            assert _same(value, found[0]), (field, value, held[key])
        assert left == {}, (row, held[key])
    return list(held.values())


def _tables(warehouse: Warehouse) -> list[tuple[str]]:
    query = "SELECT table_name FROM information_schema.tables WHERE table_schema = 'analytics'"
    return [(str(name),) for (name,) in warehouse.execute(query)]


class _Stage:
    """One API for all examples, and both warehouses, emptied for each."""

    def __init__(self, project: Project, postgres_server: Postgres, monkeypatch: pytest.MonkeyPatch) -> None:
        self.sandbox = project.serve(rows={"stories": []}, shape=Shape(key=KEY))
        project.configure(page_size=3)
        self._project = project
        self._server = postgres_server
        self._environment = monkeypatch

    def _begin(self, kind: str) -> Warehouse:
        if kind == "postgres":
            for schema in self._server.schemas():
                self._server.execute(f"DROP SCHEMA {schema} CASCADE")
            self._environment.setenv("DESTINATION__WAREHOUSE__DESTINATION_TYPE", "postgres")
            self._environment.setenv("DESTINATION__WAREHOUSE__CREDENTIALS", self._server.url)
            return self._server
        Path("warehouse.duckdb").unlink(missing_ok=True)
        self._environment.setenv("DESTINATION__WAREHOUSE__DESTINATION_TYPE", "duckdb")
        self._environment.delenv("DESTINATION__WAREHOUSE__CREDENTIALS", raising=False)
        return Duckdb(self._project)

    def play(self, loads: list[list[Row]]) -> None:
        """Load into each warehouse, check it, and compare the two."""
        seen = []
        for kind in ("duckdb", "postgres"):
            warehouse = self._begin(kind)
            for rows in loads:
                self.sandbox.rows["stories"] = rows
                report = self._project.load()
                assert report.rows_kept + report.rows_rejected == len(rows)
            seen.append((_check(warehouse, loads), list(types(warehouse, "stories"))))
        (duckdb_rows, duckdb_columns), (postgres_rows, postgres_columns) = seen
        assert duckdb_columns == postgres_columns
        for ours, theirs in zip(duckdb_rows, postgres_rows, strict=True):
            assert ours.keys() == theirs.keys()
            assert all(_same(value, theirs[name]) for name, value in ours.items() if name != "timestamp"), (
                ours,
                theirs,
            )


@pytest.fixture
def stage(project: Project, postgres_server: Postgres, monkeypatch: pytest.MonkeyPatch) -> _Stage:
    """Return what plays the examples."""
    return _Stage(project, postgres_server, monkeypatch)


@pytest.mark.slow
@pytest.mark.timeout(600)
@given(loads=st.lists(_LOAD, min_size=1, max_size=3))
@example(loads=[[(0, {}, {"a": True}), (1, {}, {"a": 5})], [(0, {}, {"a": "x", "A": 1})]])
@example(loads=[[(0, {}, {"a": 7})], [(1, {}, {"a": 7.5})], [(2, {}, {"a": 2**53 + 1})]])
@example(loads=[[(0, {}, {"a": 2**53 + 1})], [(1, {}, {"a": 7.5})], [(0, {}, {"a": 7.5})]])
@example(loads=[[(0, {}, {"aB": 1})], [(0, {}, {"a_b": 2, "aB": 1, "a.b": 3})], [(1, {}, {"a_b": None})]])
@settings(max_examples=9, deadline=None, derandomize=True, database=None, suppress_health_check=_QUIET, phases=_PHASES)
def test_any_json_arrives_as_sent(stage: _Stage, loads: list[list[tuple[int, Row, Row]]]) -> None:
    """Each value that was sent is in the table under its field, or its row is set aside, exact; twice over."""
    stage.play([_rows(load) for load in loads])


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("first", range(0, len(_SPECIAL), 11))
def test_awkward_values_in_one_column(stage: _Stage, first: int) -> None:
    """Values of all kinds under one name, in every page and load, and each alone in a column of its own."""
    values = _SPECIAL[first : first + 11]
    together = [{"id": f"r{n}", "timestamp": f"{DAY}T12:00:00Z", "odd": value} for n, value in enumerate(values)]
    apart = [
        {"id": f"s{n}", "timestamp": f"{DAY}T12:00:00Z", f"odd{n}": value, "odd": value}
        for n, value in enumerate(values)
    ]
    stage.play([together, apart[::-1]])
