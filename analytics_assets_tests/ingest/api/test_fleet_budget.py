"""One rate budget for all machines, in PostgreSQL: processes that share no folder, and what becomes of it in faults."""

import logging
import multiprocessing
import os
import signal
import threading
import time
from itertools import pairwise
from typing import Any

import pytest

from analytics_assets.ingest.api import line_places
from analytics_assets.ingest.api.budget import RateBudget
from analytics_assets.ingest.api.line_places import InPostgres
from analytics_assets.ingest.configured import SettingError
from analytics_assets.ingest.errors import ApiError
from analytics_assets.ingest.settings import Settings
from analytics_assets_tests.project import Project, reload_settings, stories
from analytics_assets_tests.warehouses import Postgres

pytestmark = pytest.mark.postgres
LOG = logging.getLogger("analytics.test.budget")
_FORK = multiprocessing.get_context("fork")
_RATE = 60
_END_SESSIONS = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE '%rate budget'"


@pytest.fixture(autouse=True)
def _budget(postgres_server: Postgres, monkeypatch: pytest.MonkeyPatch) -> None:
    """Begin with no budget in the database."""
    postgres_server.execute("DROP TABLE IF EXISTS analytics_assets_pace")
    monkeypatch.setenv("RATE_BUDGET_URL", postgres_server.url)
    reload_settings()


def budget(**settings: Any) -> RateBudget:  # noqa: ANN401 - Settings types them
    """Return the budget of another run of the fleet."""
    return RateBudget(Settings(base_url="https://api", rate_budget="postgres", **settings), time.sleep, LOG)


def _ask(count: int, together: Any, started: Any) -> None:  # noqa: ANN401 - a context's barrier and queue
    mine = budget(max_requests_per_second=_RATE)
    together.wait(60)

    def one_by_one() -> None:
        for _ in range(count):
            moment = mine.wait()
            started.put((moment, time.time()))
            mine.passed(moment)

    threads = [threading.Thread(target=one_by_one) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_four_machines_keep_to_one_rate() -> None:
    """Sixteen threads of four processes, which all make the table at once, make no more requests than is allowed."""
    together, started = _FORK.Barrier(4), _FORK.Queue()
    processes = [_FORK.Process(target=_ask, args=(12, together, started), daemon=True) for _ in range(4)]
    for process in processes:
        process.start()
    moments = sorted(started.get(timeout=60)[1] for _ in range(4 * 4 * 12))
    for process in processes:
        process.join(60)
    assert (len(moments) - 1) / (moments[-1] - moments[0]) <= 1.05 * _RATE
    # nor in any second of them, but for one of each thread that was held up on its way to it
    most = max(sum(1 for moment in moments if first <= moment < first + 1) for first in moments)
    assert most <= 1.05 * _RATE + 16


def _refuse(seconds: float, done: Any) -> None:  # noqa: ANN401 - a context's event
    mine = budget()
    mine.refused(mine.wait(), seconds)
    done.set()
    time.sleep(60)


def test_a_refusal_holds_back_all_machines() -> None:
    """What one of them was told, the others wait for; what that one lived for does not matter any more."""
    done = _FORK.Event()
    process = _FORK.Process(target=_refuse, args=(1.5, done), daemon=True)
    process.start()
    assert done.wait(60)
    began = time.monotonic()
    process.kill()
    mine = budget()
    mine.passed(mine.wait())
    assert 1.0 < time.monotonic() - began < 5
    began = time.monotonic()
    budget().wait()
    assert time.monotonic() - began < 2


def _stop_with_the_row(address: str, has_it: Any) -> None:  # noqa: ANN401 - a context's event
    def stop(*_: object) -> None:
        has_it.set()
        os.kill(os.getpid(), signal.SIGSTOP)

    place = InPostgres("one", address)
    place.change(stop)


def test_a_killed_process_holds_nobody_back(postgres_server: Postgres) -> None:
    """It had the row: the server gives it back with the connection, as it was."""
    place = InPostgres("one", postgres_server.url)
    place.change(lambda line, _: setattr(line, "next_slot", 7.0))
    has_it = _FORK.Event()
    process = _FORK.Process(target=_stop_with_the_row, args=(postgres_server.url, has_it), daemon=True)
    process.start()
    assert has_it.wait(60)
    process.kill()
    began = time.monotonic()
    assert place.change(lambda line, _: line.next_slot) == 7.0
    # its clock is the server's, which is this machine's here
    assert abs(place.now() - time.time()) < 1
    assert time.monotonic() - began < 5
    place.close()


def test_a_stopped_process_holds_nobody_back_for_long(
    postgres_server: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has the row and does not go on: the server takes it away."""
    monkeypatch.setattr(line_places, "_ROW_SECONDS", 1)
    has_it = _FORK.Event()
    process = _FORK.Process(target=_stop_with_the_row, args=(postgres_server.url, has_it), daemon=True)
    process.start()
    assert has_it.wait(60)
    place = InPostgres("one", postgres_server.url)
    began = time.monotonic()
    place.change(lambda line, _: line.next_slot)
    assert 0.5 < time.monotonic() - began < 5
    place.close()
    process.kill()


def test_a_database_that_is_restarted_is_waited_for(postgres_server: Postgres) -> None:
    """The connection is made anew, and the line is what it was."""
    mine = budget(max_requests_per_second=2)
    first = mine.wait()
    postgres_server.execute(_END_SESSIONS)
    second = mine.wait()
    postgres_server.execute(_END_SESSIONS)
    third = mine.wait()
    assert all(later - earlier >= 0.45 for earlier, later in pairwise((first, second, third)))


def test_a_database_that_is_gone_fails_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """After a minute, as one that may pass; the password is not said."""
    monkeypatch.setattr(line_places, "_PATIENCE_SECONDS", 0.6)
    monkeypatch.setenv("RATE_BUDGET_URL", "postgresql://nobody:unused@127.0.0.1:1/none")
    with pytest.raises(ApiError) as raised:
        budget().wait()
    assert raised.value.problem.is_transient
    assert "the rate budget's PostgreSQL (RATE_BUDGET_URL) does not answer: connection to server" in str(raised.value)
    assert "unused" not in str(raised.value)


def test_an_error_in_a_change_leaves_no_lock(postgres_server: Postgres) -> None:
    """What was begun is not kept, and others go on."""
    place, other = (InPostgres("one", postgres_server.url) for _ in range(2))

    def fail(line: Any, _: float) -> None:  # noqa: ANN401 - a line
        line.next_slot = 9.0
        raise ValueError

    with pytest.raises(ValueError):  # noqa: PT011 - it says nothing
        place.change(fail)
    began = time.monotonic()
    assert other.change(lambda line, _: line.next_slot) == 0.0
    assert time.monotonic() - began < 3
    assert place.change(lambda line, _: line.next_slot) == 0.0
    place.close()
    other.close()


def test_without_an_address_nothing_is_asked(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that has none would have a budget of its own, beside that of the others."""
    monkeypatch.delenv("RATE_BUDGET_URL")
    sandbox = project.serve(rows={"stories": stories(3)})
    project.configure(rate_budget="postgres")
    with pytest.raises(SettingError, match='rate_budget = "postgres" needs the address of a PostgreSQL'):
        project.load()
    assert sandbox.requests == []


def test_a_load_keeps_to_it(project: Project, postgres_server: Postgres) -> None:
    """Real requests to a real server: ten pages at twenty a second take half a second, and the address is nowhere."""
    sandbox = project.serve(rows={"stories": stories(40)})
    project.configure(rate_budget="postgres", max_requests_per_second=20, page_size=4, max_concurrent_requests=8)
    began = time.monotonic()
    project.load()
    assert time.monotonic() - began >= (len(sandbox.requests) - 1) / 20
    assert len(project.ids()) == 40
    [(count,)] = postgres_server.execute("SELECT count(*) FROM analytics_assets_pace")
    assert count == 1
    assert not list((project.path / "tmp").glob("analytics-assets-*/pace-*"))
    project.assert_nowhere((postgres_server.url,))
