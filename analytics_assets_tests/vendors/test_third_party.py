"""A real server that is not ours: Directus, with the settings of docs/vendors/directus.toml and nothing else."""

import datetime as dt
import json
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from analytics_assets.ingest.configured import load_settings
from analytics_assets.ingest.connection import Verdict, check_endpoint
from analytics_assets_tests.project import KEY, KEY_FORMS, Project, Row, endpoint_of, message_of, reload_settings
from analytics_assets_tests.vendors.directus_server import Directus, running, why_not
from analytics_assets_tests.warehouses import new_database

CONFIG = (Path(__file__).parents[2] / "docs" / "vendors" / "directus.toml").read_text()
NAMES = ("media_insights", "user_insights", "stories", "story_insights")
MOST_ROWS = 150
DAYS = 4
# not long ago, for a full refresh records each day since the first
FIRST_DAY = dt.datetime.now(dt.UTC).replace(hour=0, minute=0, second=0, microsecond=0) - dt.timedelta(days=DAYS + 1)
PER_DAY = 144
CAPTIONS = ("Grüße 🎉\n“zwei”", None, "", '{"not": "an object"}', "01234")
EXTRAS = ({"DE": 3, "名": [1, None]}, None, {"a": {"b": 0.25}})
VALUES = (17, {"DE": 3, "名": 4}, None, [1, "x", None], 0.25)

# the first test waits for the server
pytestmark = [pytest.mark.third_party, pytest.mark.postgres, pytest.mark.timeout(600)]


def day(number: int) -> str:
    """Return the name of a day, the first of which is 0."""
    return f"{FIRST_DAY + dt.timedelta(days=number):%Y-%m-%d}"


def moments(per_day: int) -> list[str]:
    """Return so many instants of each of the days, from the first millisecond of a day to its last."""
    step = dt.timedelta(days=1) / per_day
    found = [FIRST_DAY + step * number for number in range(DAYS * per_day)]
    last = dt.timedelta(days=1, milliseconds=-1)
    found[per_day - 1 :: per_day] = [FIRST_DAY + dt.timedelta(days=number) + last for number in range(DAYS)]
    return [one.isoformat(timespec="milliseconds").replace("+00:00", "Z") for one in found]


def sent_rows() -> dict[str, list[Row]]:
    """Return what is sent to the server, with whatever JSON can say: the rows of each endpoint, oldest first."""
    stories: list[Row] = [
        {
            "posted_at": moment,
            "caption": CAPTIONS[number % 5],
            "like_count": number or None,
            "is_shared_to_feed": (True, False, None)[number % 3],
            "price": f"{number}.3400",
            "views": str(2**53 + number),
            "extra": EXTRAS[number % 3],
        }
        for number, moment in enumerate(moments(PER_DAY))
    ]
    # a row that nobody has given a time is in no window
    stories.append(dict.fromkeys(stories[0]))
    insights = [
        {"end_time": moment, "metric": "reach", "value": VALUES[number % 5], "profile_views": str(number)}
        for number, moment in enumerate(moments(6))
    ]
    others = [{"timestamp": moment, "metric": "likes", "value": number} for number, moment in enumerate(moments(2))]
    return {"stories": stories, "user_insights": insights, "media_insights": others, "story_insights": others}


# Not for the module: a worker that takes over another's tests runs those of this file in two parts.
@pytest.fixture(scope="session")
def directus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Directus]:
    """Return a server with the four collections, or skip with a line that says how to get one."""
    if missing := why_not():
        (pytest.fail if os.environ.get("REQUIRE_ALL") == "1" else pytest.skip)(missing)
    with (
        new_database() as database,
        running(database.url, tmp_path_factory.mktemp("directus"), most_rows=MOST_ROWS) as server,
    ):
        measured = {"metric": "string", "value": "json", "timestamp": "timestamp"}
        server.make_collection("media_insights", **measured)
        server.make_collection("story_insights", **measured)
        server.make_collection(
            "user_insights",
            metric="string",
            value="json",
            profile_views="bigInteger",
            end_time="timestamp",
            updated_at={"type": "timestamp", "meta": {"special": ["date-updated"]}},
        )
        server.make_collection(
            "stories",
            posted_at="timestamp",
            caption="text",
            like_count="integer",
            is_shared_to_feed="boolean",
            price={"type": "decimal", "schema": {"numeric_precision": 12, "numeric_scale": 4}},
            views="bigInteger",
            extra="json",
        )
        for name, rows in sent_rows().items():
            server.ask("POST", f"/items/{name}?limit=1", rows)
        server.make_reader(KEY, *NAMES)
        yield server


@pytest.fixture
def vendor(directus: Directus, project: Project) -> Directus:
    """Set up the project as the documented file says, with the address in the environment."""
    file = project.path / ".dlt" / "config.toml"
    rest = re.sub(r"\[analytics_api\]\n.*\n", "", file.read_text())
    file.write_text(f"{rest}\n{CONFIG}")
    reload_settings()
    project.configure(base_url=directus.url, start_date=day(0))
    return directus


def expected(numbers: range | None = None) -> list[Row]:
    """Return the stories of these numbers, or all of them, as the table should have them."""
    rows = enumerate(sent_rows()["stories"], 1)
    return [
        {
            "id": str(number),
            **row,
            "posted_at": row["posted_at"] and dt.datetime.fromisoformat(row["posted_at"]),
        }
        for number, row in rows
        if numbers is None or number - 1 in numbers
    ]


def loaded(project: Project) -> list[Row]:
    """Return the table of the stories, without the declared columns that this vendor does not have."""
    rows = project.table(order="id::int")
    return [
        {
            name: json.loads(value) if name == "extra" and value is not None else value
            for name, value in row.items()
            if name not in {"user_id", "media_type", "media_url", "permalink", "expires_at"}
        }
        for row in rows
    ]


def test_the_file_is_short() -> None:
    """The documented file has at most 25 lines of settings, in the project's sections only."""
    settings = tomllib.loads(CONFIG)
    assert set(settings) == {"analytics_api"}
    assert len([line for line in CONFIG.splitlines() if line and not line.startswith("#")]) <= 25


@pytest.mark.usefixtures("vendor")
def test_loads(project: Project) -> None:
    """A day, a range and everything arrive as they were sent, value by value; the key is in no file."""
    assert project.materialize(day=day(0)).success
    assert loaded(project) == expected(range(PER_DAY))
    assert project.materialize(day=day(1), until=day(2)).success
    assert loaded(project) == expected(range(3 * PER_DAY))
    assert project.materialize(*NAMES, day=day(0), full_refresh=True).success
    assert loaded(project) == expected()
    project.assert_nowhere(KEY_FORMS)


def test_the_server_changes(vendor: Directus, project: Project) -> None:
    """A row that was changed comes as it is now; one that was deleted stays for a day's load, and goes at a refresh."""
    table = "user_insights"
    assert project.materialize(table, day=day(1)).success
    before = project.table(table, order="id::int")
    assert [row["id"] for row in before] == [str(number) for number in range(7, 13)]
    vendor.ask("PATCH", f"/items/{table}/8", {"profile_views": "9007199254740993", "value": {"restated": 1}})
    vendor.ask("DELETE", f"/items/{table}/9")
    assert project.materialize(table, day=day(1)).success
    changed, after = before[1], project.table(table, order="id::int")
    assert [row for row in after if row["id"] != "8"] == [row for row in before if row["id"] != "8"]
    assert after[1] == changed | {
        "profile_views": 2**53 + 1,
        "value": '{"restated":1}',
        "value_number": 1.0,
        "updated_at": after[1]["updated_at"],
    }
    assert changed["updated_at"] is None
    assert after[1]["updated_at"] > FIRST_DAY + dt.timedelta(days=DAYS)
    assert project.materialize(table, day=day(0), full_refresh=True).success
    refreshed = project.table(table, order="id::int")
    assert [row["id"] for row in refreshed] == [str(number) for number in range(1, DAYS * 6 + 1) if number != 9]
    assert refreshed[6:8] == after[:2]


@pytest.mark.usefixtures("vendor")
def test_make_check(project: Project) -> None:
    """With the file and the key, everything is fine."""
    done = subprocess.run(
        [sys.executable, "-m", "analytics_assets.commands.check"],
        cwd=project.path,
        capture_output=True,
        text=True,
        check=False,
        timeout=150,
    )
    assert re.search("stories: +fine: 577 rows in all", done.stdout), done.stdout + done.stderr
    assert done.stdout.count("fine: ") == 5
    assert done.returncode == 0


@pytest.mark.usefixtures("vendor")
@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ({"page_size": MOST_ROWS + 1}, [f"less than or equal to {MOST_ROWS}", "page_size"]),
        ({"extra_params": {"fields": "id,nope"}}, ['field \\"nope\\"', "extra_params"]),
        ({"endpoints__stories__path": "/items/story"}, ["403", "path"]),
        ({"endpoints__stories__path": "/stories"}, ["404", "path"]),
        ({"key_name": "api_key"}, ["403", "key_name"]),
        ({"window_format": "epoch"}, ["500", "window_format"]),
        ({"total_selector": "meta.total_count"}, ["meta.total_count", "total_selector", "extra_params"]),
        ({"data_selector": "items"}, ["data_selector"]),
        ({"offset_param": "skip"}, ["offset_param"]),
        ({"endpoints__stories__window_start_param": "since"}, ["window_start_param"]),
        ({"endpoints__stories__window_end_param": "filter[nope][_lt]"}, ["nope", "window_end_param"]),
        ({"endpoints__stories__cursor": "timestamp"}, ["posted_at", "cursor"]),
    ],
)
def test_a_wrong_setting(project: Project, setting: dict[str, object], said: list[str]) -> None:
    """What the check says of a wrong setting has the server's reason in it, and the name of the setting."""
    project.configure(**setting, max_retries=0)
    verdict = str(verdict_on("stories"))
    assert not verdict.startswith("stories: fine"), verdict
    assert [word for word in said if word not in verdict] == [], verdict


@pytest.mark.usefixtures("vendor")
def test_a_wrong_key(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is refused by the server, in the check and in a run, and nothing is loaded."""
    monkeypatch.setenv("API_KEY", "another+key/than=that")
    assert "key refused" in str(verdict_on("stories"))
    assert "Invalid user credentials" in message_of(project.materialize(day=day(0)))
    assert project.table() == []


def verdict_on(name: str) -> Verdict:
    """Return what ``make check`` finds of an endpoint."""
    endpoint = endpoint_of(name)
    return check_endpoint(endpoint, load_settings().of(endpoint))
