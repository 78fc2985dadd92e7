"""The address that alerts go to appears in nothing that a tick leaves, whatever the receiver does."""

import json
from urllib.parse import quote

import dagster as dg
import pytest

from analytics_assets.alerts import webhook
from analytics_assets.build import build_definitions
from analytics_assets_tests.alerts.conftest import Receiver, receiver
from analytics_assets_tests.project import Project
from analytics_assets_tests.secrecy.conftest import Tls, closed_port

__all__ = ["receiver"]

SECRET = "a-secret-of-the-channel"
FORMS = (SECRET, "T0secret", "B0secret", quote(f"/{SECRET}", safe=""))
STATE = {
    "version": 1,
    "outbox": [{"id": "1", "text": "one"}, {"id": "2", "text": "two"}],
    # so that no old run is looked at
    "seen": [0],
}


def tick(instance: dg.DagsterInstance) -> list[str]:
    """Tick with two messages that wait; return what Dagster keeps of the tick, and what its UI shows."""
    definitions = build_definitions()
    repository = definitions.get_repository_def()
    with dg.build_sensor_context(instance=instance, cursor=json.dumps(STATE), repository_def=repository) as context:
        data = definitions.resolve_sensor_def("alerts").evaluate_tick(context)
    return [str(data), str(definitions.resources), str(definitions.resolve_sensor_def("alerts").description)]


@pytest.mark.parametrize(
    "answer",
    [
        200,
        400,
        404,
        (429, {"Retry-After": SECRET}),
        500,
        "hang",
        "reset",
        (302, {"location": f"https://elsewhere.invalid/{SECRET}"}),
        (200, {f"x-{SECRET} without a colon": ""}),
        "closed",
        "TLS",
        "unknown host",
        "no address",
        "apprise",
        "apprise, failing",
        "apprise, unknown",
    ],
)
def test_the_address_is_in_nothing_that_a_tick_leaves(  # noqa: PLR0913, PLR0917 - fixtures
    project: Project,
    kept: dg.DagsterInstance,
    receiver: Receiver,
    tls: Tls,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    answer: object,
) -> None:
    """With every logger at DEBUG: not in the console, nor in a file, nor in the cursor, nor on a page of the UI."""
    found = leaks(project, kept, receiver, tls, monkeypatch, capfd, answer)
    assert found == []


def leaks(  # noqa: PLR0913, PLR0917 - the fixtures of the tests
    project: Project,
    kept: dg.DagsterInstance,
    receiver: Receiver,
    tls: Tls,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    answer: object,
) -> list[str]:
    """Tick with a receiver that answers so, and return which forms of the address stand where."""
    path = receiver.url.partition("127.0.0.1:")[2].partition("/")[2]
    addresses = {
        "closed": f"http://127.0.0.1:{closed_port()}/{path}",
        "TLS": f"{tls.url}/{path}",
        "unknown host": f"https://nowhere.invalid/{path}",
        "no address": f"https//{path}",
        "apprise": receiver.url.replace("http:", "json:"),
        "apprise, failing": receiver.url.replace("http:", "json:"),
        "apprise, unknown": f"nothing://{path}",
    }
    receiver.answers = [500] if answer == "apprise, failing" else [] if str(answer) in addresses else [answer]  # type: ignore[list-item]
    monkeypatch.setenv("ALERT_WEBHOOK", addresses.get(str(answer), receiver.url))
    monkeypatch.setattr(webhook, "_READ_SECONDS", 0.2)
    texts = tick(kept)
    console = capfd.readouterr()
    texts += [console.out, console.err]
    texts += [path.read_bytes().decode("latin-1") for path in project.path.rglob("*") if path.is_file()]
    return [form for form in FORMS for text in texts if form in text]


def test_the_search_finds_what_is_not_redacted(  # noqa: PLR0913, PLR0917 - fixtures
    project: Project,
    kept: dg.DagsterInstance,
    receiver: Receiver,
    tls: Tls,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """Without the redaction of the client library's log, the search above fails."""
    monkeypatch.setattr(webhook, "_keep_out_of_logs", lambda _: None)
    assert leaks(project, kept, receiver, tls, monkeypatch, capfd, 404)
