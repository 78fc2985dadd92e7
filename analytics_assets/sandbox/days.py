"""The rows of one day, made up to look like an account's real statistics and the same on every machine.

Rows are JSON-ready dicts; every moment is an ISO 8601 string in UTC with whole seconds and a ``Z``. Each day has its
own random generator, seeded by seed, endpoint and day, so a row does not depend on the window it was asked through.
"""

import datetime as dt
from collections.abc import Iterator
from functools import lru_cache
from random import Random
from typing import Any

from analytics_assets.ingest.endpoint import Column, DataType, Endpoint
from analytics_assets.ingest.endpoints import ENDPOINTS

Row = dict[str, Any]

LONGEST_RESTATEMENT = dt.timedelta(days=3)

_DAY = dt.timedelta(days=1)
_FOUNDED = dt.date(2020, 1, 1)
_SECONDS = 86_400
_ACCOUNTS = 5
_MEDIA_AGE = 6
_WEEKDAY = (0.85, 0.9, 0.95, 1.0, 1.1, 1.35, 1.25)
_MEDIA_TYPES = ("IMAGE", "VIDEO", "REEL", "CAROUSEL_ALBUM", None)
_MEDIA_METRICS = {"reach": 1.0, "likes": 0.08, "comments": 0.01, "saves": 0.02, "shares": 0.015}
_STORY_METRICS = {"views": 1.0, "reach": 0.8, "replies": 0.01, "exits": 0.12, "taps_forward": 0.6}
_CAPTIONS = (
    "New in the shop today ☕️",
    "Zum Frühstück: Brötchen & Käse, 50 % günstiger",
    "شكرا لكم على الدعم ❤️",
    "תודה רבה לכולם! 🎉",
    "夏の新作が入荷しました 🌻",
    "Family day 👨‍👩‍👧‍👦 and 🏳️‍🌈 flags",
    'She said "hello",\nthen\tleft; it\'s 100% true \\o/',
    "Zalgo h̷e̷ comes, naïve café",
    "",
    None,
)


@lru_cache(maxsize=16_384)
def day_rows(endpoint_name: str, day: dt.date, seed: int = 7, scale: int = 1) -> tuple[Row, ...]:
    """Return every row of one UTC day, by cursor and then id; ``scale`` multiplies how many there are."""
    endpoint = DECLARED[endpoint_name]
    random = Random(f"{seed}/{endpoint_name}/{day}")  # noqa: S311 - reproducible, not secret
    made: Iterator[Row]
    match endpoint_name:
        case "media_insights":
            made = _media_insights(random, day, seed, scale)
        case "user_insights":
            made = _user_insights(random, day, scale)
        case "stories":
            made = _stories(random, day, scale)
        case "story_insights":
            made = _story_insights(random, day, seed, scale)
        case _:
            made = _any_rows(random, day, endpoint.sent_columns, endpoint.merge_key, scale)
    return tuple(
        sorted(made, key=lambda row: (row[str(endpoint.cursor)], *(row[field] for field in endpoint.merge_key)))
    )


@lru_cache(maxsize=16_384)
def added_rows(endpoint: Endpoint, day: dt.date, seed: int = 7, scale: int = 1) -> tuple[Row, ...]:
    """Return the rows of one UTC day of an endpoint that is not declared, by its columns' types."""
    random = Random(f"{seed}/{endpoint.name}/{day}")  # noqa: S311 - reproducible, not secret
    made = _any_rows(random, day, endpoint.sent_columns, endpoint.merge_key, scale)
    return tuple(sorted(made, key=lambda row: (str(row.get(endpoint.cursor or "")), row[endpoint.merge_key[0]])))


@lru_cache(maxsize=4_096)
def _posts(day: dt.date, seed: int, scale: int) -> tuple[Row, ...]:
    """Make the posts of one day; ``second`` is when in the day, ``size`` how many people the post reaches at first."""
    random = Random(f"{seed}/media/{day}")  # noqa: S311 - reproducible, not secret
    return tuple(
        {
            "media_id": f"media_{day:%Y%m%d}_{number:04d}",
            "second": random.randrange(_SECONDS - 60),
            "size": random.lognormvariate(7.5, 0.6),
            "media_type": random.choice(_MEDIA_TYPES),
            "permalink": _maybe(random, f"https://social.example/p/{day:%Y%m%d}{number:04d}/", 0.04),
            "caption": random.choice(_CAPTIONS),
        }
        for number in range(random.randint(3, 6) * scale)
    )


def _media_insights(random: Random, day: dt.date, seed: int, scale: int) -> Iterator[Row]:
    for age in range(_MEDIA_AGE):
        for post in _posts(day - age * _DAY, seed, scale):
            second = random.randrange(post["second"] if age == 0 else 0, _SECONDS)
            reach = int(post["size"] * 0.55**age * _WEEKDAY[day.weekday()] * random.uniform(0.8, 1.2))
            for metric, share in _MEDIA_METRICS.items():
                yield {
                    "id": f"{post['media_id']}:{metric}:{day}",
                    "media_id": post["media_id"],
                    "metric": metric,
                    "period": "day",
                    "value": _value(random, _share(random, reach, share), split=metric == "reach"),
                    "profile_views": _maybe(random, int(reach * 0.03), 0.2),
                    "media_type": post["media_type"],
                    "permalink": post["permalink"],
                    "caption": post["caption"],
                    **_measured(random, "timestamp", day, second),
                }


def _user_insights(random: Random, day: dt.date, scale: int) -> Iterator[Row]:
    for account in range(_ACCOUNTS * scale):
        followers = 10_000 + 700 * account + 3 * (day - _FOUNDED).days
        reach = int(followers * random.uniform(0.2, 0.5) * _WEEKDAY[day.weekday()])
        visits = _share(random, reach, 0.05)
        metrics = {
            "reach": reach,
            "impressions": int(reach * random.uniform(1.1, 2)),
            "profile_views": visits,
            "engaged": _share(random, reach, 0.1),
            "website_clicks": _share(random, visits, 0.2),
            "saves": _share(random, reach, 0.02),
            "follower_count": followers,
        }
        second = (account * 5 + 2) % 24 * 3600
        for metric, value in metrics.items():
            yield {
                "id": f"user_{account:04d}:{metric}:{day}",
                "user_id": f"user_{account:04d}",
                "metric": metric,
                "period": "day",
                "value": _value(random, value, split=metric == "reach"),
                "profile_views": _maybe(random, visits, 0.1),
                "follower_count": _maybe(random, followers, 0.05),
                "engagement_rate": _maybe(random, round(metrics["engaged"] / reach, 4), 0.05),
                **_measured(random, "end_time", day, second),
            }


def _stories(random: Random, day: dt.date, scale: int) -> Iterator[Row]:
    for account in range(_ACCOUNTS * scale):
        for number in range(random.randint(3, 8)):
            story = f"story_{day:%Y%m%d}_{account:04d}_{number}"
            second = random.randrange(_SECONDS)
            yield {
                "id": story,
                "user_id": f"user_{account:04d}",
                "media_type": random.choice(("IMAGE", "VIDEO", None)),
                "media_url": _maybe(random, f"https://cdn.social.example/{story}.jpg", 0.1),
                "permalink": _maybe(random, f"https://social.example/stories/{story}/", 0.1),
                "caption": random.choice(_CAPTIONS),
                "like_count": _maybe(random, random.randrange(400), 0.1),
                "is_shared_to_feed": _maybe(random, random.choice((True, False, False)), 0.1),
                "timestamp": _moment(day, second),
                "expires_at": _moment(day + _DAY, second),
            }


def _story_insights(random: Random, day: dt.date, seed: int, scale: int) -> Iterator[Row]:
    for story in day_rows("stories", day, seed, scale):
        posted = dt.datetime.fromisoformat(story["timestamp"])
        second = random.randrange(posted.hour * 3600 + posted.minute * 60 + posted.second, _SECONDS)
        # who liked it has seen it
        views = int(random.lognormvariate(6, 0.5) * _WEEKDAY[day.weekday()]) + 2 * (story["like_count"] or 0)
        for metric, share in _STORY_METRICS.items():
            yield {
                "id": f"{story['id']}:{metric}",
                "story_id": story["id"],
                "metric": metric,
                "period": "lifetime",
                "value": _value(random, _share(random, views, share), split=metric == "reach"),
                "profile_views": _maybe(random, int(views * 0.02), 0.2),
                **_measured(random, "timestamp", day, second),
            }


def _any_rows(
    random: Random, day: dt.date, columns: tuple[Column, ...], merge_key: tuple[str, ...], scale: int
) -> Iterator[Row]:
    """Make rows for an endpoint this file knows nothing about, from its declared columns."""
    for number in range(30 * scale):
        second = random.randrange(_SECONDS)
        moment = _moment(day, second)
        row = {
            column.name: moment if column.data_type == "timestamp" else made_up(random, column.data_type)
            for column in columns
        }
        yield row | dict.fromkeys(merge_key, f"{day:%Y%m%d}_{number:05d}")


def made_up(random: Random, data_type: DataType) -> object:
    """Make up a value of a type."""
    match data_type:
        case "text":
            return f"text {random.randrange(1000)}"
        case "bigint":
            return random.randrange(10_000)
        case "double":
            return round(random.random(), 4)
        case "bool":
            return random.choice((True, False))
        case "timestamp":
            return _moment(_FOUNDED, random.randrange(_SECONDS))
        case "json":
            return {"follower": random.randrange(100), "non_follower": random.randrange(100)}


def _share(random: Random, count: int, share: float) -> int:
    """Return about that share of a count, and all of it for 1."""
    return int(count * share * random.uniform(0.8, 1.2)) if share < 1 else count


def _value(random: Random, count: int, *, split: bool) -> object:
    """Return the count, now and then null, and for a ``split`` metric now and then an object of two counts."""
    parts = {"follower": count // 3, "non_follower": count - count // 3}
    return _maybe(random, random.choice((parts, count, count)) if split else count, 0.02)


def _maybe(random: Random, value: object, null_chance: float) -> object:
    return None if random.random() < null_chance else value


def _measured(random: Random, cursor: str, day: dt.date, second: int) -> Row:
    later = random.choice((0, 0, random.randrange(int(LONGEST_RESTATEMENT.total_seconds()))))
    return {cursor: _moment(day, second), "updated_at": _moment(day, second + later)}


def _moment(day: dt.date, second: int) -> str:
    return text(dt.datetime.combine(day, dt.time(), dt.UTC) + dt.timedelta(seconds=second))


def text(moment: dt.datetime) -> str:
    """Write a moment the way every row does."""
    return f"{moment.astimezone(dt.UTC):%Y-%m-%dT%H:%M:%SZ}"


DECLARED = {endpoint.name: endpoint for endpoint in ENDPOINTS}
