"""One request on the wire: counted, bounded in size and time, and without the key whatever comes back."""

import gzip
import json
import logging
import time
from typing import Any

import pytest
import requests

from analytics_assets.ingest.api.adapter import ApiAdapter, ApiResponse, WireCounts
from analytics_assets.ingest.api.budget import RateBudget
from analytics_assets.ingest.api.redaction import Redactor
from analytics_assets.ingest.configured import load_settings
from analytics_assets.ingest.errors import ApiError
from analytics_assets.sandbox.faults import Fault
from analytics_assets_tests.project import KEY, KEY_FORMS, Project, stories

MIB = 2**20


def _ask(counts: WireCounts | None = None, redact: Redactor | None = None) -> requests.Response:
    """Ask for a page by an adapter alone: no retries, no redirects."""
    settings = load_settings()
    budget = RateBudget(settings, time.sleep, logging.getLogger())
    with requests.Session() as session:
        session.mount("http://", ApiAdapter(settings, redact or Redactor(KEY), counts or WireCounts(), budget))
        params: dict[str, Any] = {"api_key": KEY, "offset": 0, "limit": 100}
        return session.get(f"{settings.base_url}/v1/stories", params=params, allow_redirects=False)


def test_every_request_counts(project: Project) -> None:
    """Whether rows come, a refusal or nothing at all, it was a request; none of them is counted as a retry."""
    sandbox = project.serve(rows={"stories": stories(1)})
    counts = WireCounts()
    assert _ask(counts).status_code == 200
    sandbox.faults = [Fault("status", status=503)]
    assert _ask(counts).status_code == 503
    sandbox.faults = [Fault("close")]
    with pytest.raises(requests.ConnectionError):
        _ask(counts)
    assert (counts.requests, counts.retries) == (3, 0)


@pytest.mark.parametrize("is_packed", [False, True], ids=["plain", "gzip"])
def test_the_size_of_an_answer_is_bounded_to_the_byte(project: Project, is_packed: bool) -> None:  # noqa: FBT001 - a parameter of the test
    """An answer of ``max_response_mb`` is read, one byte more is refused in words; what counts is the unpacked size."""
    sandbox = project.serve()
    project.configure(max_response_mb=1)

    def answer(size: int) -> list[Fault]:
        content = b" " * size
        if not is_packed:
            return [Fault("body", content=content)]
        return [Fault("body", content=gzip.compress(content), headers={"Content-Encoding": "gzip"})]

    sandbox.faults = answer(MIB)
    assert len(_ask().content) == MIB
    sandbox.faults = answer(MIB + 1)
    with pytest.raises(ApiError, match=r"answered more than 1 MiB \(setting max_response_mb\)") as refused:
        _ask()
    assert refused.value.problem.kind == "wrong shape"


def test_the_time_of_an_answer_is_bounded_though_bytes_keep_coming(project: Project) -> None:
    """A body that drips never runs into ``read_timeout``, so ``response_timeout`` ends it, and the message names it."""
    project.serve(rows={"stories": stories(20)}, faults=[Fault("slow_body", delay=0.05, chunks=1000)])
    project.configure(response_timeout=0.3, read_timeout=30)
    began = time.monotonic()
    with pytest.raises(requests.ReadTimeout, match=r"more than 0.3 s to answer \(response_timeout\)"):
        _ask()
    assert time.monotonic() - began < 25


def test_what_is_said_of_an_answer_repeats_no_key(project: Project) -> None:
    """Address and headers say ``***`` where the API had the key, and so does the text that others quote."""
    sandbox = project.serve()
    sandbox.faults = [Fault("body", content=f'{{"next": "?api_key={KEY}"}}', headers={"X-Asked": f"?api_key={KEY}"})]
    response = _ask()
    assert response.headers["X-Asked"] == "?api_key=***"
    assert "api_key=***" in response.url
    assert response.text == '{"next": "?api_key=***"}'
    assert not [form for form in KEY_FORMS if form in f"{response.url} {response.headers} {response.text}"]


@pytest.mark.parametrize("is_repeated", [True, False])
def test_a_body_is_as_it_came(project: Project, is_repeated: bool) -> None:  # noqa: FBT001 - a parameter of the test
    """No byte of it is changed, for it may have rows in it; whether it repeats the key is known."""
    content = json.dumps({"data": [{"id": "a", "caption": KEY if is_repeated else "***"}]}).encode()
    project.serve(faults=[Fault("body", content=content)])
    response = _ask()
    assert response.content == content
    assert isinstance(response, ApiResponse)
    assert response.repeats_key is is_repeated


def test_a_redirect_keeps_its_key(project: Project) -> None:
    """``Location`` alone is left as it is: on the same host the next request has to arrive with the key."""
    project.serve(faults=[Fault("redirect", location=f"/v2?api_key={KEY}")])
    assert _ask().headers["Location"] == f"/v2?api_key={KEY}"


def test_an_error_carries_no_request(project: Project) -> None:
    """An exception has neither the request nor the original error, for both have the key in their address."""
    project.serve(faults=[Fault("close")])
    with pytest.raises(requests.ConnectionError, match=r"api_key=\*\*\*") as failed:
        _ask()
    error = failed.value
    assert (error.request, error.response, error.__context__, error.__cause__) == (None, None, None, None)


def test_json_is_parsed_once(project: Project) -> None:
    """Who asks for the JSON again gets the same object: a page is read by the walk and by dlt."""
    project.serve(rows={"stories": stories(2)})
    response = _ask()
    assert response.json() is response.json()
    assert [row["id"] for row in response.json()["data"]] == ["s000", "s001"]


def test_what_is_no_json_is_quoted_without_half_a_key(project: Project) -> None:
    """The quotation ends after 80 characters; the key is taken out before, or its first half would stay."""
    short = "k+y/7%"
    sandbox = project.serve()
    sandbox.faults = [Fault("body", content="a" * 77 + short + " and more")]
    with pytest.raises(ApiError, match=r"answered 200 with no valid JSON \(.*\): '(a{77}\*\*\*)'") as refused:
        _ask(redact=Redactor(short)).json()
    assert refused.value.problem.kind == "wrong shape"
    assert "k+y" not in str(refused.value)
