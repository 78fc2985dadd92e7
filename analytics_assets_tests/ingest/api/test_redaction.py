"""The key in none of its forms: not in what is said of a request, and not in what an answer repeats of it."""

import logging

import pytest
import requests
import urllib3
from dlt.extract.exceptions import ResourceExtractionError

from analytics_assets.ingest.api.redaction import Redactor
from analytics_assets.sandbox.faults import Fault
from analytics_assets.sandbox.shape import Shape
from analytics_assets_tests.ingest.api.test_retries import BROKEN
from analytics_assets_tests.project import KEY, KEY_FORMS, Project


@pytest.mark.parametrize("location", ["query", "header", "bearer"])
@pytest.mark.parametrize(
    "fault",
    [
        *BROKEN,
        Fault("status", status=500),
        Fault("status", status=400),
        Fault("echo_url", status=401),
        Fault("echo_url", status=400),
        Fault("html"),
        Fault("error_in_200", message=KEY),
        Fault("no_data"),
        Fault("redirect", location=f"/nowhere?api_key={KEY}"),
    ],
    ids=lambda fault: f"{fault.kind}-{sorted(fault.options)}",
)
def test_no_error_and_no_log_tells_the_key(
    project: Project, waits: list[float], caplog: pytest.LogCaptureFixture, fault: Fault, location: str
) -> None:
    """Whatever goes wrong, the key stands in no exception, none of its causes and contexts, and no log."""
    project.serve(
        shape=Shape(key=KEY, key_location=location, key_name="tok"), faults=[Fault(fault.kind, **fault.options)]
    )
    project.configure(key_location=location, key_name="tok", max_retries=1)
    caplog.set_level(logging.DEBUG)
    with pytest.raises(ResourceExtractionError) as caught:
        project.read()
    texts = [caplog.text]
    error: BaseException | None = caught.value
    while error is not None:
        texts += [str(error), repr(error), repr(error.args)]
        error = error.__cause__ or error.__context__
    assert not [form for form in KEY_FORMS if any(form in text for text in texts)]
    assert len(waits) <= 1


@pytest.mark.parametrize("form", ["my +key/1", "my%20%2Bkey%2F1", "my%20%2Bkey/1", "my+%2Bkey%2F1"])
def test_the_key_is_redacted_in_all_its_forms(form: str) -> None:
    """Plain and URL-encoded, in every way in which libraries encode."""
    assert Redactor("my +key/1")(f"GET /v1?api_key={form}&limit=1") == "GET /v1?api_key=***&limit=1"


@pytest.mark.parametrize(
    "form", [r"k\"e/y&<1", r'k"e\/y&<1', r'k"e/y\u0026<1', "k&quot;e/y&amp;&lt;1", "k%22e%2fy%26%3c1"]
)
def test_the_key_is_redacted_as_json_html_and_lower_case_have_it(form: str) -> None:
    """An API that quotes the address in an error writes it as its format has to be written."""
    assert Redactor('k"e/y&<1')(f"asked {form} in vain") == "asked *** in vain"


def test_a_short_key_is_not_cut_out_of_rows() -> None:
    """Under eight characters it could be a word of the data; what is said of a request is free of it all the same."""
    row = b'{"caption": "storied 12345678"}'
    assert Redactor("stories")("GET /v1?key=stories") == "GET /v1?key=***"
    assert Redactor("stories").body(b'{"caption": "stories"}') == b'{"caption": "stories"}'
    assert Redactor("12345678").body(row) == b'{"caption": "storied ***"}'


def test_a_log_record_is_redacted_with_its_arguments() -> None:
    """urllib3 logs host and address as arguments; whatever handler comes later sees only the redacted message."""
    record = logging.LogRecord("urllib3", logging.DEBUG, "", 1, '"GET %s" %d', (f"/v1?api_key={KEY}", 200), None)
    assert Redactor(KEY).log_record(record)
    assert (record.getMessage(), record.args) == ('"GET /v1?api_key=***" 200', ())


def test_an_error_keeps_its_type_and_its_innermost_reason() -> None:
    """Dlt decides by the type whether to retry, and a person reads the reason, without the request that has the key."""
    url = f"https://api.example.com/v1?api_key={KEY}"
    request = requests.Request("GET", url).prepare()
    reason = urllib3.exceptions.ProtocolError("Connection aborted.", ConnectionResetError(104, f"reset by {KEY}"))
    redacted = Redactor(KEY).error(requests.exceptions.ChunkedEncodingError(reason, request=request), url)
    assert type(redacted) is requests.exceptions.ChunkedEncodingError
    assert str(redacted) == "https://api.example.com/v1?api_key=***: [Errno 104] reset by ***"
    assert redacted.request is None
