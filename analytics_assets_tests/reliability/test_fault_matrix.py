"""Every fault on every page: the table is exactly what the API has, or the run fails with its reason in words."""

import logging
from pathlib import Path

import duckdb
import pytest

from analytics_assets.ingest.errors import Problem, causes, explain
from analytics_assets_tests.project import KEY_FORMS, Project
from analytics_assets_tests.reliability.matrix import CASES, Case, Failed, Outside, Place, SetAside, Whole
from analytics_assets_tests.reliability.stage import (
    COLUMNS,
    SEED,
    Api,
    Row,
    expected_rows,
    load,
    read,
    typed,
    without_nulls,
)

pytestmark = pytest.mark.duckdb

# each case once more with columns that nobody declared, on a page in the middle where it strikes there
_READ = [
    *((case, place, False) for case in CASES for place in case.places if place not in case.loads),
    *((case, case.places[len(case.places) // 2], True) for case in CASES if not case.loads),
]
_LOADED = [
    *((case, place, False) for case in CASES for place in case.loads),
    *((case, case.loads[0], True) for case in CASES if case.loads),
]


def _name(value: object) -> str:
    if isinstance(value, bool):
        return "undeclared" if value else ""
    return f"{value.section}: {value.name}" if isinstance(value, Case) else str(value)


def declared(row: Row) -> Row:
    """Return a row's declared columns."""
    return {name: row[name] for name in COLUMNS}


def _check_problem(error: BaseException, case: Case, place: Place, logged: str) -> Problem:
    """Check the kind, the words and that nothing tells the key; the problem."""
    outcome = case.outcome_at(place)
    problem = explain(error)
    assert problem is not None, f"no words for {error!r}"
    assert isinstance(outcome, Failed), problem
    assert problem.kind == outcome.kind, problem
    for words in outcome.words:
        assert words.replace("{offset}", str(case.offset_of(place))) in problem.message, problem
    # a setting's message begins with the setting
    assert problem.kind == "setting" or problem.message.startswith(f"{problem.kind}: ")
    texts = [logged, problem.message, *(text for cause in causes(error) for text in (str(cause), repr(cause.args)))]
    assert not [form for form in KEY_FORMS if any(form in text for text in texts)]
    return problem


@pytest.mark.parametrize(("case", "place", "more"), _READ, ids=_name)
def test_reading(  # noqa: PLR0913, PLR0917 - fixtures
    api: Api,
    waits: list[float],
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    case: Case,
    place: Place,
    more: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    """What is given to the warehouse is exactly what the API has, or nothing is and the reason is told."""
    caplog.set_level(logging.DEBUG)
    if case.key:
        monkeypatch.setenv("API_KEY", case.key)
    settings = api.play(case, place, more=more)
    outcome = case.outcome_at(place)
    if isinstance(outcome, Failed):
        with pytest.raises(Exception) as caught:  # noqa: PT011 - explain() says which
            read(settings)
        _check_problem(caught.value, case, place, caplog.text)
        return
    found = read(settings)
    report = found.report
    assert [declared(row) | without_nulls(row) for row in found.rows] == expected_rows(
        case, place, api.sandbox.rows["stories"]
    )
    assert [row["reason"] for row in found.rejected] == ([outcome.reason] if isinstance(outcome, SetAside) else [])
    assert report.rows_kept + report.rows_rejected + report.rows_outside == report.rows_read
    assert report.rows_outside == isinstance(outcome, Outside)
    if isinstance(outcome, Whole):
        # of rows that move it depends on which of two pages is answered first whether the window is read once more
        spare = 1 if case.section == "Rows that move between two pages" and not case.has_total else 0
        assert report.retries == outcome.retries
        assert 0 <= report.rereads - outcome.rereads <= spare
    assert max(waits, default=0) <= 300
    assert not [form for form in KEY_FORMS if form in f"{caplog.text} {found.rejected}"]


@pytest.mark.parametrize(("case", "place", "more"), _LOADED, ids=_name)
def test_loading(  # noqa: PLR0913, PLR0917 - fixtures
    project: Project,
    api: Api,
    warehouse: Path,
    caplog: pytest.LogCaptureFixture,
    case: Case,
    place: Place,
    more: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    """The table is what it was, plus exactly what the API has; or it is as it was, and the ledger says why."""
    caplog.set_level(logging.DEBUG)
    before = {row["id"]: row for row in project.table()}
    assert list(before) == sorted(row["id"] for row in SEED)
    settings = api.play(case, place, more=more)
    outcome = case.outcome_at(place)
    if isinstance(outcome, Failed):
        with pytest.raises(Exception) as caught:  # noqa: PT011 - explain() says which
            load(settings)
        problem = _check_problem(caught.value, case, place, caplog.text)
        assert project.table() == list(before.values())
        assert _ledger(warehouse)[-1] == ("failed", problem.message)
    else:
        report = load(settings)
        came = expected_rows(case, place, api.sandbox.rows["stories"])
        whole = {**before, **{row["id"]: row for row in came}}
        assert [declared(row) | without_nulls(row) for row in project.table()] == [
            whole[name] for name in sorted(whole)
        ]
        assert _ledger(warehouse)[-1] == ("loaded", report.why_empty)
        reasons = [row["reason"] for row in project.table("stories__rejected")]
        assert reasons == ([outcome.reason] if isinstance(outcome, SetAside) else [])
        if isinstance(outcome, Whole):
            assert (report.retries, report.rereads) == (outcome.retries, outcome.rereads)
        assert report.rows_loaded == len(came)
    assert not [form for form in KEY_FORMS if form in caplog.text or form.encode() in warehouse.read_bytes()]


def _ledger(warehouse: Path) -> list[tuple[str, str | None]]:
    with duckdb.connect(warehouse, read_only=True) as connection:
        return connection.sql("SELECT outcome, reason FROM analytics._analytics_windows ORDER BY started_at").fetchall()


def test_the_seed_is_typed() -> None:
    """What the cases begin with has every column."""
    assert all(typed(row).keys() == typed(SEED[0]).keys() for row in SEED)


def test_no_two_cases_have_one_name() -> None:
    """A name stands for one line of the table in docs/reliability.md."""
    names = [(case.section, case.name) for case in CASES]
    assert sorted(set(names)) == sorted(names)
