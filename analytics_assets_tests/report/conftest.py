"""A clock that stands on a day of the tests' data."""

import datetime as dt
from collections.abc import Iterator

import pytest
import time_machine

NOON = dt.datetime(2025, 3, 9, 12, tzinfo=dt.UTC)


@pytest.fixture
def clock() -> Iterator[time_machine.Traveller]:
    """Let it be noon on 9 March 2025 when a test begins."""
    with time_machine.travel(NOON, tick=True) as traveller:
        yield traveller
