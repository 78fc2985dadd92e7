"""What a materialization says of itself, and that it is true."""

import datetime as dt

import dagster as dg
import duckdb
import pytest

from analytics_assets.build import build_definitions
from analytics_assets.catalogue import as_markdown
from analytics_assets.sandbox.faults import Fault
from analytics_assets.sandbox.shape import Shape
from analytics_assets_tests.project import KEY, Project, endpoint_of, stories


def test_the_figures_are_those_of_the_wire(project: Project, waits: list[float]) -> None:
    """Rows, window, pages, requests, retries and seconds are what the API saw and the table holds."""
    outside = {"id": "no-cursor", "timestamp": None}
    sandbox = project.serve(
        rows={"stories": [*stories(5), outside]}, faults=[Fault("status", status=503, offset=2, times=2)]
    )
    project.configure(page_size=2)
    (made,) = project.materialize().asset_materializations_for_node("stories")
    figures = {name: value.value for name, value in made.metadata.items()}
    expected = {
        "rows": 6,
        "window": "[2025-03-01T00:00:00Z, 2025-03-02T00:00:00Z)",
        "api_total": 6,
        "rows_read": 6,
        "distinct_ids": 6,
        "rows_outside_window": 0,
        "rows_without_cursor": 1,
        "rows_rejected": 0,
        "pages": 3,
        "requests": 5,
        "retries": 2,
    }
    assert {name: figures[name] for name in expected} == expected
    assert figures["rows"] == len(project.table())
    assert figures["requests"] == len(sandbox.requests)
    assert waits == [2, 4]
    assert 0 < figures["seconds"] < 60
    assert figures["asked"] == {"since": "2025-03-01T00:00:00Z", "until": "2025-03-02T00:00:00Z"}


def test_the_numbers_that_changed_come_second(project: Project) -> None:
    """Behind the rows, as a number that Dagster can plot."""
    sandbox = project.serve(rows={"stories": stories(3)})
    project.materialize()
    sandbox.rows["stories"] = [{**row, "like_count": 9} for row in stories(3)]
    (made,) = project.materialize().asset_materializations_for_node("stories")
    assert [name for name in made.metadata if "/" not in name][:2] == ["rows", "restated"]
    assert made.metadata["restated"].value == 3


@pytest.mark.duckdb
def test_the_table_that_is_named_exists(project: Project) -> None:
    """`dagster/table_name` can be selected from in the file that `destination` names."""
    project.serve(rows={"stories": stories(3)})
    (made,) = project.materialize().asset_materializations_for_node("stories")
    kind, _, file = made.metadata["destination"].value.partition(" ")
    assert kind == "duckdb"
    assert (project.path / file).resolve() == project.path / "warehouse.duckdb"
    with duckdb.connect(file, read_only=True) as warehouse:
        table = made.metadata["dagster/table_name"].value
        assert warehouse.execute(f"SELECT COUNT(*) FROM {table}").fetchall() == [(3,)]  # noqa: S608


def test_the_columns_are_described_and_real(project: Project) -> None:
    """The column schema lists the table's columns with type, nullability and description."""
    rows = [{**row, "sticker": "poll"} for row in stories(2)]
    project.serve(rows={"stories": rows})
    (made,) = project.materialize().asset_materializations_for_node("stories")
    schema = made.metadata["dagster/column_schema"].schema
    assert all(column.description for column in schema.columns)
    assert {column.name for column in schema.columns} == {*project.table()[0], "_analytics_read_at"}
    declared = [(column.name, column.data_type) for column in endpoint_of("stories").columns]
    assert [(column.name, column.type) for column in schema.columns][: len(declared)] == declared
    assert [column.name for column in schema.columns if not column.constraints.nullable] == ["id"]
    assert made.metadata["new_columns"].value == "sticker"


def test_undeclared_columns_are_in_the_catalogue(project: Project) -> None:
    """With type, name in the API and the day they were first seen; also those that did not come this time."""
    today = f"{dt.datetime.now(dt.UTC):%Y-%m-%d}"
    sandbox = project.serve(rows={"stories": [{**row, "mediaId": "a", "rank": 1} for row in stories(3)]})
    project.materialize()
    sandbox.rows["stories"] = [{**stories(1)[0], "mediaId": "b", "Rank": [1]}]
    (made,) = project.materialize().asset_materializations_for_node("stories")
    columns = {column.name: column for column in made.metadata["dagster/column_schema"].schema.columns}
    assert {name: columns[name].type for name in ("media_id", "rank", "rank_a4130d7d")} == {
        "media_id": "text",
        "rank": "bigint",
        "rank_a4130d7d": "json",
    }
    assert columns["media_id"].description == f"Not declared; first seen {today}; the API calls it mediaId"
    assert made.metadata["new_columns"].value == "Rank, mediaId"
    assert made.metadata["undeclared_columns"].value.splitlines() == [
        "| field | column | type | values | first seen |",
        "| --- | --- | --- | --- | --- |",
        f"| mediaId | media_id | text | 1 | {today} |",
        f"| rank | rank | bigint | 0 | {today} |",
        f"| Rank | rank_a4130d7d | json | 1 | {today} |",
    ]


def test_the_catalogue_knows_the_vendors_names(project: Project) -> None:
    """Cursor and id that a setting names are declared columns: nothing is missing, and nothing is new."""
    project.configure(endpoints__stories__cursor="posted_at", endpoints__stories__id="story")
    rows = [{"story": row["id"], "posted_at": row["timestamp"]} for row in stories(3)]
    names = {"story", "posted_at", *(column.name for column in endpoint_of("stories").columns)} - {"id", "timestamp"}
    full = [dict.fromkeys(names) | row for row in rows]
    project.serve(rows={"stories": full}, shape=Shape(key=KEY, cursors={"stories": "posted_at"}))
    result = project.materialize()
    (made,) = result.asset_materializations_for_node("stories")
    assert "new_columns" not in made.metadata
    columns = made.metadata["dagster/column_schema"].schema.columns
    assert {column.name for column in columns} == {*names, "_analytics_read_at"}
    assert [column.name for column in columns if column.constraints.unique] == ["story"]
    assert [check.check_name for check in result.get_asset_check_evaluations() if not check.passed] == []
    spec = build_definitions().resolve_assets_def("stories").get_asset_spec(dg.AssetKey("stories"))
    assert (spec.metadata["merge_key"], spec.metadata["cursor"]) == ("story", "posted_at")


def test_ignored_fields_are_counted(project: Project) -> None:
    """Metadata say what `new_columns = "ignore"` left out."""
    project.serve(rows={"stories": [{**row, "mood": "fine"} for row in stories(3)]})
    project.configure(new_columns="ignore")
    (made,) = project.materialize().asset_materializations_for_node("stories")
    assert made.metadata["new_columns"].value == "mood"
    assert "| mood | ignored |  | 3 |  |" in made.metadata["undeclared_columns"].value


def test_the_preview_shows_the_first_rows(project: Project) -> None:
    """The preview is a Markdown table of the first five rows, page borders or not."""
    project.serve(rows={"stories": stories(9)})
    project.configure(page_size=2)
    (made,) = project.materialize().asset_materializations_for_node("stories")
    head, rule, *lines = made.metadata["preview"].value.splitlines()
    assert [name.strip() for name in head.strip("|").split("|")] == [
        column.name for column in endpoint_of("stories").columns
    ]
    assert set(rule) <= set("| -")
    assert [line.split("|")[1].strip() for line in lines] == ["s000", "s001", "s002", "s003", "s004"]


def test_a_cell_cannot_break_the_table() -> None:
    """Pipes, line breaks, tags and long texts stay inside of their cell."""
    table = as_markdown([{"a": "x|y\nz <b>", "b": None, "c": "long " * 50}])
    head, _, line = table.splitlines()
    assert head == "| a | b | c |"
    assert line.startswith("| x\\|y z &lt;b> |  | long long")
    assert line.endswith("… |")


def test_days_of_a_range_do_not_each_claim_its_rows(project: Project) -> None:
    """Three days loaded in one run have together as many rows as came, not three times as many."""
    rows = [{"id": f"s{day}", "timestamp": f"2025-03-0{day}T12:00:00Z"} for day in (1, 1, 2, 3)]
    for number, row in enumerate(rows):
        row["id"] += f"-{number}"
    project.serve(rows={"stories": rows})
    made = project.materialize(day="2025-03-01", until="2025-03-03").asset_materializations_for_node("stories")
    counts = [
        event.metadata["dagster/partition_row_count"].value
        for event in made
        if "dagster/partition_row_count" in event.metadata
    ]
    assert sum(counts) in {0, 4}


def test_what_is_looked_at_each_day_comes_first(project: Project) -> None:
    """Rows, what is proven, missing or expires, and the last days; what Dagster can plot is a number."""
    soon = dt.datetime.now(dt.UTC) + dt.timedelta(hours=2)
    yesterday = dt.datetime.now(dt.UTC).date() - dt.timedelta(days=1)
    project.configure(start_date=yesterday - dt.timedelta(days=3))
    rows = [{**row, "expires_at": f"{soon:%Y-%m-%dT%H:%M:%SZ}"} for row in stories(3, f"{yesterday}")]
    project.serve(rows={"stories": rows})
    (made,) = project.materialize(day=f"{yesterday}").asset_materializations_for_node("stories")
    names = [
        *("rows", "restated", "last_proven_day", "missing_days", "missing", "next_expiry", "last_30_days"),
        "dagster/row_count",
    ]
    assert list(made.metadata)[: len(names)] == names
    figures = {name: made.metadata[name].value for name in names}
    assert (figures["rows"], figures["missing_days"], figures["dagster/row_count"]) == (3, 3, 3)
    assert figures["restated"] == 0
    assert figures["last_proven_day"] == str(yesterday)
    assert figures["missing"] == f"{yesterday - dt.timedelta(days=3)} to {yesterday - dt.timedelta(days=1)}"
    assert figures["next_expiry"] == int(soon.timestamp())
    _, _, line, likes = figures["last_30_days"].splitlines()
    assert line == f"| rows of the day | `{'·' * 29}█` | 3 | 3 |"
    assert likes == f"| like_count, the largest of one | `{'·' * 29}█` | 2 | 2 |"
