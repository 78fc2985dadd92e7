"""One look at what is newer than what is known."""

import datetime as dt
import hashlib
from typing import Any

import pytest

from analytics_assets.ingest.news import Known, News, look
from analytics_assets.sandbox.app import Sandbox
from analytics_assets.sandbox.faults import Fault
from analytics_assets.sandbox.shape import Shape
from analytics_assets_tests.project import KEY, Project, Row, endpoint_of, settings_of

NOON = dt.datetime(2025, 3, 1, 12, tzinfo=dt.UTC)
MINUTE = dt.timedelta(minutes=1)


def story(number: int, minute: int, **more: object) -> Row:
    """Return a story that was posted that many minutes past noon, and expires a day later."""
    return {
        "id": f"s{number}",
        "timestamp": f"2025-03-01T12:{minute:02}:00Z",
        "expires_at": f"2025-03-02T12:{minute:02}:00Z",
    } | more


def ids(*names: str) -> tuple[str, ...]:
    """Return what stands for ids."""
    return tuple(sorted(hashlib.sha256(str([name]).encode()).hexdigest()[:16] for name in names))


def looked(known: Known) -> News:
    """Look an hour past noon."""
    return look(endpoint_of("stories"), settings_of("stories"), known, NOON + 60 * MINUTE)


def seen(sandbox: Sandbox, known: Known) -> tuple[bool, Known, int]:
    """Look, and return what was found, with the number of requests."""
    sandbox.requests.clear()
    news = looked(known)
    return news.is_new, news.known, len(sandbox.requests)


@pytest.mark.parametrize("total", ["total", None])
@pytest.mark.parametrize("pagination", ["offset", "page", "cursor"])
def test_news_are_rows_that_were_not_known(project: Project, total: str | None, pagination: Any) -> None:  # noqa: ANN401 - a literal of the shape
    """One request a look, whether the API counts its rows or not, and however it pages."""
    sandbox = project.serve(
        rows={"stories": [story(1, 5), story(2, 9)]}, shape=Shape(key=KEY, total_path=total, pagination=pagination)
    )
    project.configure(pagination=pagination, total_selector=total or "")
    is_new, known, requests = seen(sandbox, Known(NOON))
    assert (is_new, known.newest, known.ids, requests) == (True, NOON + 9 * MINUTE, ids("s2"), 1)
    assert seen(sandbox, known) == (False, Known(known.newest, ids("s2"), 1 if total else None), 1)
    # at the same moment as one that is known
    sandbox.rows["stories"].append(story(3, 9))
    is_new, known, _ = seen(sandbox, known)
    assert (is_new, known.ids) == (True, ids("s2", "s3"))
    sandbox.rows["stories"].pop()
    sandbox.rows["stories"].pop()
    assert seen(sandbox, known)[0] is False
    assert looked(known).known.newest == known.newest


def test_of_descending_rows_the_newest_are_on_the_page(project: Project) -> None:
    """The order of the rows is the API's."""
    sandbox = project.serve(rows={"stories": [story(3, 30), story(2, 20), story(1, 10)]})
    project.configure(page_size=2)
    assert looked(Known(NOON)).known.newest == NOON + 30 * MINUTE
    sandbox.rows["stories"].insert(0, story(4, 40))
    assert looked(Known(NOON + 30 * MINUTE, ids("s3"), 1)).is_new


def test_more_rows_than_a_page_has_are_counted(project: Project) -> None:
    """Where all of a page is known, what the API counts tells; where it does not count, a full page is news."""
    project.serve(rows={"stories": [story(number, 5) for number in range(4)]})
    project.configure(page_size=2)
    known = Known(NOON + 5 * MINUTE, ids("s0", "s1", "s2", "s3"), 4)
    assert looked(known).is_new is False
    assert looked(Known(known.newest, known.ids, 3)).is_new
    project.serve(rows={"stories": [story(number, 5) for number in range(4)]}, shape=Shape(key=KEY, total_path=None))
    project.configure(total_selector="")
    assert looked(known).is_new


def test_the_first_of_the_new_rows_to_expire_is_told(project: Project) -> None:
    """What is known, and what has expired, does not count; the column may have another name with the vendor."""
    rows = [
        story(1, 5),
        story(2, 9, expires_at="2025-03-01T14:00:00Z"),
        story(3, 10, expires_at="2025-03-01T12:30:00Z"),
    ]
    project.serve(rows={"stories": [{**row, "gone": row["expires_at"]} for row in rows]})
    project.configure(endpoints__stories__columns={"expires_at": {"from": "gone", "data_type": "timestamp"}})
    assert looked(Known(NOON)).expires == dt.datetime(2025, 3, 1, 14, tzinfo=dt.UTC)
    assert looked(Known(NOON + 10 * MINUTE, ids("s3"))).expires is None


def test_rows_of_a_list_within_items_expire_as_well(project: Project) -> None:
    """What a row is known by stands in the item around it and in the element."""
    elements = [{"n": 1, "timestamp": "2025-03-01T12:05:00Z", "expires_at": "2025-03-01T15:00:00Z"}]
    project.serve(rows={"stories": [{"id": "s1", "timestamp": "2025-03-01T12:05:00Z", "values": elements}]})
    project.write("config.toml", '[analytics_api.endpoints.stories]\nunnest = "values"\nid = ["id", "n"]\n')
    project.configure(endpoints__stories__columns={"n": "bigint", "timestamp": {"from": "values.timestamp"}})
    news = looked(Known(NOON))
    assert (news.is_new, news.expires) == (True, dt.datetime(2025, 3, 1, 15, tzinfo=dt.UTC))


@pytest.mark.parametrize("status", [503, 429])
def test_an_api_that_fails_is_not_asked_again(project: Project, status: int) -> None:
    """The next look is the retry, also where the API asks for patience."""
    sandbox = project.serve(faults=[Fault("status", status=status)])
    with pytest.raises(Exception, match=str(status)):
        looked(Known(NOON))
    assert len(sandbox.requests) == 1


def test_what_is_known_can_be_written_down() -> None:
    """And read again; what is something else cannot."""
    known = Known(NOON, ("a", "b"), 7)
    assert Known.read(known.noted()) == known
    with pytest.raises(KeyError):
        Known.read({})
