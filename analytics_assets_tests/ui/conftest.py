"""A browser, and `make dev` running in the test's folder for it to look at."""

import contextlib
import datetime as dt
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

try:
    from playwright.sync_api import Error, sync_playwright
except ImportError:
    sync_playwright = None

from analytics_assets.commands.demo import DAYS
from analytics_assets.sandbox.app import Sandbox
from analytics_assets_tests.project import KEY_FORMS, Project

START_SECONDS = 120
STEP_MILLISECONDS = 40_000
_ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


class Ui:
    """A page of the running UI, the API that its runs load from, and everything that the server ever sent to it."""

    def __init__(self, page: Any, url: str, sandbox: Sandbox) -> None:  # noqa: ANN401 - playwright may not be there
        self.page = page
        self.url = url
        self.sandbox = sandbox
        self._received: list[str] = []
        self._answers: list[Any] = []
        self.errors: list[str] = []
        page.set_default_timeout(STEP_MILLISECONDS)
        page.on("response", lambda answer: self._answers.append(answer))  # noqa: PLW0108 - playwright takes no built-in
        page.on("websocket", lambda opened: opened.on("framereceived", lambda sent: self._received.append(str(sent))))
        page.on("pageerror", lambda error: self.errors.append(str(error)))

    def open(self, path: str) -> None:
        """Go to a path of the UI."""
        self._read_answers()
        self.page.goto(self.url + path)

    def clicks(self, text: str | re.Pattern[str]) -> None:
        """Click what has that text."""
        self.page.get_by_text(text, exact=True).first.click()

    def reload(self) -> None:
        """Load the same page anew."""
        self._read_answers()
        self.page.reload()

    def sees(self, text: str | re.Pattern[str], *, seconds: float = STEP_MILLISECONDS / 1000) -> None:
        """Wait until that text, all of an element's, is visible."""
        self.page.get_by_text(text, exact=True).first.wait_for(timeout=seconds * 1000)

    def table(self) -> dict[str, str]:
        """Return the tables of the page as one: first cell to second."""
        lines = (line.locator("td").all_inner_texts() for line in self.page.locator("tr").all())
        return {cells[0].strip(): cells[1].strip() for cells in lines if len(cells) > 1}

    def shoot(self, name: str) -> None:
        """Save what is seen as ``<name>.png`` to the folder ``SCREENSHOTS``, when nothing moves any more."""
        if folder := os.environ.get("SCREENSHOTS"):
            self.page.wait_for_timeout(500)
            self.page.screenshot(path=Path(folder) / f"{name}.png", animations="disabled")

    def leaks(self) -> list[str]:
        """Return what the server sent with the API key in it."""
        self._read_answers()
        assert any("RUN_SUCCESS" in text or "RunSuccessEvent" in text for text in self._received), (
            "nothing was captured"
        )
        return [text[:200] for text in self._received if any(form in text for form in KEY_FORMS)]

    def _read_answers(self) -> None:
        """Keep the texts of the answers so far: the browser drops them when it leaves the page."""
        self._received.append(self.page.content())
        for answer in self._answers:
            if "json" in answer.headers.get("content-type", ""):
                # an answer that the page did not wait for has no text
                with contextlib.suppress(Error):
                    self._received.append(answer.text())
        self._answers.clear()


@pytest.fixture
def browser() -> Iterator[Any]:
    """Return Chromium, or skip the test with a line that says how to get it; ``REQUIRE_ALL=1`` forbids that."""
    path = Path(os.environ.get("CHROMIUM", "/usr/bin/chromium"))
    missing = "" if path.is_file() else f"no Chromium at {path}: apt-get install chromium, or CHROMIUM=<its path>"
    if sync_playwright is None:
        missing = "playwright is not installed: make install"
    if missing:
        (pytest.fail if os.environ.get("REQUIRE_ALL") == "1" else pytest.skip)(missing)
    with sync_playwright() as playwright:
        # the path of Chromium's own socket must stay under 108 characters, which the test's folder does not leave it
        env = {name: value for name, value in os.environ.items() if name != "TMPDIR"}
        chromium = playwright.chromium.launch(executable_path=path, args=list(_ARGUMENTS), env=env)
        yield chromium
        chromium.close()


@pytest.fixture
def ui(browser: Any, project: Project) -> Iterator[Ui]:  # noqa: ANN401 - playwright may not be there
    """Return the UI that ``make dev`` serves after ``make demo``; the folder ``SCREENSHOTS`` gets pictures."""
    # a history no longer than the demo's, for a full refresh records each day of it
    first_day = dt.datetime.now(dt.UTC).date() - dt.timedelta(days=DAYS)
    project.configure(start_date=first_day)
    subprocess.run([sys.executable, "-m", "analytics_assets.commands.demo"], check=True, capture_output=True)
    sandbox = project.serve(first_day=first_day)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    # playwright's own loop must not see the output pipe filling up
    with (
        (project.path / "dev.log").open("w+") as log,
        subprocess.Popen(
            [sys.executable, "-m", "analytics_assets.commands.dev"],
            env={**os.environ, "PORT": str(port)},
            stdout=log,
            stderr=subprocess.STDOUT,
        ) as dev,
    ):
        try:
            page = browser.new_page(viewport={"width": 1400, "height": 1100}, reduced_motion="reduce")
            _wait_until_ready(dev, page, project.path / "dev.log")
            seen = Ui(page, f"http://127.0.0.1:{port}", sandbox)
            yield seen
            # where the test has failed, this says what was in sight instead
            seen.shoot("last")
        finally:
            dev.send_signal(signal.SIGTERM)
            try:
                dev.wait(20)
            except subprocess.TimeoutExpired:
                dev.kill()
                raise


def _wait_until_ready(dev: subprocess.Popen[bytes], page: Any, log: Path) -> None:  # noqa: ANN401
    for _ in range(START_SECONDS * 10):
        if "Ready: " in log.read_text():
            return
        if dev.poll() is not None:
            break
        page.wait_for_timeout(100)
    pytest.fail(f"make dev did not start:\n{log.read_text()}")
