"""An alert may be late; it is never lost, and never doubled but where docs/alerts.md says so."""

import contextlib
import html
import json
import logging
import re
import socket
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from analytics_assets.alerts import outbox, webhook
from analytics_assets.alerts.outbox import deliver
from analytics_assets.alerts.state import Delivery, Message, State, bounded
from analytics_assets.alerts.webhook import send
from analytics_assets.ingest.configured import load_settings
from analytics_assets_tests.alerts.conftest import NOW, PATH, Receiver, Watch
from analytics_assets_tests.alerts.test_causes import made
from analytics_assets_tests.project import Project

LOG = logging.getLogger("analytics_assets")
DOCUMENT = (Path(__file__).parents[2] / "docs" / "alerts.md").read_text()


def waiting(*texts: str) -> State:
    """Return a state with messages of these texts, which its cursor has had for a while."""
    return State(outbox=[Message(id=f"id-{text}", text=text) for text in texts])


def delivered(state: State) -> State:
    """Return the state after a tick's delivery."""
    return deliver(state, len(state.outbox), load_settings(), LOG)


def fail(watch: Watch) -> None:
    """Have a run die."""
    watch.instance.report_run_failed(made(watch), "it is gone")


def test_messages_are_taken_in_order_once_each(receiver: Receiver) -> None:
    """One after the other, each with its id in the body and in a header."""
    left = delivered(waiting("one", "two", "three"))
    assert left.outbox == []
    assert receiver.texts == ["one", "two", "three"]
    assert [body["id"] for body in receiver.taken] == ["id-one", "id-two", "id-three"]
    assert [headers["Idempotency-Key"] for headers in receiver.headers] == ["id-one", "id-two", "id-three"]


@pytest.mark.parametrize("answer", [500, 503, 408, "reset", (429, {})])
def test_what_may_pass_is_tried_again_more_and_more_rarely(
    watch: Watch, receiver: Receiver, answer: int | str | tuple[int, dict[str, str]]
) -> None:
    """Nothing goes past the first; and a later tick delivers all of it, in order, once each."""
    receiver.answers = [answer, answer]
    state = delivered(waiting("one", "two"))
    assert len(receiver.came) == 1, "the second does not overtake the first"
    assert state.delivery.failures == 1
    state = delivered(state)
    assert len(receiver.came) == 1, "not at once"
    watch.clock.shift(61)
    state = delivered(state)
    assert len(receiver.came) == 2
    watch.clock.shift(61)
    state = delivered(state)
    assert len(receiver.came) == 2, "the second wait is longer"
    watch.clock.shift(61)
    state = delivered(state)
    assert receiver.texts == ["one", "two"]
    assert state.outbox == []
    assert state.delivery.failures == 0


def test_retry_after_is_obeyed(watch: Watch, receiver: Receiver) -> None:
    """Also where it is longer than we would wait."""
    receiver.answers = [(429, {"Retry-After": "7200"})]
    state = delivered(waiting("one"))
    for seconds, came in ((7100, 1), (101, 2)):
        watch.clock.shift(seconds)
        state = delivered(state)
        assert len(receiver.came) == came
    assert receiver.texts == ["one"]


@pytest.mark.parametrize(
    ("failures", "answer", "seconds"),
    [(0, 500, 60), (1, 500, 120), (2, 500, 240), (40, 500, 3600), (0, (429, {"Retry-After": "999999"}), 86400)],
)
def test_a_wait_has_an_end(
    watch: Watch, receiver: Receiver, failures: int, answer: int | tuple[int, dict[str, str]], seconds: float
) -> None:
    """An hour, or a day where the receiver asks for more."""
    receiver.answers = [answer]
    state = waiting("one").model_copy(update={"delivery": Delivery(failures=failures)})
    now = NOW.timestamp()
    watch.clock.move_to(NOW, tick=False)
    assert delivered(state).delivery.not_before == now + seconds


@pytest.mark.parametrize("answer", [400, 403, 404, 410, (302, {"location": "/elsewhere"})])
def test_a_wrong_address_is_said_loudly_and_nothing_is_lost(
    watch: Watch,
    receiver: Receiver,
    caplog: pytest.LogCaptureFixture,
    answer: int | tuple[int, dict[str, str]],
) -> None:
    """It is an error in the log, and tried once an hour. A redirect is not followed, whoever it leads to."""
    receiver.answers = [answer]
    state = delivered(waiting("one"))
    (record,) = caplog.records
    status = answer[0] if isinstance(answer, tuple) else answer
    assert record.levelno == logging.ERROR
    assert record.getMessage() == (
        f"1 alert waits to be delivered: it answered {status}. The next attempt is in 3600 s"
    )
    watch.clock.shift(3500)
    assert len(delivered(state).outbox) == 1
    watch.clock.shift(101)
    assert delivered(state).outbox == []
    assert len(receiver.came) == 2


def test_nobody_listens(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """A refused connection is one that may pass."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    monkeypatch.setenv("ALERT_WEBHOOK", f"http://127.0.0.1:{port}{PATH}")
    assert delivered(waiting("one")).delivery.failures == 1
    assert "no connection" in caplog.text


def test_a_receiver_that_hangs_gets_the_same_message_again(
    watch: Watch, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has taken it, and nobody can know; the id says that it is the same one."""
    monkeypatch.setattr(webhook, "_READ_SECONDS", 0.2)
    receiver.answers = ["hang"]
    state = delivered(waiting("one", "two"))
    assert len(state.outbox) == 2
    watch.clock.shift(61)
    assert delivered(state).outbox == []
    assert receiver.texts == ["one", "one", "two"]
    assert [body["id"] for body in receiver.taken] == ["id-one", "id-one", "id-two"]


@contextlib.contextmanager
def dripping() -> Iterator[str]:
    """Give the address of a server that begins an answer and then sends a letter of a header now and then."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            with contextlib.suppress(OSError):
                connection, _ = server.accept()
                with connection:
                    connection.sendall(b"HTTP/1.1 200 OK\r\nx: ")
                    for _ in range(40):
                        connection.sendall(b"y")
                        time.sleep(0.02)

        threading.Thread(target=serve, daemon=True).start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}{PATH}"


def test_a_receiver_that_answers_for_ever_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """The whole attempt is bounded, not only the wait for the next byte."""
    monkeypatch.setattr(webhook, "MOST_SECONDS", 0.2)
    began = time.monotonic()
    with dripping() as address:
        answer = send(address, Message(id="1", text="one"), load_settings())
    assert not answer.is_taken
    assert "no answer within" in answer.said
    assert time.monotonic() - began < 2


def test_a_tick_does_not_last_long(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    """Dagster would end it, and forget what was delivered: what is left goes with the next one."""
    monkeypatch.setattr(outbox, "_TICK_SECONDS", webhook.MOST_SECONDS)
    assert len(delivered(waiting("one", "two")).outbox) == 2
    assert receiver.came == []


def test_a_message_is_kept_before_it_is_sent(watch: Watch, receiver: Receiver) -> None:
    """So that one of which nobody knows whether it was sent is sent as it was, with its id, and not made anew."""
    fail(watch)
    found = watch.tick()
    assert len(found["outbox"]) == 1
    assert receiver.came == []
    # meanwhile there is more to say; and the process dies after it has sent what was there
    fail(watch)
    watch.tick(dies=True)
    assert len(receiver.came) == 1
    watch.ticks(3)
    assert receiver.came[0] == receiver.came[1]
    assert len(receiver.came) == 2


def test_without_an_address_alerts_are_in_the_log(watch: Watch, capfd: pytest.CaptureFixture[str]) -> None:
    """The sensor works all the same, and keeps nothing that nobody will fetch."""
    fail(watch)
    assert watch.tick()["outbox"] == []
    assert "Not loaded, run died: stories of 2025-03-01" in capfd.readouterr().err
    assert len(watch.tick()["causes"]) == 1


def test_the_log_has_what_the_webhook_gets(watch: Watch, receiver: Receiver, capfd: pytest.CaptureFixture[str]) -> None:
    """Once, when it is found, however often it has to be sent."""
    receiver.answers = [500]
    fail(watch)
    watch.ticks(4)
    assert capfd.readouterr().err.count("Not loaded, run died: stories of 2025-03-01") == 1
    assert len(receiver.texts) == 1


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("http://alerts.example/secret-path", "plain http would send"),
        ("hooks.example/secret-path", "is none"),
        ("https:///secret-path", "names no host"),
        ("https://[::1/secret-path", "is none"),
        ("https://alerts.example/secret path", "is none"),
        ("nothing://alerts.example/secret-path", "neither http nor one that apprise knows"),
        ("json://alerts.example/secret-path", "plain http would send"),
    ],
)
def test_an_address_that_is_none_is_refused_in_words(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, address: str, said: str
) -> None:
    """Nothing is sent, nothing is lost, and nothing of the address is said."""
    monkeypatch.setenv("ALERT_WEBHOOK", address)
    assert len(delivered(waiting("one")).outbox) == 1
    (record,) = caplog.records
    assert record.levelno == logging.ERROR
    assert said in record.getMessage()
    assert "secret" not in record.getMessage().replace(".dlt/secrets.toml", "")


def test_plain_http_needs_the_setting(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """With it the address is used; that nobody is there is another matter."""
    project.configure(allow_http=True)
    monkeypatch.setenv("ALERT_WEBHOOK", "http://alerts.invalid/secret-path")
    asked: list[str] = []
    monkeypatch.setattr(requests, "post", lambda address, *_, **__: asked.append(address))
    delivered(waiting("one"))
    assert asked == ["http://alerts.invalid/secret-path"]


def test_the_address_is_read_from_the_secrets_too(
    project: Project, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the key is: from `.dlt/secrets.toml` as it is now."""
    monkeypatch.delenv("ALERT_WEBHOOK")
    project.write("secrets.toml", "")
    (project.path / ".dlt" / "secrets.toml").write_text(f'alert_webhook = "{receiver.url}"\n')
    assert delivered(waiting("one")).outbox == []
    assert receiver.texts == ["one"]


def test_what_is_not_http_goes_by_apprise(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    """Here to its JSON service, on loopback; a failure of it waits as any other."""
    pytest.importorskip("apprise")
    monkeypatch.setenv("ALERT_WEBHOOK", receiver.url.replace("http:", "json:"))
    receiver.answers = [500]
    state = delivered(waiting("one", "two"))
    assert [message.text for message in state.outbox] == ["one", "two"]
    left = delivered(state.model_copy(update={"delivery": State().delivery}))
    assert left.outbox == []
    assert [body["message"] for body in receiver.came[1:]] == ["one\n\nid: id-one", "two\n\nid: id-two"]


def test_where_apprise_is_missing_it_says_how_it_is_installed(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It is an extra."""
    monkeypatch.setenv("ALERT_WEBHOOK", "json://127.0.0.1:1/x")
    # `import` takes it for a module that is not there
    monkeypatch.setitem(sys.modules, "apprise", None)
    assert len(delivered(waiting("one")).outbox) == 1
    assert 'pip install "analytics-assets[alerts]"' in caplog.text


def test_what_slack_would_read_as_a_mention_is_escaped(receiver: Receiver) -> None:
    """A vendor's error message may say anything: it calls nobody, and links to nothing."""
    text = "<!channel> & <https://evil.example|click>"
    delivered(waiting(text))
    (body,) = receiver.taken
    assert body["text"] == "&lt;!channel&gt; &amp; &lt;https://evil.example|click&gt;"
    assert html.unescape(body["text"]) == text
    assert body["unfurl_links"] is False


def test_the_outbox_is_bounded(caplog: pytest.LogCaptureFixture) -> None:
    """A cursor is a value in Dagster's database. What is dropped was in the log, and that it is dropped is said."""
    kept = bounded(waiting(*map(str, range(103))), LOG)
    assert [message.text for message in kept.outbox] == [str(number) for number in range(3, 103)]
    assert "3 of the alerts" in caplog.text


def test_the_document_shows_what_is_sent(watch: Watch, receiver: Receiver, project: Project) -> None:
    """The example is what a receiver gets, but for the ids of message and run."""
    project.configure(dagster_url="https://dagster.example")
    fail(watch)
    watch.ticks()
    shown = re.search(r"^```json\n(.*?)^```$", DOCUMENT, re.MULTILINE | re.DOTALL)
    assert shown
    assert _anonymous(json.loads(shown[1])) == _anonymous(receiver.taken[0])


def _anonymous(body: dict[str, Any]) -> dict[str, Any]:
    return {**body, "id": len(body["id"]), "text": re.sub(r"runs/[0-9a-f-]{36}", "runs/…", body["text"])}
