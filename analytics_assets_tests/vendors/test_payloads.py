"""docs/vendors/payloads.md: each answer, loaded with the settings below it, is the table below them."""

import datetime as dt
import json
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from analytics_assets.sandbox.faults import Fault
from analytics_assets.sandbox.shape import Shape
from analytics_assets_tests.project import KEY, WINDOW, Project
from analytics_assets_tests.warehouses import Warehouse

_PAGE = (Path(__file__).parents[2] / "docs/vendors/payloads.md").read_text()
_SHAPE = re.compile(
    r"^## (?P<title>[^\n]+)\n(?:(?!^## ).)*?^```json\n(?P<answer>.*?)^```\n\n^```toml\n(?P<settings>.*?)^```\n\n"
    r"(?P<table>(?:^\|[^\n]*\n)+)",
    re.MULTILINE | re.DOTALL,
)
SHAPES = {found["title"]: found for found in _SHAPE.finditer(_PAGE)}


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip().strip("|").split("|")]


def _written(value: object) -> str:
    if isinstance(value, dt.datetime):
        return f"{value.astimezone(dt.UTC):%Y-%m-%d %H:%M}"
    if isinstance(value, float):
        return f"{value:g}"
    # a driver may return JSON as text or parsed
    if isinstance(value, str) and value[:1] in {"{", "["}:
        value = json.loads(value)
    return (
        json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
        if isinstance(value, dict | list)
        else str(value)
    )


def _load(project: Project, title: str) -> tuple[str, Any]:
    """Serve a section's answer, take its settings, load the day; return the endpoint and its report."""
    shape = SHAPES[title]
    endpoints = tomllib.loads(shape["settings"])["analytics_api"]["endpoints"]
    ((name, _),) = endpoints.items()
    project.write("config.toml", f"\n{shape['settings']}")
    project.serve(rows={name: json.loads(shape["answer"])["data"]}, shape=Shape(key=KEY, cursors={}))
    return name, project.load(WINDOW, name)


def test_every_section_is_found() -> None:
    """All but the last, in which nothing can be loaded, have an answer, settings and a table."""
    titles = re.findall(r"^## (.+)$", _PAGE, re.MULTILINE)
    assert [*SHAPES] == titles[:-1]
    assert len(titles) > 6


@pytest.mark.parametrize("title", SHAPES)
def test_an_answer_becomes_the_table_that_is_shown(project: Project, warehouse: Warehouse, title: str) -> None:
    """Values are as the API sent them, under the names that the settings give them; no row is left out."""
    name, report = _load(project, title)
    head, _, *lines = SHAPES[title]["table"].strip().splitlines()
    columns = _cells(head)
    rows = warehouse.execute(f"SELECT {', '.join(columns)} FROM analytics.{name} ORDER BY 1, 2")  # noqa: S608
    assert [[_written(value) for value in row] for row in rows] == [_cells(line) for line in lines]
    assert report.rows_kept == len(lines)


def test_the_item_that_is_an_error_is_set_aside(project: Project) -> None:
    """It is counted with its reason, and the check warns."""
    _, report = _load(project, "An error in the place of one item")
    assert (report.rows_rejected, report.rows_kept) == (1, 1)
    result = project.materialize("stories")
    check = next(one for one in result.get_asset_check_evaluations() if one.check_name == "no_rows_rejected")
    assert (result.success, check.passed) == (True, False)


def test_a_metric_that_the_vendor_refuses_is_named(project: Project) -> None:
    """The message quotes what the answer says of it."""
    sandbox = project.serve(rows={"stories": []})
    message = "(#100) metric[2] must be one of the following values: reach, saved"
    sandbox.faults = [Fault("status", status=400, body=json.dumps({"error": {"message": message}}))]
    result = project.materialize("stories")
    assert not result.success
    (failure,) = [event.step_failure_data for event in result.all_events if event.is_step_failure]
    assert failure.user_failure_data is not None
    assert message in str(failure.user_failure_data.description)
