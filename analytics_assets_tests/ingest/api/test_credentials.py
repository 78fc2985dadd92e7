"""Tokens and keys that are replaced while pages are read, at the wire."""

import base64
import json
import logging
import re
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote_plus

import pytest
from dlt.extract.exceptions import ResourceExtractionError

from analytics_assets.ingest.api import redaction, tokens
from analytics_assets.ingest.errors import Problem, explain
from analytics_assets.sandbox.app import Sandbox
from analytics_assets.sandbox.asked import Asked
from analytics_assets.sandbox.faults import Fault
from analytics_assets.sandbox.server import SandboxServer
from analytics_assets.sandbox.shape import Shape
from analytics_assets_tests.project import KEY, KEY_FORMS, WINDOW, Project, stories

NEW_KEY = "another+key/of=the&vendor"
OAUTH = Shape(key=KEY, key_location="oauth2")
TOKEN_PATH = "/oauth/token"


def sell_tokens(project: Project, shape: Shape = OAUTH, **options: Any) -> Sandbox:  # noqa: ANN401 - the sandbox types its own
    """Serve an API that takes tokens, and configure it; pages of ten rows, sixteen at once."""
    sandbox = project.serve(shape=shape, **{"rows": {"stories": stories(300)}, **options})
    url = project.configured("base_url")
    project.configure(
        key_location="oauth2",
        token_url=url + shape.oauth_path,
        client_id=shape.client_id,
        page_size=10,
        max_concurrent_requests=16,
        backoff_factor=0,
    )
    return sandbox


def refusal_of(project: Project) -> Problem:
    """Read, and return why that failed."""
    with pytest.raises(ResourceExtractionError) as failed:
        project.read()
    problem = explain(failed.value)
    assert problem is not None
    return problem


def statuses(sandbox: Sandbox, *, of_tokens: bool) -> list[int]:
    """Return the statuses of the requests for tokens, or of those for rows."""
    return [one.status for one in sandbox.requests if (one.path == TOKEN_PATH) is of_tokens]


def then(sandbox: Sandbox, number: int, what: Any) -> None:  # noqa: ANN401 - a function without arguments
    """Do something right before the API looks at that request for rows, counted from 1."""
    seen: list[Asked] = []

    def look(asked: Asked) -> None:
        if asked.path != TOKEN_PATH:
            seen.append(asked)
            if len(seen) == number:
                what()

    sandbox.on_request = look


def test_a_token_is_asked_for_with_the_key_and_sent_with_every_page(project: Project) -> None:
    """The key goes to the token's address alone, with the fields of ``token_params``; the request is counted."""
    sandbox = sell_tokens(project, replace(OAUTH, token_params={"scope": "insights.read", "audience": "a&b"}))
    project.configure(token_params={"scope": "insights.read", "audience": "a&b"})
    assert len(project.read()) == 300
    assert statuses(sandbox, of_tokens=True) == [200]
    pages = [one for one in sandbox.requests if one.path != TOKEN_PATH]
    assert {(one.key_seen, one.status) for one in pages} == {("bearer", 200)}
    report = project.reports["stories"]
    assert (report.requests, report.retries) == (len(sandbox.requests), 0)
    assert not [one for one in pages if "api_key" in one.params]


def test_a_client_may_be_named_by_basic(project: Project, caplog: pytest.LogCaptureFixture) -> None:
    """Then neither id nor secret is in the form; what is sent is as secret as the secret."""
    sent = base64.b64encode(f"sandbox%3Aclient:{quote_plus(KEY)}".encode()).decode()
    sandbox = sell_tokens(project, replace(OAUTH, client_id="sandbox:client"))
    seen: list[tuple[bytes, str]] = []
    ask = sandbox.tokens.ask

    def look(shape: Shape, body: bytes, headers: Mapping[str, str]) -> tuple[int, dict[str, object]]:
        seen.append((body, headers["authorization"]))
        return ask(shape, body, headers)

    sandbox.tokens.ask = look  # type: ignore[method-assign]
    project.configure(client_auth="basic")
    assert len(project.read()) == 300
    assert seen == [(b"grant_type=client_credentials", f"Basic {sent}")]
    sandbox.rows["stories"] = [row | {"caption": f"asked with Basic {sent}"} for row in stories(1)] + stories(300)[1:]
    report = project.load()
    assert report.rejected == {"caption holds the API key": 1}
    project.assert_nowhere([*KEY_FORMS, sent, "sandbox-token"], caplog.text)


def test_all_windows_of_a_process_share_a_token(project: Project) -> None:
    """A backfill of a year does not ask for as many tokens as it has windows."""
    sandbox = sell_tokens(project)
    project.read()
    project.read("stories", None)
    assert len(sandbox.tokens.given) == 1


def test_a_refused_token_is_replaced_once_for_all_pages_in_flight(
    project: Project, caplog: pytest.LogCaptureFixture
) -> None:
    """Pages are refused at once: one new token, each page again with it, and no row is lost."""
    sandbox = sell_tokens(project, faults=[Fault("latency", seconds=0.05)])

    def revoke() -> None:
        # the server looks at nothing meanwhile, so the pages that are asked for ahead all have the old token
        time.sleep(0.3)
        sandbox.tokens.revoke()

    then(sandbox, 3, revoke)
    rows = project.read()
    assert sorted(row["id"] for row in rows) == [f"s{number:03d}" for number in range(300)]
    assert statuses(sandbox, of_tokens=True) == [200, 200]
    refused = statuses(sandbox, of_tokens=False).count(401)
    report = project.reports["stories"]
    assert refused >= 2
    assert report.retries == refused
    assert report.requests == len(sandbox.requests)
    assert caplog.text.count("asked once more with a new token") == refused
    project.assert_nowhere([*KEY_FORMS, "sandbox-token"], caplog.text)


def test_a_token_that_lasts_some_requests_is_replaced_as_often_as_it_ends(project: Project) -> None:
    """Page by page, each token lets in seven requests."""
    sandbox = sell_tokens(project, replace(OAUTH, token_requests=7, token_seconds=None))
    project.configure(max_concurrent_requests=1)
    assert len(project.read()) == 300
    assert len(sandbox.tokens.given) == 5


@pytest.mark.parametrize("in_flight", [1, 16])
def test_a_token_that_is_refused_again_is_the_last(project: Project, in_flight: int) -> None:
    """An API that takes no token is asked for one new token, not for one a page, and the run fails in words."""
    sandbox = sell_tokens(project)
    project.configure(max_concurrent_requests=in_flight)

    def refuse() -> None:
        sandbox.faults.append(Fault("status", status=401))

    then(sandbox, 4, refuse)
    problem = refusal_of(project)
    assert problem.kind == "key refused"
    assert "answered 401 Unauthorized" in problem.message
    assert statuses(sandbox, of_tokens=True) == [200, 200]
    assert len([status for status in statuses(sandbox, of_tokens=False) if status == 401]) <= 2 * in_flight


def test_what_a_token_may_not_have_is_no_reason_for_another(project: Project) -> None:
    """403 is not about the token: nothing is asked again."""
    sandbox = sell_tokens(project, faults=[Fault("status", status=403)])
    assert refusal_of(project).kind == "key refused"
    assert (statuses(sandbox, of_tokens=True), statuses(sandbox, of_tokens=False)) == ([200], [403])


def test_a_token_is_replaced_before_it_ends(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a tenth of its time left, at most a minute, so that no page is refused at all."""
    sandbox = sell_tokens(project, replace(OAUTH, token_seconds=100))
    clock = [1000.0]
    monkeypatch.setattr(tokens, "time", type("Clock", (), {"monotonic": staticmethod(lambda: clock[0])}))
    project.read()
    clock[0] += 89
    project.read()
    assert len(sandbox.tokens.given) == 1
    clock[0] += 2
    project.read()
    assert len(sandbox.tokens.given) == 2
    assert set(statuses(sandbox, of_tokens=False)) == {200}


@pytest.mark.parametrize("lasts", [0, -5, "soon", None, {}, "inf", "nan"])
def test_an_end_that_cannot_be_meant_is_none(project: Project, lasts: object) -> None:
    """Such a token is good until it is refused; it is not asked for anew for each page."""
    answer = json.dumps({"access_token": "sandbox-token-0001", "expires_in": lasts})
    sandbox = sell_tokens(project, faults=[Fault("body", content=answer, endpoint="token")])
    sandbox.tokens.ask(
        OAUTH, f"grant_type=client_credentials&client_id=sandbox-client&client_secret={NEW_KEY}".encode(), {}
    )
    sandbox.tokens._good["sandbox-token-0001"] = (float("inf"), None)  # noqa: SLF001 - one that it has not given out
    assert len(project.read()) == 300
    assert statuses(sandbox, of_tokens=True) == [200]


def test_a_token_s_address_that_fails_is_asked_again(project: Project, waits: list[float]) -> None:
    """With the retries of every request, which are counted; then the window goes on."""
    failing = [Fault("status", status=503, times=1, endpoint="token"), Fault("close", times=1, endpoint="token")]
    sandbox = sell_tokens(project, faults=failing)
    assert len(project.read()) == 300
    assert statuses(sandbox, of_tokens=True) == [503, 0, 200]
    assert project.reports["stories"].retries == 2
    assert len(waits) == 2


REFUSED: dict[str, tuple[Fault | None, dict[str, Any], str, str]] = {
    "wrong secret": (None, {"client_id": "somebody"}, "key refused", "answered 401 Unauthorized and says: .*client_id"),
    "400": (
        Fault("body", content='{"error": "invalid_client"}', status=400),
        {},
        "key refused",
        "answered 400 .*invalid_client.*API_KEY or key_file .the client secret., client_id, token_url",
    ),
    "404": (None, {"token_url": "/nowhere"}, "request refused", "answered 404 .*token_url"),
    "500": (Fault("status", status=500), {}, "API failing", "/oauth/token answered 500"),
    "429": (Fault("status", status=429), {"max_retries": 0}, "API failing", "/oauth/token answered 429"),
    "closed": (Fault("close"), {}, "unreachable", "no answer: .*/oauth/token: .*Check token_url"),
    "HTML": (Fault("html"), {}, "wrong shape", "/oauth/token answered 200, but not with a JSON object"),
    "a form": (Fault("body", content="access_token=sandbox-token-9999"), {}, "wrong shape", "not with a JSON object"),
    "a list": (Fault("body", content='["sandbox-token-9999"]'), {}, "wrong shape", "not with a JSON object"),
    "no token": (Fault("body", content='{"token": "sandbox-token-9999"}'), {}, "wrong shape", "has an access_token"),
    "null": (Fault("body", content='{"access_token": null}'), {}, "wrong shape", "has an access_token"),
    "short": (Fault("body", content='{"access_token": "abc-12"}'), {}, "wrong shape", "has fewer than 8 characters"),
    "a column": (Fault("body", content='{"access_token": "timestamp"}'), {}, "wrong shape", "is the name of"),
    "a line": (Fault("body", content='{"access_token": "sandbox\\ntoken"}'), {}, "wrong shape", "no request can carry"),
    "mac": (
        Fault("body", content='{"access_token": "sandbox-token-9999", "token_type": "mac"}'),
        {},
        "wrong shape",
        "token_type",
    ),
    "too large": (Fault("body", content=" " * 2**21), {"max_response_mb": 1}, "wrong shape", "more than 1 MiB"),
    "moved": (Fault("redirect", location="/oauth/token"), {}, "request refused", "redirects are not followed"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_no_token_is_told_in_words(
    project: Project, waits: list[float], caplog: pytest.LogCaptureFixture, case: str
) -> None:
    """What the token's address did, and what to look at; no row is asked for, and no answer with a token is quoted."""
    fault, settings, kind, words = REFUSED[case]
    sandbox = sell_tokens(project, faults=[replace_endpoint(fault)] if fault else [])
    project.configure(**settings)
    if "token_url" in settings:
        project.configure(token_url=project.configured("base_url") + settings["token_url"])
    caplog.set_level(logging.DEBUG)
    problem = refusal_of(project)
    assert problem.kind == kind
    assert problem.message.startswith(f"{kind}: ")
    assert re.search(words, problem.message)
    assert statuses(sandbox, of_tokens=False) in ([], [404])
    assert len(waits) <= 3
    project.assert_nowhere([*KEY_FORMS, "sandbox-token", "abc-12"], problem.message, caplog.text)


def replace_endpoint(fault: Fault) -> Fault:
    """Return the fault at the token's address."""
    return Fault(fault.kind, endpoint="token", **fault.options)


def test_a_secret_does_not_follow_a_redirect(project: Project) -> None:
    """Another host is not sent the client's secret; the message names it, and the setting."""
    with SandboxServer(Sandbox(shape=OAUTH)) as elsewhere:
        sell_tokens(project, faults=[Fault("redirect", location=elsewhere.url + TOKEN_PATH, endpoint="token")])
        problem = refusal_of(project)
        assert elsewhere.sandbox.requests == []
    assert problem.kind == "request refused"
    assert "redirects to another host" in problem.message
    assert problem.message.endswith("set token_url to it")


def test_when_tokens_end_with_a_refusal_all_pages_fail_for_one_reason(project: Project) -> None:
    """Sixteen pages that want a new token send one request for it: a client that is refused often is locked out."""
    sandbox = sell_tokens(project, faults=[Fault("latency", seconds=0.05)])

    def lock_out() -> None:
        sandbox.tokens.revoke()
        sandbox.shape = replace(OAUTH, key=NEW_KEY)

    then(sandbox, 3, lock_out)
    problem = refusal_of(project)
    assert problem.kind == "key refused"
    assert TOKEN_PATH in problem.message
    assert statuses(sandbox, of_tokens=True) == [200, 401]


def key_in_file(project: Project, monkeypatch: pytest.MonkeyPatch, key: str = KEY) -> Path:
    """Put the key into a file, and nowhere else."""
    monkeypatch.delenv("API_KEY")
    path = project.path / "key"
    path.write_text(f"{key}\n")
    project.configure(key_file=path)
    return path


@pytest.mark.parametrize("status", [401, 403])
@pytest.mark.parametrize("location", ["query", "header", "bearer"])
def test_a_key_that_is_replaced_while_pages_are_read_is_read_anew(
    project: Project,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    location: Literal["query", "header", "bearer"],
    status: int,
) -> None:
    """A page that is refused is asked for once more with the key that stands in the file by then; no row is lost."""
    path = key_in_file(project, monkeypatch)
    name = "the-key" if location == "header" else "the[key]"
    shape = Shape(key=KEY, key_location=location, key_name=name, wrong_key_status=status)
    sandbox = project.serve(shape=shape, rows={"stories": stories(300)}, faults=[Fault("latency", seconds=0.02)])
    project.configure(key_location=location, key_name=name, page_size=10, max_concurrent_requests=16)
    caplog.set_level(logging.DEBUG)

    def rotate() -> None:
        path.write_text(NEW_KEY)
        sandbox.shape = replace(shape, key=NEW_KEY)

    then(sandbox, 3, rotate)
    rows = project.read()
    assert sorted(row["id"] for row in rows) == [f"s{number:03d}" for number in range(300)]
    assert {one.key_seen for one in sandbox.requests} == {
        {"query": "query:the[key]", "header": "header:the-key"}.get(location, "bearer")
    }
    assert project.reports["stories"].retries == len([one for one in sandbox.requests if one.status != 200])
    # the old one does not go along
    assert not re.search(r"the%5Bkey%5D=.*the%5Bkey%5D=", caplog.text)
    path.unlink()
    project.assert_nowhere([*KEY_FORMS, NEW_KEY, "another%2Bkey"], caplog.text)


def test_a_refused_key_that_stays_is_refused(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the file has the same key still, nothing is asked again."""
    key_in_file(project, monkeypatch)
    sandbox = project.serve(shape=Shape(key=NEW_KEY))
    problem = refusal_of(project)
    assert problem.kind == "key refused"
    assert "key_file" in problem.message
    assert len(sandbox.requests) == 1


def test_a_secret_that_is_replaced_buys_the_next_token(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tokens are asked for with the secret that the file has at that moment."""
    path = key_in_file(project, monkeypatch)
    sandbox = sell_tokens(project)

    def rotate() -> None:
        path.write_text(NEW_KEY)
        sandbox.shape = replace(OAUTH, key=NEW_KEY)
        sandbox.tokens.revoke()

    then(sandbox, 3, rotate)
    assert len(project.read()) == 300
    assert statuses(sandbox, of_tokens=True) == [200, 200]


def test_the_next_slice_takes_up_a_new_key(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """A backfill through Dagster goes on with the key that stands in the file when a slice begins."""
    path = key_in_file(project, monkeypatch)
    days = ("2025-03-01", "2025-03-02")
    rows = [row | {"id": f"{day}{row['id']}"} for day in days for row in stories(3, day)]
    sandbox = project.serve(rows={"stories": rows})
    project.configure(max_window_days=1)

    def look(asked: Asked) -> None:
        if asked.params["since"].startswith(days[0]):
            path.write_text(NEW_KEY)
        else:
            sandbox.shape = replace(sandbox.shape, key=NEW_KEY)

    sandbox.on_request = look
    assert project.materialize(day=days[0], until=days[-1]).success
    assert len(project.ids()) == 6
    assert [one.status for one in sandbox.requests] == [200, 200]


def test_the_next_window_takes_up_what_the_secrets_file_says_by_then(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While dlt reads its files once in a process, the key is read anew."""
    monkeypatch.delenv("API_KEY")
    project.write("secrets.toml", f'api_key = "{KEY}"\n')
    sandbox = project.serve(rows={"stories": stories(3)})
    project.read()
    sandbox.shape = replace(sandbox.shape, key=NEW_KEY)
    (project.path / ".dlt" / "secrets.toml").write_text(f'api_key = "{NEW_KEY}"\n')
    project.read()
    assert [one.status for one in sandbox.requests] == [200, 200]


def test_a_token_that_another_window_asked_for_is_known(project: Project) -> None:
    """Whoever sends a token looks for it, also if it was not asked for here."""
    sandbox = sell_tokens(project)
    project.read()
    redaction.redactor_of.cache_clear()
    sandbox.rows["stories"] = [row | {"caption": "of sandbox-token-0001"} for row in stories(1)] + stories(300)[1:]
    assert project.load().rejected == {"caption holds the API key": 1}
    assert len(sandbox.tokens.given) == 1


def test_a_row_that_repeats_a_token_is_set_aside(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """As one that repeats the key: also a token that came in the middle, and a key that was replaced."""
    path = key_in_file(project, monkeypatch)
    sandbox = sell_tokens(project)
    project.configure(max_concurrent_requests=1)

    def rotate() -> None:
        path.write_text(NEW_KEY)
        sandbox.shape = replace(OAUTH, key=NEW_KEY)
        sandbox.tokens.revoke()

    then(sandbox, 3, rotate)
    secrets = {5: "sandbox-token-0001", 105: "sandbox-token-0002", 115: NEW_KEY, 125: KEY}
    sandbox.rows["stories"] = [
        row | {"caption": f"of {secrets[number]}!"} if number in secrets else row
        for number, row in enumerate(stories(300))
    ]
    report = project.load(WINDOW)
    assert (report.rows_kept, report.rejected) == (296, {"caption holds the API key": 4})
    path.unlink()
    project.assert_nowhere([*KEY_FORMS, "sandbox-token", NEW_KEY])
