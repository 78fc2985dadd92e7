"""Whether the API can be reached with the settings as they are: one cheap request, one worded verdict."""

from dataclasses import dataclass

from analytics_assets.ingest.endpoints import Endpoint
from analytics_assets.ingest.errors import Kind, explain
from analytics_assets.ingest.settings import Settings
from analytics_assets.ingest.source import build_source


@dataclass(frozen=True)
class Verdict:
    """What one endpoint answered: ``fine``, or the kind of problem, and a sentence about it."""

    endpoint: str
    kind: Kind | None
    message: str

    @property
    def is_fine(self) -> bool:
        """Whether the endpoint answered as the settings describe."""
        return self.kind is None

    def __str__(self) -> str:
        return f"{self.endpoint}: {self.kind or 'fine'}: {self.message}"


def check_endpoint(endpoint: Endpoint, settings: Settings) -> Verdict:
    """Ask an endpoint for one row, without retries. Problems come back in the verdict; only bugs of ours raise."""
    # what the table has is not known here, so no field can be called new
    asked = {"page_size": 1, "max_retries": 0, "max_concurrent_requests": 1, "new_columns": "add"}
    one_row = settings.model_copy(update=asked)
    try:
        source, reading = build_source(endpoint, one_row, None)
        list(source.resources[endpoint.name].add_limit(1))
    except Exception as error:
        problem = explain(error)
        if problem is None:
            raise
        return Verdict(endpoint.name, problem.kind, problem.message)
    total = reading.pages.walk.total
    return Verdict(endpoint.name, None, "rows come" if total is None else f"{total:,} rows in all")
