"""What the page says, on both warehouses."""

import datetime as dt
from pathlib import Path

import pytest
import time_machine
from dlt.pipeline.exceptions import PipelineStepFailed

from analytics_assets.ingest.window import Window
from analytics_assets.report import page
from analytics_assets.report import runs as runs_of_ledger
from analytics_assets.report.page import label_of, link_of, number_in_words, write_page
from analytics_assets.report.top import Subject
from analytics_assets.sandbox.faults import Fault
from analytics_assets_tests.project import KEY_FORMS, Project, Row, stories
from analytics_assets_tests.report.conftest import NOON
from analytics_assets_tests.report.reading import report

ALONE = {f"endpoints__{name}__enabled": False for name in ("media_insights", "user_insights", "story_insights")}
SECTIONS = ("days", "metrics", "standings", "counts", "people", "top", "runs", "settle", "schema")


def day(number: int) -> Window:
    """Return a day of March 2025."""
    return Window.of_day(dt.date(2025, 3, number))


def insight(post: str, metric: str, number: int, value: object, **others: object) -> Row:
    """Return a row of a post's metric on a day of March 2025."""
    moment = f"2025-03-{number:02d}T10:00:00Z"
    row = {"id": f"{post}:{metric}:{number}", "media_id": post, "metric": metric, "value": value, "timestamp": moment}
    return {**row, "profile_views": 5, **others}


@pytest.mark.usefixtures("warehouse")
def test_nothing_is_loaded() -> None:
    """Without a table each section is there, and says in a sentence why it is empty."""
    found = report()
    assert found.headline == "Nothing is loaded yet"
    assert found.tables == []
    for name in SECTIONS:
        section = found.source.split(f'<section aria-labelledby="{name}">')[1].split("</section>")[0]
        assert section.count("<p>") == 1, name


@pytest.mark.usefixtures("warehouse")
def test_the_calendar_says_what_is_known_of_each_day(
    project: Project, clock: time_machine.Traveller, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Proven, partial, failed, missing, restated and rejected, day by day, as the ledger and the tables have it."""
    project.configure(**ALONE, start_date="2025-02-27")
    of_day = {
        number: [{**row, "id": f"{row['id']} {number}"} for row in stories(2, f"2025-03-{number:02d}")]
        for number in (1, 2, 5)
    }
    of_day[1][1] = {**of_day[1][1], "like_count": "many"}
    project.serve(rows={"stories": [row for rows in of_day.values() for row in rows]})
    clock.move_to(NOON.replace(day=2))
    project.load(day(1))
    project.load(day(2))
    clock.move_to(NOON)
    project.load(day(5))
    of_day[5][0]["like_count"] = 77
    project.load(day(5))
    project.serve(faults=[Fault("status", status=404)])
    with pytest.raises(PipelineStepFailed):
        project.load(day(4))
    found = report()
    assert found.days("March 2025", "stories") == {
        1: "proven, 1 row, 1 rejected in its window",
        2: "partial, 2 rows",
        3: "missing",
        4: "failed",
        5: "proven, 2 rows, 1 restated",
        6: "missing",
        7: "missing",
        8: "missing",
        9: "missing, not over yet",
    }
    assert "March 2025" in {table.name for table in found.tables}
    assert "February 2025" not in {table.name for table in found.tables}
    assert found.headline == "Not all of it is there: 6 of 8 days are not proven"
    for gap in ("missing, 6 Mar to 8 Mar 2025, 3 days", "failed, 4 Mar 2025", "missing, 3 Mar 2025", "partial, 2 Mar"):
        assert f"<li>stories: {gap}" in found.source
    runs = found.table("Table of the newest runs").rows[1:]
    assert [row[-1].split()[0] for row in runs] == ["failed", "loaded", "loaded", "loaded", "loaded"]
    assert "404" in runs[0][-1]
    # one of the two numbers of 5 March, which was read again on the 9th
    assert found.table("Table of the share that still moved").rows == [["Endpoint", "3 days"], ["stories", "50.0%"]]
    assert "Not enough known yet: fewer than 3 days of stories were read again" in found.text
    # of the oldest run that is read some windows may be missing, so it is left out
    monkeypatch.setattr(runs_of_ledger, "_MOST_WINDOWS", 3)
    assert [row[-1].split()[0] for row in report().table("Table of the newest runs").rows[1:]] == ["failed", "loaded"]


@pytest.mark.usefixtures("warehouse", "clock")
def test_people_are_never_added_up(project: Project) -> None:
    """Of reach it is the highest, with the reason; likes are summed, and what rows repeat counts once."""
    posts = {"p1": 100, "p2": 300}
    rows = [
        insight(post, metric, number, value + number)
        for number in (7, 8)
        for post, value in posts.items()
        for metric in ("reach", "likes", "mood")
    ]
    rows.append(insight("p1", "follower_count", 8, {"DE": 3, "FR": 4}))
    project.serve(rows={"media_insights": rows})
    project.load(Window(day(7).start, day(8).end), "media_insights")
    found = report()
    metrics = {row[0]: row[2:7] for row in found.table("Table of all metrics").rows[1:]}
    assert metrics["reach"] == ["people", "8 Mar 2025", "108 \N{EN DASH} 308", "highest 308", "highest 308"]
    assert metrics["mood"] == ["not declared", "8 Mar 2025", "108 \N{EN DASH} 308", "highest 308", "highest 308"]
    assert metrics["likes"] == ["sum", "8 Mar 2025", "416", "830", "830"]
    # 5 in each row of a post and a day
    assert metrics["profile_views"] == ["sum", "8 Mar 2025", "10", "20", "20"]
    assert "a sum over days, posts or accounts would count them again" in found.text
    assert found.source.count('<svg role="img"') == len(metrics) + 1


@pytest.mark.usefixtures("warehouse", "clock")
def test_a_metric_that_is_a_column_too_counts_once(project: Project) -> None:
    """Where rows name a metric, a column of that name is the same number again."""
    project.serve(rows={"media_insights": [insight("p1", metric, 8, 9) for metric in ("profile_views", "likes")]})
    project.load(day(8), "media_insights")
    assert report().table("Table of all metrics").row("profile_views")[3] == "9"


@pytest.mark.usefixtures("warehouse", "clock")
def test_what_the_api_sends_stays_text(project: Project) -> None:
    """A caption, a metric or an id never becomes a tag; only an address of http or https becomes a link."""
    bad = "<script>alert(1)</script>\"'"
    texts = {
        "p0": {"caption": f"{bad} two words", "permalink": "javascript:alert(1)"},
        "p1": {"caption": "שלום לכולם 👨‍👩‍👧", "permalink": 'https://social.example/"><script>alert(2)</script>'},
        "p2": {"caption": f"see {bad}", "permalink": "https://social.example/p/2?a=1&b='2'"},
        bad: {"caption": None, "permalink": "data:text/html,<script>alert(3)</script>"},
        "p4": {},
        "p5": {},
    }
    rows = [
        insight(post, metric, 8, 100 - number, **some)
        for number, (post, some) in enumerate(texts.items())
        for metric in ("likes", bad)
    ]
    project.serve(rows={"media_insights": rows})
    project.load(day(8), "media_insights")
    found = report()
    assert not {"script", "iframe", "img", "link", "form"} & found.tags
    assert [link for link in found.links if not link.startswith("#")] == [
        'https://social.example/"><script>alert(2)</script>',
        "https://social.example/p/2?a=1&b='2'",
    ]
    top = found.table("media_insights: the highest by likes")
    assert [row[0] for row in top.rows[1:5]] == [
        f"{bad} two words p0",
        "שלום לכולם 👨‍👩‍👧 p1",
        f"see {bad} p2",
        bad,
    ]
    assert bad in {row[0] for row in found.table("Table of all metrics").rows}
    assert not any(form in found.source for form in (*KEY_FORMS, str(project.path)))


@pytest.mark.usefixtures("warehouse", "clock")
def test_any_endpoint_has_its_place(project: Project) -> None:
    """One of other names, an id of several fields, a column for each number, and one whose rows have no day."""
    off = {f"endpoints__{name}__enabled": False for name in ("stories", "media_insights", "user_insights")}
    project.configure(**off, endpoints__story_insights__enabled=False, metrics={"order": "sum", "select": "unique"})
    project.configure(
        endpoints__konten__path="/konten",
        endpoints__konten__cursor="when",
        endpoints__konten__id=("group", "when"),
        endpoints__konten__columns={"order": {"data_type": "bigint"}, "select": {"data_type": "double"}},
        endpoints__tags__path="/tags",
        endpoints__tags__window_start_param="",
        endpoints__tags__window_end_param="",
    )
    rows = [
        {"group": f"100 %s {group}", "when": f"2025-03-0{number}T08:00:00Z", "order": number, "select": 1.5}
        for group in ("a", "b")
        for number in (7, 8)
    ]
    shape = {"paths": {"konten": "/konten", "tags": "/tags"}, "cursors": {"konten": "when", "tags": ""}}
    sandbox = project.serve(rows={"konten": rows, "tags": [{"id": "t1"}]})
    sandbox.shape = sandbox.shape.__class__(key=sandbox.shape.key, **shape)
    project.load(Window(day(7).start, day(8).end), "konten")
    project.load(None, "tags")
    found = report()
    metrics = {row[0]: row[1:] for row in found.table("Table of all metrics").rows[1:]}
    assert metrics["order"] == ["konten", "sum", "8 Mar 2025", "16", "30", "30"]
    assert metrics["select"] == ["konten", "people", "8 Mar 2025", "1.5", "highest 1.5", "highest 1.5"]
    assert found.days("March 2025", "konten")[8] == "proven, 2 rows"
    assert "tags is read whole each time and its rows have no day" in found.text
    # a line for each, by name
    assert "100 %s a" in found.source


@pytest.mark.usefixtures("warehouse", "clock")
def test_what_came_and_went_is_told(project: Project) -> None:
    """Metrics and columns that begin late or end early, with their days; one that is declared and never came."""
    span = {
        "reach": range(1, 9),
        "saves": range(1, 4),
        "shares": range(6, 9),
        "likes": range(3, 9),
        "exits": range(2, 8),
    }
    rows = [insight("p1", metric, number, 1) for metric, days in span.items() for number in days]
    rows = [{**row, "mood": 1} if row["timestamp"] >= "2025-03-05" else row for row in rows]
    project.serve(rows={"media_insights": rows})
    project.load(Window(day(1).start, day(8).end), "media_insights")
    changes = report().table("Table of the changes").rows[1:]
    dash = "\N{EN DASH}"
    assert [row for row in changes if row[3] != "never came"] == [
        ["mood", "media_insights", "column", "new", "5 Mar 2025", "8 Mar 2025"],
        ["saves", "media_insights", "metric", "gone", "1 Mar 2025", "3 Mar 2025"],
        ["shares", "media_insights", "metric", "new", "6 Mar 2025", "8 Mar 2025"],
    ]
    assert ["caption", "media_insights", "column", "never came", dash, dash] in changes


@pytest.mark.usefixtures("warehouse")
def test_endpoints_settle_at_ages_of_their_own(project: Project, clock: time_machine.Traveller) -> None:
    """What was read again after two days, and what was after seven, have a dash where the other has a share."""
    project.serve(rows={"stories": stories(2), "media_insights": [insight("p1", "likes", 1, 9)]})
    for again, name in ((4, "stories"), (9, "media_insights")):
        clock.move_to(NOON.replace(day=2))
        project.load(day(1), name)
        clock.move_to(NOON.replace(day=again))
        project.load(day(1), name)
    dash = "\N{EN DASH}"
    assert report().table("Table of the share that still moved").rows == [
        ["Endpoint", "2 days", "7 days"],
        ["media_insights", dash, "0.0%"],
        ["stories", "0.0%", dash],
    ]


@pytest.mark.usefixtures("clock")
def test_days_are_those_of_the_time_zone(project: Project) -> None:
    """What was measured before midnight in UTC is of the next day in Berlin."""
    project.configure(**ALONE, timezone="Europe/Berlin")
    row = {"id": "s1", "timestamp": "2025-03-04T23:30:00Z", "like_count": 4}
    project.serve(rows={"stories": [row]})
    project.load(Window(dt.datetime(2025, 3, 4, 23, tzinfo=dt.UTC), dt.datetime(2025, 3, 5, 23, tzinfo=dt.UTC)))
    found = report()
    assert found.days("March 2025", "stories")[5] == "proven, 1 row"
    assert found.table("Table of all metrics").row("like_count")[2] == "5 Mar 2025"


def test_a_page_that_cannot_be_written_leaves_the_old_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file is replaced as a whole, or not at all."""
    path = tmp_path / "report.html"
    assert write_page("old é", path) == len("old é".encode())

    def refuse(*_: object) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(page.Path, "replace", refuse)
    with pytest.raises(OSError, match="no space left"):
        write_page("new", path)
    assert path.read_text() == "old é"
    assert [file.name for file in tmp_path.glob("report.html*")] == ["report.html"]


@pytest.mark.parametrize(
    ("number", "words"),
    [(None, "\N{EN DASH}"), (0, "0"), (1234567.0, "1,234,567"), (0.123456, "0.1235"), (12345.6, "12,346")],
)
def test_numbers_have_separators(number: float | None, words: str) -> None:
    """Thousands are set apart, and a share has four digits."""
    assert number_in_words(number) == words


def test_the_text_and_the_link_of_a_subject() -> None:
    """The longest text that is more than a word, or the name; the address that is named a link before another one."""
    texts = {"picture": "https://cdn.example/1.jpg", "kind": "VIDEO", "link_to": "http://a.example/1", "said": "a b c"}
    assert label_of(Subject(name="s1", texts=texts, numbers={})) == "a b c"
    assert link_of(Subject(name="s1", texts=texts, numbers={})) == "http://a.example/1"
    odd = {"a": "ftp://a.example", "b": "https://", "c": "http://[", "d": "https://a.example/x y", "e": "//a.example"}
    assert link_of(Subject(name="s1", texts=odd, numbers={})) is None
    assert label_of(Subject(name="s1", texts={"kind": "VIDEO"}, numbers={})) == "s1"
