"""The key in none of its forms: not in what is said of a request, and not in what an answer repeats of it."""

import logging

import pytest
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
