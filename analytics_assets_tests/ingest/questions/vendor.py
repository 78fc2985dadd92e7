"""An API that answers otherwise than it should, and what the check says of it."""

from collections.abc import Callable
from typing import Any

from starlette.responses import Response

from analytics_assets.ingest.configured import load_settings
from analytics_assets.ingest.connection import Verdict, check_endpoint
from analytics_assets.sandbox.answer import Answer
from analytics_assets.sandbox.app import Sandbox
from analytics_assets.sandbox.faults import Fault
from analytics_assets_tests.ingest.test_doubts import hourly
from analytics_assets_tests.project import KEY, KEY_FORMS, Project, Row, endpoint_of
from analytics_assets_tests.reliability.stage import Misread

ROWS = hourly(days=4, first="2025-03-01")
"""48 stories a day."""


class Twist(Fault):
    """Changes each answer as a function says, which may return one to send in its place."""

    def __init__(self, change: Callable[[Answer], Response | None]) -> None:
        """Keep the function."""
        super().__init__("no_data")
        self._change = change

    async def apply(self, answer: Answer) -> Response | None:
        """Change the answer."""
        return self._change(answer)


def check(
    project: Project,
    rows: list[Any],
    *faults: Fault,
    shape: dict[str, Any] | None = None,
    **configured: object,
) -> tuple[Verdict, Sandbox]:
    """Serve these stories in that shape, and check them: the verdict, which is short and holds no key, and the API."""
    sandbox = project.serve(rows={"stories": rows}, shape=Misread(key=KEY, **(shape or {})), faults=faults)
    project.configure(**configured)
    verdict = check_endpoint(endpoint_of("stories"), load_settings())
    assert len(sandbox.requests) < 20
    assert "\n" not in str(verdict)
    assert not [form for form in KEY_FORMS if form in str(verdict)]
    return verdict, sandbox


def named(count: int, day: str = "2025-03-01") -> list[Row]:
    """Return stories at the first instants of so many days."""
    first = int(day[-2:])
    return [{"id": f"m{number}", "timestamp": f"{day[:-2]}{first + number:02d}T00:00:00Z"} for number in range(count)]
