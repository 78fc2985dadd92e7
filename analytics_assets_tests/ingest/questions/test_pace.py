"""What an API says of its limit is said to the user, as the setting that keeps to it."""

import pytest
from requests.structures import CaseInsensitiveDict

from analytics_assets.ingest.api.adapter import WireCounts
from analytics_assets.ingest.questions.pace import pace_of
from analytics_assets.sandbox.faults import Fault
from analytics_assets_tests.ingest.questions.vendor import ROWS, check
from analytics_assets_tests.project import Project

PER_MINUTE = "it allows 600 in 60 s: set max_requests_per_second = 10"


@pytest.mark.parametrize(
    ("header", "said"),
    [
        ('RateLimit-Policy: "burst";q=50;w=1, "hour";w=3600;q=1000',
         "it allows 1,000 in 3,600 s: set max_requests_per_second = 0.27"),
        ("ratelimit-policy: 600;w=60", PER_MINUTE),
        ('RateLimit-Limit: 600, 600;w=60;comment="x"', PER_MINUTE),
        ('RateLimit-Policy: "bytes";q=600;qu="content-bytes";w=60', ""),
        ("X-RateLimit-Remaining: 12\x1b[31m", "it says X-RateLimit-Remaining: 12\ufffd[31m"),
        ("RateLimit-Limit: 99999999999999999999;w=0", "it says RateLimit-Limit: 99999999999999999999;w=0"),
        ('RateLimit: "hour";r=1;t=20', 'it says RateLimit: "hour";r=1;t=20'),
        ("Retry-After: soon", "it says Retry-After: soon"),
    ],
)  # fmt: skip
def test_headers_of_a_limit(header: str, said: str) -> None:
    """A limit with its time is a pace; what says less is shown as it came, without what could change a terminal."""
    counts = WireCounts()
    counts.request()
    name, _, value = header.partition(": ")
    counts.answer(0.25, CaseInsensitiveDict({name: value, "Content-Type": "application/json"}))
    assert pace_of(counts, 0) == f"1 request, 250 ms each{said and ', '}{said}"


def test_a_limit_at_the_wire(project: Project) -> None:
    """The headers of the last answer count; with a pace that keeps to the limit there is nothing to advise."""
    line = Fault("header", line="RateLimit-Limit: 100;w=1")
    verdict, sandbox = check(project, ROWS[:1], line, max_requests_per_second=90)
    assert f"; {len(sandbox.requests)} requests, one by one, " in verdict.message
    assert verdict.message.endswith(" ms each, it allows 100 in 1 s")
