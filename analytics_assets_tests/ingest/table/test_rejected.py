"""Rows that repeat the key: set aside whole, never changed, and never missing from a green run without a word."""

import html
import json
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest

from analytics_assets.ingest.errors import explain
from analytics_assets.sandbox.faults import Fault
from analytics_assets.sandbox.shape import Shape
from analytics_assets_tests.project import KEY, KEY_FORMS, Project, Row, stories

ODD: dict[str, tuple[Row, str]] = {
    "text": ({"caption": f"see /v1?api_key={KEY}"}, "caption holds the API key"),
    "a URL": ({"media_url": f"https://x.example/?k={quote(KEY, safe='')}"}, "media_url holds the API key"),
    "a URL in a URL": ({"media_url": quote(f"?k={quote(KEY, safe='')}")}, "media_url holds the API key"),
    "HTML": ({"caption": f"<a>{html.escape(KEY)}</a>"}, "caption holds the API key"),
    "HTML by number": ({"caption": KEY.replace("=", "&#x3d;").replace("&t", "&#38;t")}, "caption holds the API key"),
    "JSON in text": ({"caption": json.dumps({"key": KEY}).replace("=", "\\u003d")}, "caption holds the API key"),
    "a field of no column": ({"self": {"links": [1, {"href": KEY}]}}, "self holds the API key"),
    "a field's name": ({"by": {KEY: 1}}, "by holds the API key"),
    "a column's name": ({f"of {KEY}": 1}, "the name of a field holds the API key"),
    "a value that does not fit": ({"like_count": KEY}, "like_count holds the API key"),
}


def _spoilt(*places: int, **values: Any) -> Fault:  # noqa: ANN401 - JSON
    def change(page: list[Row]) -> list[Row]:
        return [{**row, **values} if int(row["id"][1:]) in places else row for row in page]

    return Fault("mutate_rows", change=change)


@pytest.mark.parametrize("odd", ODD)
@pytest.mark.parametrize("escaped", ["", "=&+/", KEY.replace('"', "")], ids=["", "specials", "all"])
def test_a_row_that_repeats_the_key_is_set_aside(project: Project, odd: str, escaped: str) -> None:
    """However it is written: with its reason, and without the key. Its neighbours are loaded, and none is changed."""
    values, reason = ODD[odd]
    near = {"caption": "sandbox+key of *** 100 %41 &amp; \\u003d", "media_url": "https://x.example/?a=b%2Bc&d=%3D"}
    rows = [{**row, **near} for row in stories(4)]
    faults = [_spoilt(1, **values)]
    if escaped and odd != "a value that does not fit":
        faults.append(Fault("escape", characters="".join(one for one in "=&+/" if one in escaped)))
    project.serve(rows={"stories": rows}, faults=faults)
    report = project.load()
    assert project.ids() == ["s000", "s002", "s003"]
    assert [{name: row[name] for name in near} for row in project.table()] == [near] * 3
    (rejected,) = project.table("stories__rejected")
    assert rejected["reason"] == reason
    assert "***" in rejected["raw"]
    assert json.loads(rejected["raw"])["id"] == "s001"
    assert report.rejected == {reason: 1}
    # nothing that is derived of rows has seen it
    assert (report.columns, report.fields) == ((), frozenset({*rows[0]}))
    assert not [form for form in KEY_FORMS if form in f"{report.preview} {report} {rejected}"]
    project.assert_nowhere([KEY, quote(KEY, safe=""), html.escape(KEY)])


def test_a_row_that_repeats_the_key_fails_the_run_where_it_should(project: Project) -> None:
    """With ``rejected_rows = "fail"``, as any row that cannot be loaded."""
    project.serve(rows={"stories": stories(4)}, faults=[_spoilt(1, caption=KEY)])
    project.configure(rejected_rows="fail")
    with pytest.raises(Exception, match=r"rows cannot be loaded as they are: \{'caption holds the API key': 1\}"):
        project.load()
    assert project.table() == []


def test_a_number_is_a_key_too(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """A key of digits may come as a number; a longer number that holds it is set aside as well."""
    monkeypatch.setenv("API_KEY", "90071992547")
    project.serve(
        rows={"stories": stories(3)}, shape=Shape(key="90071992547"), faults=[_spoilt(1, like_count=90071992547)]
    )
    project.load()
    assert project.ids() == ["s000", "s002"]
    assert [row["reason"] for row in project.table("stories__rejected")] == ["like_count holds the API key"]


def test_a_key_that_is_a_word_of_the_data_changes_no_row(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """The rows with that word are set aside and counted; the others are as the API has them."""
    monkeypatch.setenv("API_KEY", "CAROUSEL_ALBUM")
    rows = [{**row, "media_type": "CAROUSEL_ALBUM" if row["id"] == "s002" else "VIDEO"} for row in stories(5)]
    project.serve(rows={"stories": rows}, shape=Shape(key="CAROUSEL_ALBUM"))
    report = project.load()
    assert [(row["id"], row["media_type"]) for row in project.table()] == [
        (row["id"], "VIDEO") for row in rows if row["id"] != "s002"
    ]
    assert report.rejected == {"media_type holds the API key": 1}


def _fails(project: Project) -> str:
    with pytest.raises(Exception, match="wrong shape") as caught:
        project.load()
    problem = explain(caught.value)
    assert problem is not None
    assert problem.kind == "wrong shape"
    assert not [form for form in KEY_FORMS if form in problem.message]
    assert project.table() == []
    return problem.message


EVERY_ROW: dict[str, tuple[int, Callable[[list[Row]], list[Row]]]] = {
    "every row of the window": (5, lambda page: [{**row, "self": KEY} for row in page]),
    "every row of a page": (5, lambda page: [{**row, "self": KEY} if row["id"] > "s001" else row for row in page]),
    "the only row": (1, lambda page: [{**row, "self": KEY} for row in page]),
}


@pytest.mark.parametrize("case", EVERY_ROW)
def test_a_window_is_never_green_without_its_rows(project: Project, case: str) -> None:
    """Where no row of a page could be stored, the run fails and says in which field the key is and what can be done."""
    count, change = EVERY_ROW[case]
    project.serve(rows={"stories": stories(count)}, faults=[Fault("mutate_rows", change=change)])
    project.configure(page_size=2)
    message = _fails(project)
    assert message.startswith("wrong shape: stories: in every row of a page self holds the API key")
    assert "extra_params" in message
    assert "have the API issue another one" in message


def test_a_last_page_of_one_row_may_be_odd(project: Project) -> None:
    """Where a page ends is nothing that a row is judged by: the 5th row of 5 is set aside as the 4th would be."""
    project.serve(rows={"stories": stories(5)}, faults=[_spoilt(4, caption=KEY)])
    project.configure(page_size=2)
    assert project.load().rejected == {"caption holds the API key": 1}
    assert len(project.table()) == 4


def test_an_answer_may_repeat_the_key_beside_its_rows(project: Project) -> None:
    """The address of the next page has it in many APIs: nothing is set aside, and nothing of it is stored."""
    rows = stories(3)
    body = {"data": rows, "total": 3, "paging": {"next": f"/v1/stories?api_key={quote(KEY, safe='')}"}}
    project.serve(rows={"stories": rows}, faults=[Fault("body", content=json.dumps(body))])
    report = project.load()
    assert (report.rows_kept, report.rejected) == (3, {})
    project.assert_nowhere(KEY_FORMS)


def test_a_row_too_deep_to_be_written_is_looked_into(project: Project) -> None:
    """Values that are nested too deep are stored nowhere; the others of their row count."""
    deep = json.dumps([{**stories(1)[0], "caption": KEY, "x": "HERE"}, *stories(3)[1:]]).replace(
        '"HERE"', "[" * 300 + "]" * 300
    )
    project.serve(faults=[Fault("body", content=f'{{"data": {deep}, "total": 3}}')])
    assert project.load().rejected == {"caption holds the API key": 1}
    assert project.ids() == ["s001", "s002"]
