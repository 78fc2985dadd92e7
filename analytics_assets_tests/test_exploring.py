"""What ``docs/exploring.md`` tells a reader to type works, on both warehouses."""

import datetime as dt
import os
import re
import subprocess
import sys
from pathlib import Path

import dlt
import pytest
from dlt.pipeline.exceptions import PipelineStepFailed

from analytics_assets.sandbox.faults import Fault
from analytics_assets_tests.project import DAY, WINDOW, Project, stories
from analytics_assets_tests.warehouses import Duckdb, Warehouse

ROOT = Path(__file__).parents[1]
DOCS = (ROOT / "docs" / "exploring.md").read_text()


def _block(language: str) -> str:
    found = re.search(rf"```{language}\n(.*?)```", DOCS, re.DOTALL)
    assert found
    return found[1]


def _run(project: Project, *command: str) -> str:
    environment = {**os.environ, "DLT_DATA_DIR": str(project.path / "dlt"), "PYTHONWARNINGS": "ignore"}
    done = subprocess.run(
        command, cwd=project.path, env=environment, capture_output=True, text=True, timeout=150, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def _dlt(project: Project, line: str) -> str:
    command, *arguments = line.split()
    assert command == ".venv/bin/dlt"
    return _run(project, str(Path(sys.executable).with_name("dlt")), *arguments)


# DuckDB says that its own cursor is not the quickest way to Arrow
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Arrow output on a DB-API result:UserWarning")
def test_sql_and_dlts_dataset(project: Project, warehouse: Warehouse) -> None:
    """The dataset interface reads a loaded table in each way the page names, and the page's queries add up right."""
    likes = [{"id": "m1", "timestamp": f"{DAY}T23:30:00Z", "metric": "likes", "value": {"a": 3, "b": 4}}]
    project.serve(rows={"stories": stories(7), "media_insights": [*likes, {**likes[0], "id": "m2", "value": 5}]})
    project.load(WINDOW, "stories", "media_insights")
    data = dlt.dataset("warehouse", "analytics")
    assert dict(data.row_counts().fetchall())["stories"] == 7
    relation = data["stories"].select("id", "like_count").order_by("id")
    assert relation.limit(2).fetchall() == [("s000", 0), ("s001", 1)]
    assert [table.num_rows for table in relation.iter_arrow(chunk_size=100)] == [7]
    if isinstance(warehouse, Duckdb):
        # as the page says; when this fails, a release has mended it, and the page can say less
        with pytest.raises(AttributeError, match="fetch_arrow_table"):
            relation.arrow()
    else:
        assert relation.arrow().column("like_count").to_pylist() == list(range(7))
    said = _run(project, sys.executable, "-c", _block("python"))
    assert "('stories', 7)" in said
    assert "7 ['id', 'timestamp', 'like_count']" in said
    assert "[(12.0,)]" in said
    assert "('loaded', 2)" in said
    assert warehouse.execute(_block("sql")) == [(dt.date.fromisoformat(DAY), "media_insights", "likes", 12.0)]
    (short,) = re.findall(r"^    (SELECT SUM\(.*)$", (ROOT / "README.md").read_text(), re.MULTILINE)
    assert warehouse.execute(short) == [(12.0,)]


@pytest.mark.slow
def test_dlts_command_line(project: Project, warehouse: Warehouse) -> None:
    """It finds the pipeline once that has been fetched from the warehouse, and neither a trace nor a dashboard."""
    project.serve(rows={"stories": stories(7)})
    project.load()
    sync, *others = _block("sh").splitlines()
    list_all, info, schema = others
    _dlt(project, sync)
    said = _dlt(project, info)
    assert "destination_name: warehouse" in said
    assert "dataset_name: analytics" in said
    if isinstance(warehouse, Duckdb):
        assert "1 pipelines found" in _dlt(project, list_all)
        assert "name: analytics_api" in _dlt(project, schema)
        assert "does not have last run trace" in _dlt(project, ".venv/bin/dlt pipeline analytics trace")
        assert "Install dlt[hub]" in _dlt(project, ".venv/bin/dlt pipeline analytics show")


def test_no_staging_is_left(project: Project, warehouse: Warehouse) -> None:
    """A load leaves no second schema beside the tables: the first that fails, one that loads, one without rows."""
    sandbox = project.serve(rows={"stories": stories(2)}, faults=[Fault("no_data", times=1)])
    with pytest.raises(PipelineStepFailed):
        project.load()
    assert warehouse.schemas() == ["analytics"]
    project.load()
    assert warehouse.schemas() == ["analytics"]
    sandbox.rows["stories"] = []
    assert project.load(None, "user_insights").is_empty
    assert warehouse.schemas() == ["analytics"]
