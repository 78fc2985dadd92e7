"""The files that dlt loads: written once, as dlt expects them."""

from typing import Any

import pyarrow.parquet as pq
import pytest
from dlt.normalize.items_normalizers.arrow import ArrowItemsNormalizer

from analytics_assets.ingest.table import rows
from analytics_assets.sandbox.shape import Shape
from analytics_assets_tests.project import KEY, Project, Row, stories
from analytics_assets_tests.warehouses import Warehouse, contents


def _more(number: int) -> Row:
    return {"mood": "fine", "rank": number} if number % 2 else {"mediaId": number / 4, "tags": [number]}


@pytest.mark.parametrize("more", [False, True], ids=["declared", "undeclared"])
def test_dlt_takes_the_files_as_they_are(
    project: Project,
    warehouse: Warehouse,
    monkeypatch: pytest.MonkeyPatch,
    more: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    """In the first load, the next, and one without the columns that others brought: nothing is written twice."""
    rewritten: list[str] = []

    def write(_: object, file: str, *_more: Any) -> list[Any]:  # noqa: ANN401 - dlt's signature
        rewritten.append(file)
        return []

    sandbox = project.serve(rows={"stories": []})
    monkeypatch.setattr(ArrowItemsNormalizer, "_write_with_dlt_columns", write)
    for fields in (more, more, False):
        sandbox.rows["stories"] = [row | (_more(number) if fields else {}) for number, row in enumerate(stories(20))]
        project.load()
        assert rewritten == []
    assert len(contents(warehouse, "stories")) == 20


def test_only_files_before_a_new_column_are_written_again(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """A column that comes late is null in the rows before it, whatever file they are in, and no row is lost."""
    monkeypatch.setattr(rows, "_ROWS_CONVERTED_AT_ONCE", 10)
    monkeypatch.setattr(rows, "_ROWS_HANDED_ON_AT_ONCE", 20)
    written: list[int] = []
    write_table = pq.ParquetWriter.write_table

    def counted(self: pq.ParquetWriter, table: Any, *arguments: Any) -> None:  # noqa: ANN401 - pyarrow has no types
        written.append(len(table))
        write_table(self, table, *arguments)

    monkeypatch.setattr(pq.ParquetWriter, "write_table", counted)
    served = [row | ({"late": number} if number >= 45 else {}) for number, row in enumerate(stories(100))]
    project.serve(rows={"stories": served}, shape=Shape(key=KEY))
    project.configure(page_size=10)
    report = project.load()
    assert report.rows_kept == 100
    # the first page and the twenty rows behind it were written before the column came, and once more then
    assert sum(written) == 100 + 30
    assert [row.get("late") for row in project.table()] == [None] * 45 + [*range(45, 100)]
