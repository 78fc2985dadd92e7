"""The sandbox as the vendor that the settings describe: it speaks that vendor's dialect, and sends its fields."""

from analytics_assets.ingest.endpoint import Endpoint
from analytics_assets.ingest.settings import Settings
from analytics_assets.sandbox.app import Sandbox
from analytics_assets.sandbox.shape import Shape

_KEY = Shape().key
_WHOLE_BODY = "$"
# the shape's name of what a setting of a list says
_OF_LISTS = {
    "data_path": "data_selector",
    "total_path": "total_selector",
    "pagination": "pagination",
    "offset_param": "offset_param",
    "page_param": "page_param",
    "first_page": "first_page",
    "total_pages_path": "total_pages_selector",
    "cursor_path": "cursor_selector",
    "cursor_param": "cursor_param",
    "link_path": "next_link_selector",
    "limit_param": "limit_param",
    "start_param": "window_start_param",
    "end_param": "window_end_param",
    "window_format": "window_format",
    "window_end": "window_end",
    "require_params": "extra_params",
}
_MAY_BE_MISSING = {"total_path", "total_pages_path"}


def sandbox_of(settings: Settings, key: str = _KEY) -> Sandbox:
    """Return a sandbox that is loaded with these settings, all but ``base_url``; ``key`` is what it takes.

    ``ValueError`` where it cannot play what they say: tokens of another host, or a JSONPath that is no path of names.
    """
    if settings.key_location == "oauth2":
        msg = f"the sandbox cannot give the tokens that are asked for at token_url = {settings.token_url!r}"
        raise ValueError(msg)
    return Sandbox(shape=_shape(settings, key), endpoints=settings.resolved_endpoints)


def _shape(settings: Settings, key: str) -> Shape:
    endpoints = settings.resolved_endpoints
    return Shape(
        key=key,
        key_location=settings.key_location,
        key_name=settings.key_name,
        paths={endpoint.name: endpoint.path for endpoint in endpoints},
        cursors={endpoint.name: endpoint.cursor or "" for endpoint in endpoints},
        own={endpoint.name: _list(settings.of(endpoint), endpoint) for endpoint in endpoints},
    )


def _list(settings: Settings, endpoint: Endpoint) -> dict[str, object]:
    """Return the dialect of one list."""
    told: dict[str, object] = {name: getattr(settings, setting) for name, setting in _OF_LISTS.items()}
    for name, value in told.items():
        if name.endswith("_path") and set(str(value)) & set("[]*") and value != _WHOLE_BODY:
            msg = f"the sandbox cannot answer as {_OF_LISTS[name]} = {value!r} of {endpoint.name} asks"
            raise ValueError(msg)
    told |= {name: told[name] or None for name in _MAY_BE_MISSING}
    if told["data_path"] == _WHOLE_BODY:
        told["data_path"] = ""
    return told
