"""How dlt's ``RESTClient`` sees the pages of a window."""

from collections.abc import Callable
from typing import Any

from dlt.sources.helpers.rest_client.paginators import BasePaginator
from requests import Request, Response

from analytics_assets.ingest.api.pagination import WindowPages
from analytics_assets.ingest.api.walk import OffsetWalk


class ProvenPaginator(BasePaginator):
    """dlt's view of ``WindowPages``: the page that each request asks for, and whether there is one more.

    ``pages`` is a function, because dlt copies a paginator each time it begins to read, and whoever asked for the
    window looks at the original's walk; a function is not copied.
    """

    def __init__(self, pages: Callable[[], WindowPages]) -> None:
        super().__init__()
        self._pages = pages

    @property
    def walk(self) -> OffsetWalk:
        """The pass that is under way, as the page that has just come has left it."""
        return self._pages().walk

    def init_request(self, request: Request) -> None:
        """Begin a pass over the window."""
        self._has_next_page = True
        self._pages().begin_pass()
        self.update_request(request)

    def update_request(self, request: Request) -> None:
        """Ask for the page at which the walk stands."""
        self._pages().ask(request)

    def update_state(self, response: Response, data: list[Any] | None = None) -> None:  # noqa: ARG002 (dlt's signature; `response` has the total as well)
        """Take the page that came; raises what ``WindowPages`` raises."""
        self._pages().take(response)
        self._has_next_page = not self.walk.is_whole
