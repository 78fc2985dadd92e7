"""Two runs that add columns at once: the one that comes second reads again, and no value changes."""

import json
from typing import Any

import pytest

from analytics_assets.ingest.errors import ApiError
from analytics_assets_tests.concurrency.loader import Loads
from analytics_assets_tests.project import DAY, WINDOW, Project, Row, stories
from analytics_assets_tests.warehouses import Warehouse, contents

OTHER = "2025-03-02"

CASES: dict[str, tuple[Row, Row, str]] = {
    "two types": ({"mood": "5"}, {"mood": 5}, "mood__v_bigint"),
    "two fields": ({"media_id": "a"}, {"mediaId": "b"}, "media_id_9584046a"),
    "whole numbers that no double holds, and decimals": ({"rate": 2**53 + 1}, {"rate": 0.5}, "rate__v_double"),
    "the same": ({"mood": "fine"}, {"mood": "sad"}, "mood"),
    "columns of their own": ({"mood": "fine"}, {"weather": [1]}, "weather"),
}


def _meet(project: Project, loads: Loads, rows: list[Row], others: list[Row]) -> None:
    """Load others, and while they are read, rows from beginning to end."""
    # the dataset is there, so that both begin with a schema of it
    project.serve(rows={"stories": []})
    project.load()
    # a server each, for one waits while the other run asks
    project.serve(rows={"stories": rows})
    address = project.configured("base_url")
    started: list[Any] = []

    def meanwhile(_: object) -> None:
        if not started:
            project.configure(base_url=address)
            started.append(loads.start(DAY))
            started[0].succeed(20)

    project.serve(rows={"stories": others}).on_request = meanwhile
    loads.start(OTHER).succeed(40)
    assert started


def _stored(warehouse: Warehouse) -> Any:  # noqa: ANN401 - a schema of dlt's
    """Return the tables of the schema that was stored last."""
    newest = "WHERE schema_name = 'analytics_api' ORDER BY inserted_at DESC LIMIT 1"
    [(text,)] = warehouse.execute(f"SELECT schema FROM analytics._dlt_version {newest}")  # noqa: S608 - as above
    return json.loads(str(text))["tables"]


@pytest.mark.parametrize("case", CASES)
def test_columns_that_another_run_added_meanwhile(
    project: Project, warehouse: Warehouse, loads: Loads, case: str
) -> None:
    """While one run reads, another finishes: values of both are in the table as sent, and both fields are known."""
    theirs, ours, column = CASES[case]
    rows = [{**row, **theirs} for row in stories(3)]
    others = [{**row, **ours, "id": f"o{row['id']}"} for row in stories(3, OTHER)]
    _meet(project, loads, rows, others)
    held = {row["id"]: row for row in contents(warehouse, "stories")}
    (value,) = ours.values()
    assert [held[f"os00{number}"][column] for number in range(3)] == [value] * 3
    (name, value), *_ = theirs.items()
    assert [held[f"s00{number}"][name] for number in range(3)] == [value] * 3
    # what both know is stored, whoever was last
    columns = _stored(warehouse)["stories"]["columns"]
    assert {columns[column]["x-api-field"], columns[name]["x-api-field"]} == {*theirs, *ours}


def test_rows_that_another_run_set_aside_meanwhile(project: Project, warehouse: Warehouse, loads: Loads) -> None:
    """The table of rows set aside is there only from then on; the run that did not know of it goes on."""
    _meet(project, loads, [{**row, "like_count": "many"} for row in stories(2)], stories(3, OTHER))
    assert [row["id"] for row in contents(warehouse, "stories")] == ["s000", "s001", "s002"]
    assert len(contents(warehouse, "stories__rejected")) == 2


def test_a_failure_forgets_no_columns(project: Project, warehouse: Warehouse, loads: Loads) -> None:
    """What a run that fails writes into the ledger undoes nothing that another one has stored meanwhile."""
    project.serve(rows={"stories": [{**row, "mood": "fine"} for row in stories(3)], "media_insights": stories(3)})
    project.load(WINDOW, "media_insights")
    address = project.configured("base_url")
    emptied = project.serve(rows={})

    def meanwhile(_: object) -> None:
        emptied.on_request = None
        project.configure(base_url=address)
        loads.start(DAY).succeed(20)

    emptied.on_request = meanwhile
    with pytest.raises(ApiError, match="no rows came for all history"):
        project.load(None, "media_insights")
    outcomes = warehouse.execute("SELECT outcome FROM analytics._analytics_windows ORDER BY started_at")
    assert outcomes == [("loaded",), ("failed",), ("loaded",)]
    assert _stored(warehouse)["stories"]["columns"]["mood"]["x-api-field"] == "mood"
    assert warehouse.schemas() == ["analytics"]
