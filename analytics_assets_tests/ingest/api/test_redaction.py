"""The key in none of its forms: not in what is said of a request, and not in what an answer repeats of it."""

import html
import json
import logging
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote, quote_plus

import pytest
import requests
import urllib3
from dlt.extract.exceptions import ResourceExtractionError

from analytics_assets.ingest.api import redaction
from analytics_assets.ingest.api.redaction import Redactor
from analytics_assets.sandbox.faults import Fault
from analytics_assets.sandbox.shape import Shape
from analytics_assets_tests.ingest.api.test_retries import BROKEN
from analytics_assets_tests.project import KEY, KEY_FORMS, Project, stories


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


def _each(form: Callable[[str], str]) -> Callable[[str], str]:
    return lambda text: "".join(map(form, text))


WRITERS: dict[str, Callable[[str], str]] = {
    "plain": str,
    "URL": lambda text: quote(text, safe=""),
    "URL, every character": _each(lambda one: f"%{ord(one):02x}"),
    "JSON": lambda text: json.dumps(text)[1:-1],
    "JSON of PHP": lambda text: text.replace("/", "\\/"),
    "JSON of Gson": _each(lambda one: f"\\u{ord(one):04x}" if one in "=&<>'" else one),
    "JSON, every character": _each(lambda one: f"\\u{ord(one):04X}"),
    "HTML": html.escape,
    "HTML by number": _each(lambda one: one if one.isalnum() else f"&#{ord(one)};"),
    "HTML by number, every character": _each(lambda one: f"&#x{ord(one):x};"),
    "HTML by name": lambda text: text.replace("&", "&amp;").replace("=", "&equals;").replace("/", "&sol;"),
}
# as they come in text that is no JSON
OTHERS: dict[str, Callable[[str], str]] = {
    "JavaScript": _each(lambda one: one if one.isalnum() else f"\\x{ord(one):02x}"),
    "JavaScript with braces": _each(lambda one: one if one.isalnum() else f"\\u{{{ord(one):x}}}"),
    "JavaScript's escape": _each(lambda one: one if one.isalnum() else f"%u{ord(one):04x}"),
    "UTF-16": "\0".join,
    "a host's name": str.lower,
}


@pytest.mark.parametrize("outer", WRITERS)
@pytest.mark.parametrize("inner", WRITERS)
def test_the_key_is_found_however_it_is_written(inner: str, outer: str) -> None:
    """One way within another: what counts is how it reads. So it is for what is said and for what came."""
    redact = Redactor(KEY)
    written = WRITERS[outer](WRITERS[inner](KEY))
    assert redact(f"GET /v1?since=2025%2D03&key={written}&limit=1") == "GET /v1?since=2025%2D03&key=***&limit=1"
    assert redact.is_in(f'{{"a": 1, "b": "x{written}y"}}'.encode())
    almost = WRITERS[outer](WRITERS[inner](KEY[:-1]))
    assert redact(almost) == almost
    assert not redact.is_in(almost.encode())


@pytest.mark.parametrize("writer", OTHERS)
def test_the_key_is_found_in_what_is_no_json(writer: str) -> None:
    """An error may be a page of HTML, a script, or text in another encoding."""
    assert Redactor(KEY)(f"asked {OTHERS[writer](KEY)} in vain") == "asked *** in vain"


def test_a_key_that_reads_as_another_text_is_found() -> None:
    """The `&not` in it is an entity to HTML, the `%41` a letter in a URL; written half encoded it is still the key."""
    key = "12&notes%41=/x"
    for written in (key, "12&notes%41%3d/x", "12&notes%41=\\/x", "12%26notes%2541%3D%2Fx"):
        assert Redactor(key)(f"a {written} b") == "a *** b"


def test_a_text_of_escapes_takes_no_time() -> None:
    """However it is made, a text is read a few times and no more."""
    began = time.monotonic()
    for hard in (
        "\\" * 2**16,
        "%25" * 2**14 + "41",
        "&amp;" * 2**14,
        "&#" + "0" * 2**16,
        "%" * 2**16,
        "sandbox%2" * 2**13,
    ):
        Redactor(KEY)(hard)
        Redactor(KEY).is_in(hard.encode())
    assert time.monotonic() - began < 25


def test_all_that_the_client_library_logs_is_redacted() -> None:
    """A logger's filter does not see records of loggers below it, so each logger of urllib3 and requests has it."""
    redact = redaction.redactor_of(KEY)
    for package in (urllib3, requests):
        folder = Path(package.__file__).parent
        for path in folder.rglob("*.py"):
            name = ".".join((package.__name__, *path.relative_to(folder).with_suffix("").parts)).removesuffix(
                ".__init__"
            )
            if "getLogger(__name__)" in path.read_text() and "emscripten" not in name:
                assert redact.log_record in logging.getLogger(name).filters, name


@pytest.mark.parametrize(
    "line", [KEY, f"x-asked {KEY}", f"x asked: {quote(KEY)}", KEY.replace("=", "\\u003d")], ids=lambda line: line[:8]
)
def test_a_header_that_is_none_does_not_tell_the_key(
    project: Project, caplog: pytest.LogCaptureFixture, line: str
) -> None:
    """urllib3 warns of it by a logger of its own, with address, header and traceback; the rows are loaded."""
    project.serve(rows={"stories": stories(2)}, faults=[Fault("header", line=line)])
    assert len(project.read()) == 2
    assert "Failed to parse headers" in caplog.text
    assert "***" in caplog.text
    assert not [form for form in KEY_FORMS if form in caplog.text or form in repr(vars(caplog.records[0]))]
    assert line not in caplog.text


def test_an_error_body_that_dlt_shows_does_not_tell_the_key(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """With ``http_show_error_body`` dlt quotes the answer, which may quote the request."""
    monkeypatch.setenv("RUNTIME__HTTP_SHOW_ERROR_BODY", "true")
    project.serve(faults=[Fault("html", status=400, content=f"<p>cannot answer {html.escape(KEY)}")])
    with pytest.raises(ResourceExtractionError, match=r"cannot answer \*\*\*") as caught:
        project.read()
    assert not [form for form in (*KEY_FORMS, html.escape(KEY)) if form in str(caught.value)]


def test_a_log_record_is_redacted_with_its_arguments() -> None:
    """urllib3 logs host and address as arguments; whatever handler comes later sees only the redacted message."""
    record = logging.LogRecord("urllib3", logging.DEBUG, "", 1, '"GET %s" %d', (f"/v1?api_key={KEY}", 200), None)
    assert Redactor(KEY).log_record(record)
    assert (record.getMessage(), record.args) == ('"GET /v1?api_key=***" 200', ())


def test_an_exception_in_a_log_is_redacted_by_each_of_several_redactors() -> None:
    """The first makes a text of it, and the others find their secrets in that."""
    error = ValueError(f"{KEY} and another-secret")
    record = logging.LogRecord("urllib3", logging.WARNING, "", 1, "it failed", (), (ValueError, error, None))
    for secret in (KEY, "another-secret"):
        Redactor(secret).log_record(record)
    assert record.exc_text == "ValueError: *** and ***"


def test_an_error_keeps_its_type_and_its_innermost_reason() -> None:
    """Dlt decides by the type whether to retry, and a person reads the reason, without the request that has the key."""
    url = f"https://api.example.com/v1?api_key={KEY}"
    request = requests.Request("GET", url).prepare()
    reason = urllib3.exceptions.ProtocolError("Connection aborted.", ConnectionResetError(104, f"reset by {KEY}"))
    redacted = Redactor(KEY).error(requests.exceptions.ChunkedEncodingError(reason, request=request), url)
    assert type(redacted) is requests.exceptions.ChunkedEncodingError
    assert str(redacted) == "https://api.example.com/v1?api_key=***: [Errno 104] reset by ***"
    assert redacted.request is None


def test_several_secrets_are_looked_for() -> None:
    """A token is found beside the key, also encoded; one that begins with another is cut out whole."""
    redact = Redactor(KEY)
    redact.add("token-1234")
    redact.add("token-1234-and-more")
    assert redact(f"{KEY} token-1234 token-1234-and-more token%2d1234%2dand%2dmore") == "*** *** *** ***"
    assert redact.is_in(b'{"next": "?t=token\\u002d1234"}')
    assert redact.is_in(quote_plus(KEY).encode())
    assert not redact.is_in(b"token 1234")


def test_the_newest_tokens_stay_known_and_so_does_the_key() -> None:
    """Each one takes time in every answer, so that there are at most sixteen."""
    redact = Redactor(KEY)
    for number in range(20):
        redact.add(f"token-{number:04d}")
        redact.add(f"token-{number:04d}")
    known = [number for number in range(20) if redact(f"token-{number:04d}") == "***"]
    assert known == list(range(4, 20))
    assert redact(KEY) == "***"
