"""An API that asks for less data gets smaller pages, then shorter windows; what worked is where the next run begins."""

import datetime as dt
import functools
import json
import logging
from collections import deque
from typing import Any

import dagster as dg
import duckdb
import pytest
from dlt.pipeline.exceptions import PipelineStepFailed

from analytics_assets.assets import STEP_RETRIES
from analytics_assets.ingest import portion
from analytics_assets.ingest.connection import check_endpoint
from analytics_assets.ingest.errors import TooMuchError
from analytics_assets.ingest.proving import read_proven
from analytics_assets.ingest.report import WindowReport
from analytics_assets.ingest.source import build_source
from analytics_assets.ingest.window import Window
from analytics_assets.sandbox.app import Sandbox
from analytics_assets.sandbox.faults import Fault
from analytics_assets.sandbox.shape import Shape
from analytics_assets_tests.project import (
    KEY,
    KEY_FORMS,
    WINDOW,
    Project,
    endpoint_of,
    message_of,
    settings_of,
    stories,
)

FOUR_DAYS = {"day": "2025-03-01", "until": "2025-03-04"}


def _serve(project: Project, *faults: Fault, rows: list[Any] | None = None, **shape: Any) -> Sandbox:  # noqa: ANN401 - the shape types its own
    project.configure(max_retries=0, backoff_factor=0.01)
    return project.serve(
        shape=Shape(key=KEY, **shape), rows={"stories": stories(60) if rows is None else rows}, faults=faults
    )


def _read(window: Window = WINDOW) -> WindowReport:
    """Read a window as a load does, without a warehouse."""
    source, reading = build_source(endpoint_of("stories"), settings_of("stories"), window)
    read_proven(reading, logging.getLogger(__name__), functools.partial(deque, source, 0))
    return reading.report()


def _sizes(sandbox: Sandbox) -> list[int]:
    return [int(one.params["limit"]) for one in sandbox.requests]


def _spans(sandbox: Sandbox) -> list[str]:
    """Return the windows asked for, each once in a row: ``01-05``, by their first day and the day behind the last."""
    spans = [f"{one.params['since'][8:10]}-{one.params['until'][8:10]}" for one in sandbox.requests]
    return [span for number, span in enumerate(spans) if [span] != spans[number - 1 : number]]


def _ledger(project: Project) -> list[dict[str, Any]]:
    return [
        row | {"reduced": json.loads(row["reduced"] or "null")}
        for row in project.table("_analytics_windows", "started_at")
    ]


def _of_days(days: int = 4, each: int = 8) -> list[dict[str, Any]]:
    return [row | {"id": f"{day}{row['id']}"} for day in range(1, days + 1) for row in stories(each, f"2025-03-0{day}")]


@pytest.mark.parametrize(("status", "retries"), [(413, 0), (400, 0), (500, 1), (503, 1)])
def test_pages_are_halved_until_they_come(project: Project, status: int, retries: int) -> None:
    """All rows arrive, however the API says it; what may pass by itself is tried again first, at each size."""
    text = "" if status == 413 else "(#1) Please REDUCE the amount of data you're asking for"
    sandbox = _serve(project, Fault("too_much", rows=20, status=status, text=text))
    project.configure(max_retries=retries)
    report = _read()
    each = 1 + retries
    assert _sizes(sandbox) == [100] * each + [50] * each + [25] * each + [12] * 5
    assert (report.rows_kept, report.rereads, report.portion.halvings) == (60, 0, 3)


@pytest.mark.parametrize(
    ("pagination", "total_path", "in_flight"),
    [
        ("offset", "total", 8),
        ("offset", "", 8),
        ("page", "total", 8),
        ("page", "", 1),
        ("cursor", "total", 1),
        ("cursor", "", 8),
        ("link", "total", 8),
        ("link", "", 1),
    ],
)
def test_each_pagination_is_proven_in_smaller_pages(
    project: Project, pagination: str, total_path: str, in_flight: int
) -> None:
    """A page in the middle that is too heavy begins the window anew, in smaller pages, without losing a row."""
    # without a total two pages share a row
    heavy = 24 if (pagination, total_path) == ("offset", "") else 25
    sandbox = _serve(project, Fault("too_much", rows=12, offset=heavy), pagination=pagination, total_path=total_path)
    project.configure(pagination=pagination, page_size=25, max_concurrent_requests=in_flight)
    report = _read()
    assert (report.rows_kept, report.portion.page_size, report.rereads) == (60, 12, 0)
    assert len(sandbox.requests) < 25


def test_parts_are_proven_in_smaller_pages(project: Project) -> None:
    """So it is where the days of a window are read side by side, and the second page of a day is too heavy."""
    sandbox = _serve(project, Fault("too_much", rows=12, offset=25), pagination="cursor", rows=_of_days(each=30))
    project.configure(pagination="cursor", page_size=25, max_concurrent_requests=8)
    report = _read(Window(WINDOW.start, WINDOW.start + dt.timedelta(days=4)))
    assert (report.rows_kept, report.portion.page_size, report.rereads) == (120, 12, 0)
    assert len({one.params["since"] for one in sandbox.requests}) == 4


def test_the_next_run_begins_with_what_worked(project: Project) -> None:
    """It asks for nothing that was refused the run before; the ledger says what that was."""
    sandbox = _serve(project, Fault("too_much", rows=20))
    assert project.load().rows_loaded == len(project.ids()) == 60
    sandbox.requests.clear()
    assert project.load().rows_loaded == 60
    assert project.load().portion.halvings == 0
    assert set(_sizes(sandbox)) == {12}
    first, *others = _ledger(project)
    assert [(row["page_size"], row["reduced"]) for row in others] == 2 * [(12, first["reduced"])]
    assert first["reduced"] == {
        "page_size": 12,
        "max_window_days": 31,
        "configured": [100, 31],
        "since": first["reduced"]["since"],
    }


@pytest.mark.parametrize("change", ["setting", "time"])
def test_what_worked_is_forgotten(project: Project, monkeypatch: pytest.MonkeyPatch, change: str) -> None:
    """Another page size in the settings counts at once, and after a week the API is asked for all of it again."""
    sandbox = _serve(project, Fault("too_much", rows=20))
    project.load()
    sandbox.reset()
    if change == "setting":
        project.configure(page_size=80)
    else:
        monkeypatch.setattr(portion, "_REMEMBERED", dt.timedelta())
    report = project.load()
    assert _sizes(sandbox)[0] == (80 if change == "setting" else 100)
    assert (report.portion.noted(), str(report.portion)) == (None, "")


@pytest.mark.duckdb
def test_a_ledger_from_before(project: Project) -> None:
    """A warehouse whose ledger knows nothing of page sizes is read, and gets the columns."""
    sandbox = _serve(project)
    project.load()
    with duckdb.connect(str(project.path / "warehouse.duckdb")) as warehouse:
        warehouse.execute("ALTER TABLE analytics._analytics_windows DROP reduced")
        warehouse.execute("ALTER TABLE analytics._analytics_windows DROP page_size")
        warehouse.execute("DELETE FROM analytics._dlt_version")
    sandbox.faults.append(Fault("too_much", rows=50))
    assert project.load().portion.page_size == 50
    assert [row["page_size"] for row in _ledger(project)] == [None, 50]


def test_a_range_is_loaded_in_halves(project: Project) -> None:
    """Where even pages of a row are too much for four days, they are two windows, with the pages of the settings.

    Each day is materialized with its own rows, and the next run begins with windows of that length.
    """
    sandbox = _serve(project, Fault("too_much", days=2, status=400), rows=_of_days())
    instance = project.instance()
    result = project.materialize(**FOUR_DAYS, instance=instance)
    assert result.success, message_of(result)
    assert _spans(sandbox) == ["01-05", "01-03", "03-05"]
    assert _sizes(sandbox) == [100, 50, 25, 12, 6, 3, 1, 100, 100]
    assert len(project.ids()) == 32
    made = result.asset_materializations_for_node("stories")
    assert [one.partition for one in made[-4:]] == ["2025-03-01", "2025-03-02", "2025-03-03", "2025-03-04"]
    assert {one.metadata["rows"].value for one in made} == {8}
    assert made[-1].metadata["reduced"].value == "windows of 2 days instead of 31"
    refused, *halves = _ledger(project)
    assert (refused["outcome"], [row["reduced"]["max_window_days"] for row in halves]) == ("cut", [2, 2])
    sandbox.requests.clear()
    assert project.materialize(**FOUR_DAYS, instance=instance).success
    assert _spans(sandbox) == ["01-03", "03-05"]
    assert len(_ledger(project)) == 5


def test_a_range_without_a_page_size_is_cut_at_once(project: Project) -> None:
    """Where the API has a page size of its own there is nothing to try but the window; three days are two and one."""
    sandbox = _serve(project, Fault("too_much", days=2, status=413), rows=_of_days(3), limit_param="")
    project.configure(limit_param="")
    assert project.materialize(day="2025-03-01", until="2025-03-03").success
    assert _spans(sandbox) == ["01-04", "01-03", "03-04"]
    assert len(project.ids()) == 24


@pytest.mark.parametrize("status", [413, 500])
def test_a_day_that_is_too_much_fails_in_words(project: Project, status: int) -> None:
    """It says what was asked, what came and what to do, and the step does not begin anew; the key is nowhere."""
    sandbox = _serve(project, Fault("too_much", rows=0, status=status))
    result = project.materialize(retry_policy=STEP_RETRIES)
    message = message_of(result)
    assert not result.success
    assert _sizes(sandbox) == [100, 50, 25, 12, 6, 3, 1]
    assert message.startswith(f"stories: {'API failing' if status == 500 else 'request refused'}: http://127.0.0.1")
    for words in (f"answered {status}", "reduce the amount", "limit=1&", "1 a page", "[2025-03-01", "extra_params"):
        assert words in message
    (row,) = _ledger(project)
    assert row["outcome"] == "failed"
    project.assert_nowhere(KEY_FORMS, message)


def test_all_history_that_is_too_much_fails_in_words(project: Project) -> None:
    """A full refresh has no window to cut, and says what can be done; the table stays as it was."""
    sandbox = _serve(project)
    project.load()
    sandbox.faults.append(Fault("too_much", days=31, status=413))
    result = project.materialize(full_refresh=True)
    assert "load ranges of days (sync_mode incremental)" in message_of(result)
    assert len(project.ids()) == 60


@pytest.mark.parametrize("status", [400, 500, 429, 404])
def test_a_refusal_that_does_not_say_so_is_one(project: Project, status: int) -> None:
    """Nothing else makes pages smaller: neither other words, nor these words with another status."""
    text = "invalid limit" if status in {400, 500} else "reduce the amount of data"
    sandbox = _serve(project, Fault("too_much", rows=20, status=status, text=text))
    with pytest.raises(PipelineStepFailed):
        project.load()
    assert set(_sizes(sandbox)) == {100}


def test_the_words_of_another_vendor(project: Project) -> None:
    """`shrink_on` has the words of the API in question."""
    _serve(project, Fault("too_much", rows=20, status=400, text="Query Complexity exceeds 1,000"))
    project.configure(shrink_on='["query complexity"]')
    assert _read().rows_kept == 60


@pytest.mark.parametrize("pagination", ["offset", "cursor"])
def test_a_row_a_page_without_a_total_is_no_proof(project: Project, pagination: str) -> None:
    """Such pages neither overlap nor show that they name a next one, so the load fails; with a total it is whole."""
    _serve(project, Fault("too_much", rows=1), pagination=pagination, total_path="", rows=stories(5))
    project.configure(pagination=pagination, page_size=8)
    with pytest.raises(TooMuchError, match="gives no total"):
        project.load()
    _serve(project, Fault("too_much", rows=1), pagination=pagination, rows=stories(5))
    assert project.load().rows_loaded == 5


def test_a_second_question_in_smaller_pages(project: Project) -> None:
    """What is asked again of an empty window is asked in pages of the size in force."""
    sandbox = _serve(project, Fault("too_much", rows=20), rows=[])
    assert _read().rows_kept == 0
    assert _sizes(sandbox) == [100, 50, 25, 12, 12]


def test_a_doubt_in_smaller_pages_is_the_first_one(project: Project) -> None:
    """Rows that come when an empty window is asked for again have it read again, however often pages were halved."""
    sandbox = _serve(project, Fault("too_much", rows=20), rows=[])
    sandbox.on_request = lambda _: sandbox.rows.update(stories=stories(60)) if len(sandbox.requests) == 5 else None
    report = _read()
    assert (report.rows_kept, report.rereads, report.portion.halvings) == (60, 1, 3)


def test_pages_under_way_end_before_the_window_is_begun_anew(project: Project) -> None:
    """A slow one that fails as well is not tried again beside the smaller pages."""
    refused = Fault("too_much", rows=5, offset=20, status=413)
    slow = [Fault("latency", seconds=0.4, offset=30, times=1), Fault("status", offset=30)]
    sandbox = _serve(project, refused, *slow, rows=stories(80))
    project.configure(page_size=10, max_concurrent_requests=8, max_retries=3)
    sandbox.on_request = lambda one: sandbox.faults.clear() if one.params["limit"] == "5" else None
    assert project.load().rows_loaded == 80
    sizes = _sizes(sandbox)
    assert 10 not in sizes[sizes.index(5) :]


def test_a_total_that_counts_the_page_is_seen_in_smaller_pages(project: Project) -> None:
    """A first page that is full, by the size in force, may not be all, whatever the total says."""
    _serve(project, Fault("too_much", rows=20), Fault("total", value=12))
    with pytest.raises(PipelineStepFailed, match="the API says total 12, but"):
        project.load()
    assert project.ids() == []


def test_what_arrived_of_a_range_stays(project: Project) -> None:
    """The first half of a range is materialized when it has arrived, though the second one fails."""
    sandbox = _serve(project, Fault("too_much", days=2, status=413), rows=_of_days(), limit_param="")
    project.configure(limit_param="")
    sandbox.on_request = lambda one: sandbox.faults.append(Fault("no_data")) if "03-03" in one.params["since"] else None
    instance = project.instance()
    assert not project.materialize(**FOUR_DAYS, instance=instance).success
    assert sorted(instance.get_materialized_partitions(dg.AssetKey("stories"))) == ["2025-03-01", "2025-03-02"]
    assert len(project.ids()) == 16


def test_the_log_says_each_step(project: Project, caplog: pytest.LogCaptureFixture) -> None:
    """A line for each size that was given up, and one where a load begins with less than the settings say."""
    _serve(project, Fault("too_much", rows=60))
    with caplog.at_level(logging.INFO):
        project.load()
        project.load()
    said = [line for record in caplog.records if "less data" in (line := record.getMessage())]
    assert said[0].startswith("stories: the API asks for less data: pages of 50 rows instead of 100: http://127.0.0.1")
    assert said[1] == "stories: pages of 50 rows instead of 100, for the API has asked for less data"


def test_make_check_says_so(project: Project) -> None:
    """A check asks as the settings say, and its verdict has the advice."""
    _serve(project, Fault("too_much", rows=20, status=413))
    verdict = check_endpoint(endpoint_of("stories"), settings_of("stories"))
    assert "answered 413" in str(verdict)
    assert "smaller pages (page_size)" in str(verdict)


@pytest.mark.postgres
def test_on_postgres(project: Project, postgres: object) -> None:  # noqa: ARG001 - it is the warehouse
    """The ledger's note is read from PostgreSQL as well."""
    sandbox = _serve(project, Fault("too_much", rows=20))
    project.load()
    sandbox.requests.clear()
    assert project.load().portion.page_size == 12
    assert set(_sizes(sandbox)) == {12}
