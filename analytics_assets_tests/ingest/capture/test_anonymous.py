"""What becomes of a value in a capture: its shape stays, and what a person could be known by does not."""

import datetime as dt
import re
import unicodedata
import zoneinfo
from typing import Any

import pytest

from analytics_assets.ingest.capture.anonymous import Anonymiser
from analytics_assets.ingest.capture.made_up import MadeUp
from analytics_assets.ingest.capture.times import Times
from analytics_assets.ingest.settings import Settings
from analytics_assets.ingest.table.values import moment

DAY = dt.date(2025, 1, 3)
BERLIN = zoneinfo.ZoneInfo("Europe/Berlin")


def anonymous(body: Any, *, is_error: bool = False, **settings: str) -> Any:  # noqa: ANN401 (parsed JSON)
    """Return a body without the data."""
    anonymiser = Anonymiser(Settings(**settings), DAY, lambda text: text.replace("k3y-k3y-k3y", "***"))
    anonymiser.names.learn(body, ("stories",))
    return anonymiser.body(body, "stories", is_error=is_error)


def rows(*values: dict[str, Any], **settings: str) -> list[dict[str, Any]]:
    """Return rows without the data."""
    found: list[dict[str, Any]] = anonymous({"data": list(values)}, **settings)["data"]
    return found


@pytest.mark.parametrize(
    "text",
    ["jane.doe+x@mail.example", "https://vendor.example/p/Cx9?a=1", "Grüße, 東京 Привет ⭐", "007", "3.50e-3", "A-1_b"],
)
def test_a_text_keeps_its_shape(text: str) -> None:
    """Letters of the same case and script, digits for digits, all signs in their places; as many bytes."""
    made = MadeUp().text(text)
    assert made != text
    assert len(made.encode()) == len(text.encode())
    kinds = [[unicodedata.category(character) for character in one] for one in (text, made)]
    assert kinds[0] == kinds[1]
    assert made.startswith("https://") == text.startswith("https://")
    assert (made[0] == "0") == (text[0] == "0")


def test_different_values_stay_different_in_the_smallest_space() -> None:
    """All of a kind there can be: each digit, ids from 1 to 999, ten letters; or an id would repeat another."""
    for every in ([str(one) for one in range(10)], [str(one) for one in range(1, 1000)], list("abcdefghij")):
        made_up = MadeUp()
        made = [made_up.text(one) for one in every]
        assert len(set(made)) == len(every)
        assert [made_up.text(one) for one in every] == made


def test_nothing_can_be_guessed_from_another_file() -> None:
    """The same value becomes another one in each file."""
    assert len({MadeUp().text("jane_doe_1987") for _ in range(5)}) == 5


@pytest.mark.parametrize(
    "number", [7, 12_345, -40, 2**53 + 1, 2**63 - 1, 2**63, 10**25, 0.05, 12.5, -3.75, 250.0, 1e22, 5e-324]
)
def test_a_number_keeps_its_size_and_type(number: float) -> None:
    """As many digits, its sign, whole or not, and the same side of what a column can hold."""
    for _ in range(20):
        made = MadeUp().amount(number)
        assert type(made) is type(number)
        assert len(repr(made)) == len(repr(number))
        assert (made < 0) == (number < 0)
        assert made % 1 == 0 or number % 1 != 0
        assert [made >= edge for edge in (2**53, 2**63, 2**64)] == [number >= edge for edge in (2**53, 2**63, 2**64)]


def test_what_says_nothing_stays() -> None:
    """True, false, null, nothing and zero."""
    row = {"a": None, "b": True, "c": 0, "d": "", "e": [], "f": {}, "g": 0.0}
    assert rows(row) == [row]


@pytest.mark.parametrize(
    "text",
    [
        "2025-01-03T22:59:30Z",
        "2025-01-03T00:10:59+0100",
        "2025-01-03 23:59:59.120",
        "2025-01-02T23:01:00-05:00",
        "2025-01-03T10:31",
    ],
)
def test_a_moment_keeps_its_days(text: str) -> None:
    """Of its text, of UTC and of the partitions, so that it stands in the same window; the format stays as well."""
    made = {Times(MadeUp(), DAY, BERLIN).text(text) for _ in range(20)}
    assert len(made - {text}) > 10
    for one in made:
        assert (len(one), one[:10]) == (len(text), text[:10])
        assert moment(one).date() == moment(text).date()
        assert moment(one).astimezone(BERLIN).date() == moment(text).astimezone(BERLIN).date()


@pytest.mark.parametrize("text", ["2025-01-03", "2025-01-03T08:00:00+0000", "2025-13-45", "0000-00-00"])
def test_a_day_and_a_full_hour_stay(text: str) -> None:
    """Figures are given for them; and what is no date must not become one."""
    assert Times(MadeUp(), DAY, BERLIN).text(text) == text


def test_a_birthday_does_not_stay() -> None:
    """A day that is years away from the recorded one."""
    assert "1987-05-12" not in {rows({"born": "1987-05-12"})[0]["born"] for _ in range(9)} - {"1987-05-12"}
    assert sum(rows({"born": "1987-05-12"})[0]["born"] == "1987-05-12" for _ in range(9)) < 3


@pytest.mark.parametrize("value", [1735900015, 1735900015123, 1735900015.25, "1735900015"])
def test_an_epoch_keeps_its_day_and_type(value: Any) -> None:  # noqa: ANN401 (parsed JSON)
    """In seconds, in milliseconds, with a fraction, or as text."""
    made = rows({"timestamp": value})[0]["timestamp"]
    assert made != value
    assert type(made) is type(value)
    assert moment(made).date() == moment(value).date()


def test_a_word_stays_only_where_it_is_the_vendors() -> None:
    """That a name recurs does not make it one; and a caption is somebody's, even if it is such a word."""
    known = {"media_type": "CAROUSEL_ALBUM", "metric": "profile_views", "period": "days_28"}
    private = {"username": "janedoe", "city": "Berlin", "caption": "reach", "kind": "janedoe"}
    made = rows(*[{"id": f"s{n}", **known, **private} for n in range(50)])
    for row in made:
        assert (row["media_type"], row["metric"], row["period"]) == ("CAROUSEL_ALBUM", "profile_views", "days_28")
        assert not {"janedoe", "Berlin", "reach"} & set(row.values())
        assert row["username"] == row["kind"]


def test_names_that_are_data_do_not_stay() -> None:
    """Cities and users as the names of a breakdown, or of objects that are alike; names of fields do."""
    row = {
        "id": "1",
        "likeCount": 3,
        "own_field": 4,
        "value": {"Québec, CA": 3, "Berlin": 4, "janedoe": 5},
        "public_metrics": {"like_count": 3, "reply_count": 4},
        "by_user": {"janedoe": {"count": 1}, "bob": {"count": 2}},
        "jane@doe.example": 1,
        "17841400000000042": 1,
    }
    (made,) = rows(row)
    assert [name for name in made if name in row] == [
        "id",
        "likeCount",
        "own_field",
        "value",
        "public_metrics",
        "by_user",
    ]
    assert list(made["public_metrics"]) == ["like_count", "reply_count"]
    assert not {"Québec, CA", "Berlin", "janedoe"} & set(made["value"])
    assert not {"janedoe", "bob"} & set(made["by_user"])
    assert len(made["value"]) == 3
    assert next(iter(made["by_user"].values())).keys() == {"count"}


def test_an_object_of_very_many_names_is_keyed_by_data() -> None:
    """More than a hundred names, over all the rows."""
    made = rows(*[{"id": f"s{n}", "tags": {f"user{chr(97 + n % 26)}{chr(97 + n // 26)}": "x"}} for n in range(150)])
    assert not [name for row in made for name in row["tags"] if name.startswith("user")]


def test_ids_match_and_amounts_do_not() -> None:
    """An id is the same in every row and as text or number; an amount is drawn anew each time."""
    made = rows(*[{"id": n, "media_id": 17841400000000042, "ref": "17841400000000042", "shares": 5} for n in range(40)])
    assert len({row["id"] for row in made}) == 40
    assert {str(row["media_id"]) for row in made} == {row["ref"] for row in made} != {"17841400000000042"}
    assert len({row["shares"] for row in made}) > 1


def test_a_row_that_comes_again_is_the_same_again() -> None:
    """On another page, or when the page is asked for again."""
    first, second = rows({"id": "a", "shares": 512.5}, {"id": "a", "shares": 512.5})
    assert first == second


def test_what_is_beside_the_rows_leads_through_them() -> None:
    """The total and the place of the page stay, also as text; other figures do not."""
    body = {
        "data": [],
        "meta": {"all_of_it": 1_234_567, "total_pages": 12, "page": "3", "followers": 98_765, "has_more": True},
    }
    made = anonymous(body, total_selector="meta.all_of_it")["meta"]
    assert made.pop("followers") != 98_765
    del body["meta"]["followers"]  # type: ignore[attr-defined]
    assert made == body["meta"]


def test_an_error_can_be_read_and_names_nobody() -> None:
    """Its usual words, its code and the names of settings stay."""
    said = "(#190) Unknown field 'media_type' for account jane_doe_1987 of Acme, see 17841400000000042"
    made = anonymous({"error": {"message": said, "code": 190}})["error"]
    assert made["code"] == 190
    assert made["message"].startswith("(#190) Unknown field 'media_type' for account ")
    assert not [word for word in ("jane", "doe", "1987", "Acme", "17841400000000042") if word in made["message"]]


def test_words_of_an_error_are_no_cipher() -> None:
    """In a script of which no word is known, one letter is not always the same other one."""
    text = "ანნა ნანნა ანნანა ნაანნან"
    made = anonymous({"error": text})["error"]
    assert len({made[place] for place, letter in enumerate(text) if letter == "ა"}) > 1


def test_of_cut_json_no_words_stay_but_names() -> None:
    """It has somebody's texts in it; a page of HTML is a proxy's."""
    words = Anonymiser(Settings(), DAY, str).words
    made = words('{"data": [{"caption": "please see my account, north')
    assert re.fullmatch(r'\{"data": \[\{"caption": "[a-z]{6} [a-z]{3} [a-z]{2} [a-z]{7}, [a-z]{5}', made)
    assert not [word for word in ("please", "see", "account", "north") if word in made]
    assert words("<h1>502 Bad Gateway</h1> janedoe").startswith("<h1>502 Bad Gateway</h1> ")


def test_the_key_leaves_a_place_for_the_players() -> None:
    """In a value and in a name; three stars of the data are none."""
    (made,) = rows({"id": "1", "caption": "see k3y-k3y-k3y!", "k3y-k3y-k3y": 1, "note": "***"})
    assert made["caption"].endswith("{key}!")
    assert not made["caption"].startswith("see")
    assert "{key}" in made
    assert made["note"] == "***"
