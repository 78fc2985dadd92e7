"""The checks that look into the warehouse behind a load: each passing, failing, and unable to look."""

import dagster as dg
import pytest
from dlt.destinations.sql_client import SqlClientBase

from analytics_assets.ingest import load
from analytics_assets.ingest.report import WindowReport
from analytics_assets.ingest.warehouse import quality
from analytics_assets.sandbox.shape import Shape
from analytics_assets_tests.project import DAY, KEY, Project, stories
from analytics_assets_tests.warehouses import Warehouse, change


def stored(result: dg.ExecuteInProcessResult) -> dict[str, dg.AssetCheckEvaluation]:
    """Return what the two checks said."""
    found = {one.check_name: one for one in result.get_asset_check_evaluations()}
    return {name: found[name] for name in ("window_complete", "ids_unique")}


def passed(result: dg.ExecuteInProcessResult) -> tuple[bool, bool]:
    """Return whether the two checks passed."""
    complete, ids = stored(result).values()
    return complete.passed, ids.passed


@pytest.mark.parametrize("full_refresh", [False, True])
def test_a_load_is_complete_and_its_ids_are_unique(
    project: Project,
    warehouse: Warehouse,  # noqa: ARG001 - on each
    *,
    full_refresh: bool,
) -> None:
    """With the numbers in the description; rows outside of the window and rejected ones are accounted for."""
    rows = [*stories(4), {**stories(1)[0], "id": "far", "timestamp": "2025-03-09T00:00:00Z"}]
    rows[1]["like_count"] = "many"
    project.serve(rows={"stories": rows}, shape=Shape(key=KEY, start_param="from", end_param="to"))
    result = project.materialize(full_refresh=full_refresh)
    assert result.success
    assert passed(result) == (True, True)
    kept = 4 if full_refresh else 3
    complete, ids = stored(result).values()
    assert f"{kept} rows were kept" in str(complete.description)
    assert ids.description == f"{kept} rows, no two with the same id."
    assert ids.metadata["rows"] == dg.IntMetadataValue(kept)


def test_ids_that_are_missing_or_stand_twice(project: Project, warehouse: Warehouse) -> None:
    """The run is red, and says how many; it looks at the days that were loaded and at no others."""
    sandbox = project.serve(rows={"stories": [*stories(3), {**stories(1, "2025-03-02")[0], "id": "next"}]})
    assert project.materialize(day=DAY, until="2025-03-02").success
    change(warehouse, "ALTER TABLE analytics.stories ALTER COLUMN id DROP NOT NULL")
    change(warehouse, "INSERT INTO analytics.stories SELECT * FROM analytics.stories WHERE id = 's000'")
    change(warehouse, "UPDATE analytics.stories SET id = NULL WHERE id = 's001'")
    sandbox.rows["stories"] = [row for row in sandbox.rows["stories"] if row["id"] in {"s002", "next"}]
    result = project.materialize()
    assert not result.success
    assert passed(result) == (True, False)
    ids = stored(result)["ids_unique"]
    assert (ids.severity, ids.blocking) == (dg.AssetCheckSeverity.ERROR, True)
    assert str(ids.description).startswith("1 of 4 rows have no id. 1 of 4 rows have the id of another one.")
    assert {name: value.value for name, value in ids.metadata.items()} == {"rows": 4, "without_id": 1, "repeated": 1}
    assert passed(project.materialize(day="2025-03-02")) == (True, True)


@pytest.mark.usefixtures("warehouse")
def test_a_window_that_the_ledger_does_not_have_as_loaded(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """The rows are there, and what is built on them is held back."""
    monkeypatch.setattr(load, "close_row", lambda *_: None)
    project.serve(rows={"stories": stories(3)})
    result = project.materialize()
    assert not result.success
    assert passed(result) == (False, True)
    complete = stored(result)["window_complete"]
    assert "the ledger says loading, not loaded. Load these days again." in str(complete.description)
    assert complete.blocking


@pytest.mark.parametrize(
    ("figure", "said"),
    [
        ("api_total = 9", "the API has 9 rows, and 3 were read"),
        ("rows_kept = 2", "3 rows were read, and 2 were kept, left out or set aside"),
        ("rows_loaded = 4", "3 rows were kept, and 4 are in the table"),
    ],
)
def test_figures_that_do_not_agree(project: Project, monkeypatch: pytest.MonkeyPatch, figure: str, said: str) -> None:
    """Each of them is said."""
    close_row = load.close_row

    def close_otherwise(client: SqlClientBase[object], report: WindowReport, outcome: str) -> None:
        close_row(client, report, outcome)
        client.execute_sql(f"UPDATE _analytics_windows SET {figure}")  # noqa: S608 - of the parameters above

    monkeypatch.setattr(load, "close_row", close_otherwise)
    project.serve(rows={"stories": stories(3)})
    result = project.materialize()
    assert passed(result) == (False, True)
    assert said in str(stored(result)["window_complete"].description)


@pytest.mark.usefixtures("warehouse")
def test_what_cannot_be_looked_at_fails_no_load(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both checks are red in words, as warnings; the run is green."""
    monkeypatch.setattr(quality, "LEDGER", "nowhere")
    project.serve(rows={"stories": stories(3)})
    result = project.materialize()
    assert result.success
    assert passed(result) == (False, False)
    for one in stored(result).values():
        assert one.severity == dg.AssetCheckSeverity.WARN
        assert str(one.description).startswith("The rows have arrived, but this could not be looked at: ")


@pytest.mark.usefixtures("warehouse")
def test_a_list_of_any_shape(project: Project) -> None:
    """Without a cursor, with an id of two fields, one of them a word of SQL; and one that came empty has no table."""
    project.configure(
        endpoints__odd__path="/v1/odd",
        endpoints__odd__window_start_param="",
        endpoints__odd__window_end_param="",
        endpoints__odd__id=("account", "order"),
        endpoints__odd__columns={"account": "text", "order": {"from": "theDay", "data_type": "text"}},
    )
    sandbox = project.serve(rows={"odd": []}, shape=Shape(key=KEY, paths={"odd": "/v1/odd"}, cursors={"odd": ""}))
    result = project.materialize("odd")
    assert passed(result) == (True, True)
    sandbox.rows["odd"] = [{"account": "a", "theDay": str(day), "Count": day} for day in range(3)]
    result = project.materialize("odd")
    assert passed(result) == (True, True)
    assert stored(result)["ids_unique"].description == "3 rows, no two with the same account, order."
