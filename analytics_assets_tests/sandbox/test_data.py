"""What the made-up rows promise."""

import datetime as dt
import json
import subprocess
import sys

import pytest

from analytics_assets.ingest.endpoint import Endpoint
from analytics_assets.ingest.endpoints import ENDPOINTS
from analytics_assets.sandbox import data
from analytics_assets.sandbox.days import day_rows

MARCH = dt.datetime(2025, 3, 1, tzinfo=dt.UTC)
DAY = dt.timedelta(days=1)
every_endpoint = pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda endpoint: endpoint.name)


@every_endpoint
def test_a_day_is_the_same_in_another_process(endpoint: Endpoint) -> None:
    """Rows depend on seed, endpoint and day, and on nothing of the process."""
    code = (
        "import sys, json, datetime as dt; from analytics_assets.sandbox.days import day_rows;"
        f"sys.stdout.write(json.dumps(day_rows({endpoint.name!r}, dt.date(2025, 3, 1))))"
    )
    other = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert json.loads(other.stdout) == list(day_rows(endpoint.name, MARCH.date()))


@every_endpoint
def test_another_seed_gives_other_rows(endpoint: Endpoint) -> None:
    """The seed is used."""
    assert day_rows(endpoint.name, MARCH.date(), 7) != day_rows(endpoint.name, MARCH.date(), 8)


@every_endpoint
def test_a_window_is_the_union_of_its_days_and_hours(endpoint: Endpoint) -> None:
    """Asking in pieces finds the same rows in the same order, at any cut."""
    whole = data.rows(endpoint.name, MARCH, MARCH + 5 * DAY)
    for piece in (DAY, dt.timedelta(hours=5)):
        found, at = [], MARCH
        while at < MARCH + 5 * DAY:
            found += data.rows(endpoint.name, at, min(at + piece, MARCH + 5 * DAY))
            at += piece
        assert found == whole


@every_endpoint
def test_rows_are_ordered_unique_and_fit_the_declared_columns(endpoint: Endpoint) -> None:
    """Order is cursor then id, ids are unique text, columns are the declared ones, nulls only where allowed."""
    found = data.rows(endpoint.name, MARCH, MARCH + 30 * DAY)
    assert [(row[endpoint.cursor], row["id"]) for row in found] == sorted((r[endpoint.cursor], r["id"]) for r in found)
    assert len({row["id"] for row in found}) == len(found)
    required = {column.name for column in endpoint.columns if not column.nullable} | {endpoint.cursor}
    for row in found:
        assert set(row) == {column.name for column in endpoint.sent_columns}
        assert all(row[name] is not None for name in required)
        assert row.get("updated_at", "9") >= row[endpoint.cursor]
        assert row[endpoint.cursor].endswith("Z")
    types: dict[str, type | tuple[type, ...]] = {
        "bigint": int,
        "double": float,
        "bool": bool,
        "text": str,
        "timestamp": str,
        "json": (int, dict),
    }
    for column in endpoint.sent_columns:
        values = [row[column.name] for row in found]
        assert all(value is None or isinstance(value, types[column.data_type]) for value in values)
    assert 7 <= len(found) / 100 <= 45


def test_the_awkward_values_are_there() -> None:
    """Nulls, an object as value, an emoji, a right-to-left text and an empty caption all occur in a month."""
    found = data.rows("media_insights", MARCH, MARCH + 30 * DAY)
    assert {type(row["value"]) for row in found} == {int, dict, type(None)}
    captions = {row["caption"] for row in found}
    assert {None, ""} < captions
    assert any("🎉" in (caption or "") for caption in captions)
    assert any("\u0600" <= letter <= "\u06ff" for caption in captions for letter in caption or "")


def test_story_insights_belong_to_a_story_of_that_day() -> None:
    """Every story of the day is measured, after it was posted, and no other."""
    posted = {row["id"]: row["timestamp"] for row in data.rows("stories", MARCH, MARCH + DAY)}
    insights = data.rows("story_insights", MARCH, MARCH + DAY)
    assert {row["story_id"] for row in insights} == set(posted)
    assert all(row["timestamp"] >= posted[row["story_id"]] for row in insights)


def _figures(name: str, *known_by: str) -> dict[tuple[str, ...], dict[str, float]]:
    """Return the metrics of each thing that is measured, and what its rows have in columns of counts and rates."""
    found: dict[tuple[str, ...], dict[str, float]] = {}
    for row in data.rows(name, MARCH, MARCH + 30 * DAY):
        value = row["value"]
        said = {row["metric"]: sum(value.values()) if isinstance(value, dict) else value}
        said |= {f"column {field}": row.get(field) for field in ("profile_views", "follower_count", "engagement_rate")}
        one = found.setdefault(tuple(row[field] for field in known_by), {})
        for figure, number in said.items():
            if number is not None:
                assert one.setdefault(figure, number) == number
    return found


def test_a_column_says_what_the_metric_of_its_name_says() -> None:
    """The followers and visits of a day are one number each, and the rate is that of the metrics beside it."""
    users = _figures("user_insights", "user_id", "end_time")
    for name in ("profile_views", "follower_count"):
        both = [(one[name], one[f"column {name}"]) for one in users.values() if {name, f"column {name}"} <= one.keys()]
        assert len(both) > 100
        assert all(metric == column for metric, column in both)
    for one in users.values():
        if {"engaged", "reach", "column engagement_rate"} <= one.keys():
            assert one["column engagement_rate"] == round(one["engaged"] / one["reach"], 4)


@pytest.mark.parametrize(
    ("name", "known_by", "most"),
    [
        ("media_insights", ("media_id", "timestamp"), "reach"),
        ("user_insights", ("user_id", "end_time"), "impressions"),
        ("story_insights", ("story_id",), "views"),
    ],
)
def test_no_part_is_more_than_the_whole(name: str, known_by: tuple[str, ...], most: str) -> None:
    """Nobody likes, saves or leaves what nobody has seen."""
    figures = [one for one in _figures(name, *known_by).values() if most in one]
    assert len(figures) > 100
    for one in figures:
        assert {part: count for part, count in one.items() if "follower_count" not in part and count > one[most]} == {}


def test_a_story_has_no_more_likes_than_views() -> None:
    """Stories and their insights are of one account."""
    likes = {row["id"]: row["like_count"] or 0 for row in data.rows("stories", MARCH, MARCH + 30 * DAY)}
    figures = _figures("story_insights", "story_id")
    assert all(likes[story] <= one.get("views", likes[story]) for (story,), one in figures.items())


@every_endpoint
def test_scale_multiplies_the_rows(endpoint: Endpoint) -> None:
    """Three times the scale is about three times the rows."""
    one, three = (len(data.rows(endpoint.name, MARCH, MARCH + 10 * DAY, scale=scale)) for scale in (1, 3))
    assert 2.5 < three / one < 3.5


@every_endpoint
def test_nothing_exists_after_now_or_before_the_first_day(endpoint: Endpoint) -> None:
    """Neither a cursor nor an update lies in the future, and what is there is not changed by the clock otherwise."""
    now = MARCH + dt.timedelta(hours=13, minutes=7, microseconds=5)
    found = data.rows(endpoint.name, now=now, first_day=dt.date(2025, 2, 27))
    moments = [dt.datetime.fromisoformat(row[endpoint.cursor]) for row in found]
    assert moments[0].date() == dt.date(2025, 2, 27)
    assert now - dt.timedelta(hours=8) < moments[-1] <= now
    assert all(dt.datetime.fromisoformat(row["updated_at"]) <= now for row in found if "updated_at" in row)
    later = data.rows(endpoint.name, now=now + DAY, first_day=dt.date(2025, 2, 27))
    assert [row["id"] for row in later[: len(found)]] == [row["id"] for row in found]
    assert data.rows(endpoint.name, now + DAY, now + 2 * DAY, now=now) == []
    assert data.rows(endpoint.name, MARCH - 9 * DAY, now=now, first_day=dt.date(2025, 2, 27)) == found


def test_an_update_is_held_back_until_it_happens() -> None:
    """A row that is restated for days has three fifths of its value at first, more each hour, and then all of it."""
    row = next(
        r
        for r in data.rows("media_insights", MARCH, MARCH + DAY)
        if r["updated_at"] > f"{MARCH + DAY:%Y-%m-%dT%H}" and isinstance(r["value"], int) and r["value"] > 500
    )
    measured, restated = (dt.datetime.fromisoformat(row[name]) for name in ("timestamp", "updated_at"))
    moments = [measured, measured + (restated - measured) / 2, restated - dt.timedelta(seconds=1), restated]
    seen = [
        next(r for r in data.rows("media_insights", MARCH, MARCH + DAY, now=now) if r["id"] == row["id"])
        for now in moments
    ]
    assert seen[0] == {**row, "value": int(0.6 * row["value"]), "updated_at": row["timestamp"]}
    assert seen[0]["value"] < seen[1]["value"] < seen[2]["value"] < seen[3]["value"]
    assert [one["updated_at"] for one in seen] == sorted(one["updated_at"] for one in seen)
    assert seen[3] == row
