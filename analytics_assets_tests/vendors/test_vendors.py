"""The config files of docs/vendors: each loads from a server of its shape, and brings exactly what that has."""

import datetime as dt
import hashlib
import hmac
import re
import tomllib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from analytics_assets.ingest.connection import check_endpoint
from analytics_assets.sandbox.shape import Shape
from analytics_assets_tests.project import KEY, Project, Row, endpoint_of, settings_of

_DOCS = Path(__file__).parents[2] / "docs/vendors"
# they are run against servers of others
_ELSEWHERE = {"directus.toml"}
_SALT = "a salt for the tests, long enough"
_START = dt.datetime(2025, 2, 28, tzinfo=dt.UTC)
_ROWS = 230
_DAYS = {dt.date(2025, 3, 1), dt.date(2025, 3, 2)}


def _moment(number: int) -> dt.datetime:
    """Return when a row is of: they are spread over five days, 2025-02-28 to 2025-03-04."""
    return _START + number * dt.timedelta(days=5) / _ROWS


def _second(number: int) -> int:
    return int(_moment(number).timestamp())


def _iso(number: int) -> str:
    return f"{_moment(number):%Y-%m-%dT%H:%M:%SZ}"


@dataclass(frozen=True, kw_only=True)
class Vendor:
    """A server's shape, how it writes a row, and what becomes of that in the table."""

    shape: Shape
    sent: Callable[[int], Row]
    kept: Callable[[int], Row]


def _hash(text: str) -> str:
    return hmac.new(_SALT.encode(), text.encode(), hashlib.sha256).hexdigest()


def _shape(path: str, cursor: str, **differences: Any) -> Shape:  # noqa: ANN401
    settings = {"key": KEY, "paths": {"stories": path}, "cursors": {"stories": cursor}, "max_page_size": 50}
    return Shape(**(settings | differences))


VENDORS: dict[str, Vendor] = {
    "cms": Vendor(
        shape=_shape(
            "/items/stories",
            "ts",
            key_name="access_token",
            total_path="meta.filter_count",
            start_param="filter[ts][_gte]",
            end_param="filter[ts][_lt]",
            require_params={"meta": "filter_count", "sort": "ts"},
        ),
        sent=lambda n: {"id": n, "ts": _iso(n), "likes": n * 2, "status": "published"},
        kept=lambda n: {"id": n, "like_count": n * 2, "status": "published"},
    ),
    "bearer": Vendor(
        shape=_shape(
            "/posts",
            "postedAt",
            key_location="bearer",
            data_path="results",
            total_path="count",
            offset_param="skip",
            limit_param="take",
            start_param="from",
            end_param="to",
            window_format="date",
            window_end="inclusive",
        ),
        sent=lambda n: {"postId": f"p{n}", "postedAt": _iso(n), "stats": {"likes": n, "deep": {"of": n}}},
        kept=lambda n: {"post_id": f"p{n}", "like_count": n},
    ),
    "graph": Vendor(
        shape=_shape(
            "/17841405793087218/media",
            "timestamp",
            key_name="access_token",
            total_path=None,
            pagination="cursor",
            window_format="epoch",
            require_params={"fields": "id,timestamp,caption,like_count,insights"},
        ),
        sent=lambda n: {
            "id": str(17_841_405_793_000_000 + n),
            "timestamp": f"{_moment(n):%Y-%m-%dT%H:%M:%S}+0000",
            "caption": f"caption {n % 7} ☕️",
            "like_count": n,
            "insights": {"data": [{"name": "saved", "values": []}, {"name": "reach", "values": [{"value": n + 1}]}]},
        },
        kept=lambda n: {
            "id": str(17_841_405_793_000_000 + n),
            "caption": _hash(f"caption {n % 7} ☕️"),
            "like_count": n,
            "reach": n + 1,
        },
    ),
    "epoch": Vendor(
        shape=_shape(
            "/events",
            "at",
            key_location="header",
            key_name="X-API-Key",
            data_path="list",
            total_path=None,
            offset_param="start",
            limit_param="count",
            start_param="begin",
            end_param="end",
            window_format="epoch",
        ),
        sent=lambda n: {"uuid": f"e{n}", "at": _second(n), "id": n % 3, "amount": n / 4},
        kept=lambda n: {"id": f"e{n}", "amount": n / 4},
    ),
    "pages": Vendor(
        shape=_shape(
            "/wp-json/stories",
            "timestamp",
            pagination="page",
            limit_param="per_page",
            start_param="after",
            end_param="before",
            data_path="",
            total_path="header:X-Total-Count",
            paths={"stories": "/wp-json/stories", "comments": "/wp-json/comments"},
            cursors={"stories": "timestamp", "comments": "timestamp"},
            own={"comments": {"data_path": "data", "total_path": None, "total_pages_path": "meta.total_pages"}},
        ),
        sent=lambda n: {"id": f"s{n}", "timestamp": _iso(n), "like_count": n},
        kept=lambda n: {"id": f"s{n}", "like_count": n},
    ),
    "links": Vendor(
        shape=_shape(
            "/stories/",
            "timestamp",
            key_location="header",
            key_name="X-API-Key",
            data_path="results",
            total_path="count",
            pagination="link",
            link_path="next",
            limit_param="page_size",
            start_param="created__gte",
            end_param="created__lt",
            paths={"stories": "/stories/", "accounts": "/accounts/"},
        ),
        sent=lambda n: {"id": f"s{n}", "timestamp": _iso(n), "like_count": n},
        kept=lambda n: {"id": f"s{n}", "like_count": n},
    ),
}


@pytest.fixture(params=VENDORS)
def vendor(request: pytest.FixtureRequest, project: Project, monkeypatch: pytest.MonkeyPatch) -> Vendor:
    """Give the project a vendor's config file, and a server of that shape."""
    chosen = VENDORS[request.param]
    text = (_DOCS / f"{request.param}.toml").read_text()
    monkeypatch.setenv("HASH_SALT", _SALT)
    config = project.path / ".dlt/config.toml"
    ours = re.compile(r"\[analytics_api\]\n.*?(?=^\[|\Z)", re.MULTILINE | re.DOTALL)
    config.write_text(ours.sub("", config.read_text()))
    project.write("config.toml", f"\n{text}")
    rows = tuple(chosen.sent(number) for number in range(_ROWS))
    others = {name: rows for name in chosen.shape.paths if name == "comments"}
    accounts = {"accounts": [{"id": 1, "name": "Ada"}, {"id": 2, "name": "Bob"}]} if request.param == "links" else {}
    prefix = re.search(r'base_url = "https://[^/"]+(.*?)"', text)
    paths = {name: f"{prefix[1] if prefix else ''}{path}" for name, path in chosen.shape.paths.items()}
    shape = Shape(**{**vars(chosen.shape), "paths": paths})
    project.serve(rows={"stories": rows, **others, **accounts}, shape=shape)
    project.configure(
        base_url=f"{project.configured('base_url')}{prefix[1] if prefix else ''}", max_concurrent_requests=4
    )
    return chosen


def test_every_config_file_is_run() -> None:
    """Each of them has a server here, or one of somebody else's; at least five have one here."""
    files = {path.name for path in _DOCS.glob("*.toml")}
    assert files - _ELSEWHERE == {f"{name}.toml" for name in VENDORS}
    assert len(VENDORS) >= 5
    for name in VENDORS:
        text = (_DOCS / f"{name}.toml").read_text()
        assert len(text.splitlines()) <= 35
        assert set(tomllib.loads(text)) == {"analytics_api"}


@pytest.mark.slow
def test_a_range_a_day_and_all_history_bring_what_the_server_has(vendor: Vendor, project: Project) -> None:
    """The table holds the rows of the days that were asked for, each once, with the values that were sent."""
    days = [number for number in range(_ROWS) if _moment(number).date() in _DAYS]
    assert project.materialize("stories", day="2025-03-01", until="2025-03-02").success
    _assert_holds(project, vendor, days)
    assert project.materialize("stories", day="2025-03-01").success
    _assert_holds(project, vendor, days)
    result = project.materialize("stories", full_refresh=True)
    assert result.success
    assert all(check.passed for check in result.get_asset_check_evaluations())
    _assert_holds(project, vendor, range(_ROWS))


def _assert_holds(project: Project, vendor: Vendor, numbers: Iterable[int]) -> None:
    expected = [vendor.kept(number) for number in numbers]
    columns = [*vendor.kept(0)]
    found = [tuple(row[name] for name in columns) for row in project.table("stories", "1")]
    assert sorted(found) == sorted(tuple(row.values()) for row in expected)


def test_the_check_finds_each_vendor_fine(vendor: Vendor) -> None:
    """With the settings of the file there is nothing to mend, at none of the vendor's lists."""
    for name in vendor.shape.paths:
        verdict = check_endpoint(endpoint_of(name), settings_of(name))
        assert verdict.is_fine, str(verdict)


@pytest.mark.parametrize("vendor", ["pages"], indirect=True)
def test_a_list_may_count_its_pages_where_another_counts_its_rows(vendor: Vendor, project: Project) -> None:
    """The second list has rows under a field and a number of pages; its window is proven by that."""
    assert project.materialize("comments", day="2025-03-01", until="2025-03-02").success
    days = [number for number in range(_ROWS) if _moment(number).date() in _DAYS]
    found = [(row["id"], row["like_count"]) for row in project.table("comments")]
    assert sorted(found) == sorted(tuple(vendor.kept(number).values()) for number in days)


@pytest.mark.usefixtures("vendor")
@pytest.mark.parametrize("vendor", ["links"], indirect=True)
def test_a_small_list_is_read_whole_beside_lists_with_windows(project: Project) -> None:
    """It is asked for without dates, whatever day the run is of."""
    assert project.materialize("accounts").success
    assert [(row["id"], row["name"]) for row in project.table("accounts")] == [("1", "Ada"), ("2", "Bob")]
